"""Programs of the sandbox that say what a finished root is made of."""
