"""Buildroot's packages as elements of BuildStream, each built from its own inputs alone."""
