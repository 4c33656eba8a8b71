"""Programs of the sandbox that make a finished root file system."""
