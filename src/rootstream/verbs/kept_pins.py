"""Which pins hold when something is pinned anew: a package set that grew keeps the versions that it had.

A lock has one entry for each request, and another package is another request. So what is pinned already is handed
to the source that resolves the new set: versions to keep, and versions to prefer, which other entries have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rootstream.host.content import Content, chunks
from rootstream.plan.model import Source

ALIKE = 0.5  # of all packages that two sets ask for: from here on one is the other, changed
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def kept(source: Source, refs: Mapping[str, Any], texts: Mapping[str, Content]) -> dict[str, list[str]]:
    """Return the words for a source that is to be resolved: `keep` and others with the versions that hold.

    `refs` are the lock's entries by request, `texts` the files of the plan.
    """
    if source.kind == "debian_packages":
        return _packages(source, refs)
    if source.kind in ("python_wheels", "python_sources"):
        return _wheels(source, refs, texts)
    return {}


def _entries(kind: str, refs: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, str]]]]:
    for request, ref in refs.items():
        words = json.loads(request)
        if words["kind"] == kind and isinstance(ref, list):
            yield words, ref


def _packages(source: Source, refs: Mapping[str, Any]) -> dict[str, list[str]]:
    wanted = set(source.words["packages"])
    without = source.words.get("without")
    near = [
        (_likeness(wanted, set(words["packages"])), words["packages"] == without, rows)
        for words, rows in _entries(source.kind, refs)
        if words["architecture"] == source.words["architecture"]
        and set(words["suites"]) & set(source.words["suites"])
    ]
    near.sort(key=lambda each: (each[1], each[0]), reverse=True)
    asked = {each.partition("=")[0] for each in wanted if "=" in each}
    keep: dict[str, str] = {}
    prefer: dict[str, str] = {}
    changed = max((likeness for likeness, _, _ in near), default=0.0)
    for likeness, below, rows in near:
        mine = keep if below or (likeness == changed and likeness >= ALIKE) else prefer
        for row in rows:
            if row["name"] not in keep and row["name"] not in asked:
                mine.setdefault(row["name"], row["version"])
    found = {"keep": keep, "prefer": {name: value for name, value in prefer.items() if name not in keep}}
    return {word: [f"{name}={each[name]}" for name in sorted(each)] for word, each in found.items() if each}


def _likeness(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def _wheels(source: Source, refs: Mapping[str, Any], texts: Mapping[str, Content]) -> dict[str, list[str]]:
    lines = b"".join(chunks(texts[source.words["requirements"]])).decode().splitlines()
    exact = {_normal(line) for line in lines if re.search(r"==|@", line)}
    names = {_normal(line) for line in lines}
    same = ("python", "machine")
    near = [
        rows
        for words, rows in _entries(source.kind, refs)
        if all(words[each] == source.words[each] for each in same)
    ]
    if not near:
        return {}
    rows = max(near, key=lambda rows: sum(row["name"] in names for row in rows))
    words: dict[str, list[str]] = {}
    for row in rows:
        if row["name"] not in exact:
            word = "keep-build" if row.get("role") == "build" else "keep"
            words.setdefault(word, []).append(f"{row['name']}=={row['version']}")
    return words


def _normal(line: str) -> str:
    """Return the normalized name of a requirement line (PEP 503)."""
    match = _NAME.match(line.strip())
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""
