"""A Buildroot configuration: completed by the tree's own Kconfig, checked, edited, saved into the project."""
