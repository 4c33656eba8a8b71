"""Programs of the sandbox that configure a tree with Kconfig."""
