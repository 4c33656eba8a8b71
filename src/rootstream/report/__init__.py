"""What is in a system, read from its export: components, licenses, files."""
