"""Programs of the sandbox that make images."""
