"""What takes the space in a system: its images, the components of the root in them, their largest files."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rootstream.description.budgets import Budgets
from rootstream.report.components import System
from rootstream.report.contents import Told
from rootstream.report.inventory import File, Inventory
from rootstream.report.origin import Owners

MOST_FILES = 20_000
"""Files that a page names; the others of each component are one sum."""
_FEWEST, _MOST = 5, 40  # of one component
# Kinds of images that are made of something else than the root.
_OTHER = frozenset({"kernel", "initrd", "firmware", "file", "files", "uimage"})


@dataclass(slots=True)
class Share:
    """The files that a component has brought into the root; `size` in bytes, before images compress it."""

    version: str | None = None
    kind: str = ""
    size: int = 0
    files: list[tuple[int, str]] = field(default_factory=list)


def shares(system: System, told: Told, rows: Iterable[File]) -> dict[str, Share]:
    """Return what each component has of the root; a file with several names counts once."""
    owners = Owners(system, told)
    found: dict[str, Share] = {}
    for row in rows:
        if row.kind != "file" or row.link is not None:
            continue
        name, component = owners.of(row)
        share = found.get(name)
        if share is None:
            share = found[name] = Share()
            share.version = component.version if component else None
            share.kind = component.kind if component else "layer"
        share.size += row.size or 0
        share.files.append((row.size or 0, row.path))
    return found


def data(system: System, told: Told, inventory: Inventory | None, budgets: Budgets) -> dict[str, Any]:
    """Return the sizes as the page reads them."""
    images = [
        {
            "name": each.name,
            "kind": each.kind,
            "size": each.size,
            "root": each.kind not in _OTHER,
            "budget": min(budgets.of_image(each.name, each.kind).values(), default=None),
        }
        for each in system.images
    ]
    found = shares(system, told, inventory.files) if inventory else {}
    most = max(_FEWEST, min(_MOST, MOST_FILES // max(1, len(found))))
    return {
        "images": images,
        "components": [
            _component(name, share, most)
            for name, share in sorted(found.items(), key=lambda item: (-item[1].size, item[0]))
        ],
    }


def _component(name: str, share: Share, most: int) -> list[Any]:
    largest = heapq.nlargest(most, share.files)
    return [
        name,
        share.version,
        share.kind,
        share.size,
        len(share.files),
        [[path, size] for size, path in largest],
    ]
