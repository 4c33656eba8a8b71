"""The command line: parsing and help, one module for each group of commands."""
