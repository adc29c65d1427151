"""Many studies by one command: which command runs on a case, its orders and workers, results as tables and a page."""
