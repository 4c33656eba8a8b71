"""Root file systems as elements, and the finished root that layers are laid over."""
