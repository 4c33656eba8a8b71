"""File formats and texts as data, on the standard library only: used on both sides of the sandbox."""
