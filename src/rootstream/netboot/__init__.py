"""Machines that boot over the network: what they are served, by what, and what came of it."""
