"""Kconfig fragments and .config files: requests with their places, facts about symbols, reports."""
