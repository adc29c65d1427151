"""What people touch: command line, later server and page. The only code that reads argv, environment and clocks."""
