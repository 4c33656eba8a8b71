"""Kernels as elements: compiled from source, or as Debian built them."""
