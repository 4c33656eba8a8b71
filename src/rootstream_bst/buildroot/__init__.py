"""BuildStream sources for Buildroot packages: files that are known by their hashes."""
