"""Variables of make as rules print them: NAME='value', a quote in the value as a shell has it."""

from __future__ import annotations

import re
from collections.abc import Iterator

HOOKS = "ROOTSTREAM_HOOKS"
"""The variable with the names of the hooks that only the last steps of Buildroot run."""
_VARIABLE = re.compile(r"^([^\s=':#]+)='((?:[^']|'\\'')*)'$", re.MULTILINE)


def read(text: str, start: int = 0) -> Iterator[tuple[str, str]]:
    """Give the variables in a text, from a position on: name and value."""
    for match in _VARIABLE.finditer(text, start):
        yield match[1], match[2].replace("'\\''", "'")
