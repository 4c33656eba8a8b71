"""Buildroot driven from outside: the tree, its configuration, the workspace, what is stale, what came out."""
