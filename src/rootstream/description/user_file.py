"""Where a user's own `config.yaml` is; apart from its reader, which most commands need not wait for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILE = "config.yaml"
VARIABLES = ("ROOTSTREAM_CACHE_", "ROOTSTREAM_WORKERS_")


def place(environment: Mapping[str, str]) -> Path:
    """Return where a user's own file is, whether it exists or not."""
    given = Path(environment.get("XDG_CONFIG_HOME", ""))
    base = given if given.is_absolute() else Path(environment.get("HOME") or Path.home()) / ".config"
    return base / "rootstream" / FILE


def is_set(environment: Mapping[str, str]) -> bool:
    """Say whether there is anything to read: the file, or a variable in its place."""
    return any(name.startswith(VARIABLES) for name in environment) or place(environment).is_file()
