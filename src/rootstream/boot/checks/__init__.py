"""How checks are made: a module for each kind, which runner.py finds by its word."""
