"""Build bootable Linux images from one description, boot them to check them, and serve them."""

__version__ = "0.1.0"
