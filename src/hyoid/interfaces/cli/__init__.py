"""The command line: one module per command, each calls one function of a system and hands the value to delivery."""
