"""What compares a package's own configuration with what was requested, in the sandbox that builds the package."""
