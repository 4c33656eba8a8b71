"""The wheels that layers have installed in a root: what their metadata says, and which files are theirs.

Formats: core metadata and RECORD of PyPA's specifications. What Debian has packaged belongs to its packages.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from posixpath import normpath
from typing import Any

from rootstream.sandbox.tree import BASE, InodeKind, Tree

MOST_TEXT = 16 << 20  # bytes of metadata, or of a list of files
_METADATA = re.compile(r"(.*/)[^/]+\.dist-info/METADATA")
_COMPILED = re.compile(r"(.*/)__pycache__/([^/]+?)\.[a-z]+-[0-9]+(\.opt-[12])?\.pyc")
_CLASSIFIER = "License :: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """An installed wheel; `license` is its SPDX expression, `stated` what older metadata says instead."""

    name: str
    version: str
    license: str | None
    stated: tuple[str, ...]
    homepage: str
    paths: frozenset[str]

    def row(self) -> dict[str, Any]:
        """Return what is written of it; its paths are in the rows of the files."""
        return {
            "name": self.name,
            "version": self.version,
            "license": self.license,
            "stated": self.stated,
            "homepage": self.homepage,
        }


def wheels(tree: Tree) -> tuple[Wheel, ...]:
    """Return the wheels of a root in the order of their names."""
    made = sorted(_wheels(tree), key=lambda each: (each.name, each.version))
    return tuple(made)


def _wheels(tree: Tree) -> Iterator[Wheel]:
    found = [path for path in tree.below("") if _METADATA.fullmatch(path)]
    compiled = _compiled(tree) if found else {}
    for path in found:
        match = _METADATA.fullmatch(path)
        text = _layer_text(tree, path) if match else None
        if match is None or text is None:
            continue
        told = HeaderParser().parsestr(text)
        name = re.sub(r"[-_.]+", "-", str(told.get("Name", ""))).lower()
        if not name:
            continue
        listed = _listed(_layer_text(tree, path.replace("/METADATA", "/RECORD")) or "", match.group(1))
        stated = [str(told["License"])] if told.get("License") else []
        stated += [
            str(each).rpartition(" :: ")[2]
            for each in told.get_all("Classifier", [])
            if str(each).startswith(_CLASSIFIER)
        ]
        yield Wheel(
            name=name,
            version=str(told.get("Version", "")),
            license=str(told["License-Expression"]) if told.get("License-Expression") else None,
            stated=tuple(" ".join(each.split())[:200] for each in stated),
            homepage=str(told.get("Home-page", "")),
            paths=frozenset({path, *listed, *(each for own in listed for each in compiled.get(own, ()))}),
        )


def _listed(record: str, site: str) -> frozenset[str]:
    """Return the paths of a RECORD, which begin in the site folder or at the root."""
    rows = (row[0] for row in csv.reader(io.StringIO(record)) if row and row[0])
    return frozenset(normpath(f"/{row}" if row.startswith("/") else f"/{site}{row}").lstrip("/") for row in rows)


def _compiled(tree: Tree) -> Mapping[str, list[str]]:
    """Return the byte code of each module: it is made after RECORD."""
    found: dict[str, list[str]] = {}
    for path in tree.below(""):
        match = _COMPILED.fullmatch(path)
        if match:
            found.setdefault(f"{match.group(1)}{match.group(2)}.py", []).append(path)
    return found


def _layer_text(tree: Tree, path: str) -> str | None:
    inode = tree.get(path)
    if inode is None or inode.kind is not InodeKind.FILE or inode.origin == BASE or inode.content is None:
        return None
    if inode.content.size > MOST_TEXT:
        return None
    return b"".join(inode.content.chunks()).decode("utf-8", "replace")
