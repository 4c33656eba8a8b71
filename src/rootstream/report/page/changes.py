"""What is different between two exports, as a page shows it: sizes by component beside the lists."""

from __future__ import annotations

from typing import Any

from rootstream.report import difference
from rootstream.report.difference import Difference, Part, Side
from rootstream.report.page import sizes

MOST = 2000
"""Lines of a list on a page."""


def data(before: Side, after: Side, found: Difference) -> dict[str, Any]:
    """Return a difference as the page reads it; lists are cut, and say so."""
    parts = {
        "Images": found.images,
        "Components": found.components,
        "Build tools": found.tools,
        "Files": found.files,
        **{f"Configuration of {tree}": part for tree, part in found.symbols.items()},
    }
    return {
        "before": found.before,
        "after": found.after,
        "lists": [_list(title, part) for title, part in parts.items() if part],
        "grown": grown(before, after),
        "unknown": list(found.unknown),
    }


def grown(before: Side, after: Side) -> list[list[Any]]:
    """Return the components whose files take more or less space in the root: name, bytes before, and after."""
    old, new = _sizes(before), _sizes(after)
    found = [[name, old.get(name, 0), new.get(name, 0)] for name in old.keys() | new.keys()]
    changed = [each for each in found if each[1] != each[2]]
    return sorted(changed, key=lambda each: (-abs(each[2] - each[1]), each[0]))


def _sizes(side: Side) -> dict[str, int]:
    if side.inventory is None:
        return {}
    found = sizes.shares(side.system, side.told, side.inventory.files)
    return {name: share.size for name, share in found.items()}


def _list(title: str, part: Part) -> dict[str, Any]:
    rows = [["added", name, "" if value is None else str(value)] for name, value in part.added]
    rows += [["removed", name, "" if value is None else str(value)] for name, value in part.removed]
    for each in part.changed:
        shown = (f"{key} {difference.shown(key, *pair)}" for key, pair in each.aspects.items())
        rows.append(["changed", each.name, ", ".join(shown)])
    counts = [len(part.added), len(part.removed), len(part.changed)]
    return {"title": title, "counts": counts, "rows": rows[:MOST]}
