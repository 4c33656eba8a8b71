"""Power control: a driver for each kind, which control.py finds by its word."""
