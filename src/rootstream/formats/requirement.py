"""Requirement lines of Python packages: a name, with extras, versions, a marker and hashes (PEP 508, pip's files).

Nothing else reaches pip: a direct reference, a path, `-e` and most options would have it run code of what they
name on this machine, or ask another index than the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST = 4096  # characters of a line
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9][A-Za-z0-9.!+*_-]*\s*"
_VERSIONS = rf"{_VERSION}(?:,{_VERSION})*,?\s*"
_EXTRAS = rf"\[\s*(?:{_NAME}\s*(?:,\s*{_NAME}\s*)*)?\]"
_WORD = r"""(?:[a-z_.]++|"[A-Za-z0-9_. +*,-]*"|'[A-Za-z0-9_. +*,-]*'|\(|\)|===|==|~=|!=|<=|>=|<|>)"""
_HASH = r"\s--hash=(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
_LINE = re.compile(
    rf"(?P<name>{_NAME})\s*(?:{_EXTRAS})?\s*(?:{_VERSIONS}|\(\s*{_VERSIONS}\))?\s*"
    rf"(?:;(?P<marker>(?:\s*{_WORD})++))?(?P<hashes>(?:\s*{_HASH})*)\s*"
)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
# pip takes a name that ends so for the file of an archive, if there is one.
_ARCHIVES: tuple[str, ...] = (
    ".whl",
    ".zip",
    ".tar",
    ".tgz",
    ".tbz",
    ".txz",
    ".tlz",
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".tar.lz",
)
_ARCHIVES += (".tar.lzma", ".egg")
_KINDS = (
    (re.compile(r"-"), "is an option of pip"),
    (re.compile(rf"{_NAME}\s*(?:\[[^\]]*\]\s*)?@"), "is a direct reference"),
    (re.compile(r"[A-Za-z0-9+.-]+:"), "is an address"),
    (re.compile(r"[./~]|.*/"), "is a path"),
)
EXPECTED = "expected a name, with extras, versions, a marker and hashes"


def problem(line: str) -> str | None:
    """Return what keeps a line from pip, None if nothing does; comments are to be taken off before."""
    # single blanks, and possessive repetitions above: no line takes long to be matched
    found = _LINE.fullmatch(" ".join(line.split())) if len(line) <= MOST and line.isprintable() else None
    if found and not found["name"].lower().endswith(_ARCHIVES):
        return None
    kind = next((text for pattern, text in _KINDS if pattern.match(line)), "is not a requirement")
    return f"{line[:80]!r} {kind}: {EXPECTED}"


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the requirements of a file, without comments and joined, with the numbers of their first lines."""
    begun, parts = 0, [""]
    for number, line in enumerate(text.splitlines(), 1):
        if len(parts) == 1 and not parts[0]:
            begun = number
        plain = _COMMENT.sub("", line)
        more = plain.endswith("\\") and not _COMMENT.search(line)
        parts.append(plain.removesuffix("\\") if more else plain)
        if not more:
            whole = " ".join(part.strip() for part in parts).strip()
            parts = [""]
            if whole:
                yield begun, whole
    rest = " ".join(part.strip() for part in parts).strip()
    if rest:
        yield begun, rest
