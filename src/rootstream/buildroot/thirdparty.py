"""Software of the user as packages of Buildroot: `packages:` become packages of the generated external tree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rootstream import layers

# What make and the tables of Buildroot take as it is.
_PLAIN = re.compile(r"[A-Za-z0-9/._+-][A-Za-z0-9/._+@:=-]*")


def is_plain(word: str) -> bool:
    """Say whether a path or word can stand in Buildroot's make files and tables as it is."""
    return bool(_PLAIN.fullmatch(word))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Files of the external tree, and the symbols that select its packages."""

    files: Mapping[str, str] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()


def external(_layers: Sequence[layers.Layer], _project: Path) -> Made:
    """Return the packages that layers describe, as files of an external tree."""
    return Made()
