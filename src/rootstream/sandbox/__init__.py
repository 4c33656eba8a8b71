"""Programs that run inside the build sandbox, on the base's Python and its standard library only."""
