"""What needs what: the elements of a build, and the packages of Debian in the root."""

from __future__ import annotations

from typing import Any

from rootstream.report import timeline
from rootstream.report.inventory import Inventory
from rootstream.report.origin import dependencies

MOST = 5000
"""Nodes of a graph; those of more cannot be told apart."""
_DONE = {"pull": "pulled", "build": "built"}


def elements(record: timeline.Record | None) -> dict[str, Any] | None:
    """Return the graph of a build's elements; None if what they are built from is not known."""
    if record is None or not record.elements or len(record.elements) > MOST:
        return None
    numbers = {name: number for number, name in enumerate(record.elements)}
    done: dict[str, str] = {}
    took: dict[str, float] = {}
    for each in record.actions:
        if each.result == "success" and each.action != "push":
            took[each.element] = took.get(each.element, 0.0) + each.end - each.begin
            if each.action in _DONE:
                done[each.element] = _DONE[each.action]
    return {
        "nodes": [[name, done.get(name, "cached"), round(took.get(name, 0.0), 3)] for name in numbers],
        "edges": [
            [number, numbers[other]]
            for name, number in numbers.items()
            for other in record.elements[name]
            if other in numbers
        ],
    }


def packages(inventory: Inventory | None) -> dict[str, Any] | None:
    """Return the graph of the packages of Debian in a root; None if there are none."""
    if inventory is None or not inventory.debs or len(inventory.debs) > MOST:
        return None
    numbers = {each.name: number for number, each in enumerate(inventory.debs)}
    edges = {
        (number, numbers[other])
        for number, each in enumerate(inventory.debs)
        for other in dependencies(each)
        if numbers.get(other, number) != number
    }
    return {
        "nodes": [[each.name, each.version, "essential" if each.essential else ""] for each in inventory.debs],
        "edges": sorted(map(list, edges)),
    }


def times(record: timeline.Record) -> dict[str, Any]:
    """Return the times of a build as the page reads them."""
    touched = {each.element for each in record.actions}
    return {
        "began": record.began,
        "elapsed": record.elapsed,
        "actions": [
            [each.element, each.action, each.begin, each.end, each.result]
            for each in sorted(record.actions, key=lambda each: (each.begin, each.element))
        ],
        "critical": list(timeline.critical_path(record.elements, record.actions)) if record.elements else None,
        "cached": len(record.elements.keys() - touched) if record.elements else None,
        "elements": len(record.elements) or len(touched),
    }
