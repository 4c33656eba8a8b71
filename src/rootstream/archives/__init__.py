"""Archives from elsewhere, read with bounds: compression, tar, Debian packages, paths that stay in their tree."""
