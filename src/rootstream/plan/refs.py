"""Reads back what `bst source track` found for a plan's sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from rootstream.plan.model import Plan
from rootstream.plan.text import PROJECT_NAME


def requests(plan: Plan) -> frozenset[str]:
    """Return the requests of all sources that a lock pins."""
    return frozenset(
        source.request() for element in plan.elements.values() for source in element.sources if source.locked
    )


def trackable(plan: Plan) -> tuple[str, ...]:
    """Return the names of the elements with sources that still must be pinned."""
    missing = {source.request() for source in plan.missing()}
    return tuple(
        name
        for name, element in plan.elements.items()
        if any(source.locked and source.request() in missing for source in element.sources)
    )


NUMBERS = ("size",)  # all else of a ref is text: 20240118 is the version of a package


def _exact(value: Any, text: Any, word: str = "") -> Any:  # noqa: ANN401  (YAML)
    """Return data whose scalars are text, but for `NUMBERS`: a version 1.10 is not the number 1.1."""
    if isinstance(value, dict):
        return {key: _exact(value[key], inner, key) for key, inner in zip(value, text.values(), strict=True)}
    if isinstance(value, list):
        return [_exact(*pair) for pair in zip(value, text, strict=True)]
    return value if value is None or (word in NUMBERS and isinstance(value, int)) else text


def read(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the refs that tracking wrote into project.refs of a folder, by request."""
    path = folder / "project.refs"
    if not path.exists():
        return {}
    data = _exact(YAML(typ="safe").load(path), YAML(typ="base").load(path))
    found: dict[str, Any] = {}
    elements = data.get("projects", {}).get(PROJECT_NAME, {})
    for name, entries in elements.items():
        if name not in plan.elements:
            continue
        for source, entry in zip(plan.elements[name].sources, entries, strict=False):
            if source.locked and isinstance(entry, dict) and "ref" in entry:
                found[source.request()] = entry["ref"]
    return found
