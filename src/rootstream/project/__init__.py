"""A project on the disk: its folder, its lock, its exports, and the secrets put into them."""
