"""BuildStream sources for Debian packages: resolved by apt, pinned by hash; nothing of them is run."""
