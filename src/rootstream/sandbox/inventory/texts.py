"""The license texts that a root holds: copyright files of Debian's packages, and those of wheels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rootstream.sandbox.inventory.dpkg import MOST_COPYRIGHT, Package, text_of
from rootstream.sandbox.inventory.wheels import Wheel
from rootstream.sandbox.tree import Tree

# Where wheels have theirs: the folder of PEP 639, and what setuptools put beside the metadata before.
_OF_WHEEL = re.compile(r".*\.dist-info/(?:licenses/.+|(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)")


def texts_of_debian(tree: Tree, packages: Sequence[Package]) -> tuple[Mapping[str, Any], ...]:
    """Return a row for the copyright file of each package."""
    found = (("deb", each.name, f"usr/share/doc/{each.name}/copyright") for each in packages)
    return tuple(_row(tree, *each) for each in found if text_of(tree, each[2], MOST_COPYRIGHT) is not None)


def texts_of_wheels(tree: Tree, wheels: Sequence[Wheel]) -> tuple[Mapping[str, Any], ...]:
    """Return a row for each license file of wheels."""
    found = (
        ("pypi", each.name, path) for each in wheels for path in sorted(each.paths) if _OF_WHEEL.fullmatch(path)
    )
    return tuple(_row(tree, *each) for each in found if text_of(tree, each[2], MOST_COPYRIGHT) is not None)


def _row(tree: Tree, kind: str, component: str, path: str) -> Mapping[str, Any]:
    text = text_of(tree, path, MOST_COPYRIGHT) or ""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return {"record": "text", "kind": kind, "component": component, "path": path, "sha256": digest, "text": text}


def once(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Give rows with each text only where it is first: packages from one source have the same."""
    seen: set[str] = set()
    for row in rows:
        yield row if row["sha256"] not in seen else {key: value for key, value in row.items() if key != "text"}
        seen.add(row["sha256"])
