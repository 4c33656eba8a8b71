"""BuildStream sources for Python packages: resolved by pip, pinned by hash."""
