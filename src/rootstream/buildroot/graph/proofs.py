"""Comparisons of variables that were made before: a package is compared again where something of it changed."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rootstream.archives import digests
from rootstream.buildroot.graph import staging
from rootstream.buildroot.graph.draft import GraphInputs
from rootstream.buildroot.workspace import Workspace
from rootstream.formats import make_variables
from rootstream.project.lock import write_atomically

NOTE = "compared.json"
Needs = Mapping[str, list[str]]
_MOST = 4096  # results that are kept


def keys(
    inputs: GraphInputs,
    levels: Mapping[str, staging.Levels],
    files: Mapping[str, Mapping[str, Path]],
    answer: str,
    base: object,
) -> dict[str, str]:
    """Return what stands for all that decides the comparison of each package.

    `files` are what its rules name, `answer` what make printed of the whole tree, `base` what it is compared in.
    """
    trees, told = inputs.trees, sorted(make_variables.read(answer))
    names = [name for name, _ in told]
    hooks = frozenset(dict(told).get(make_variables.HOOKS, "").split())
    digest = cache(lambda path: digests.digest((path,), lambda each: Path(each.name)))
    rules = [(path, digest(trees.tree / path)) for path in trees.rules()]
    rules += [(path, digest(trees.in_external(path))) for path in trees.of_external()]
    common = _key([base, rules, sorted(inputs.patched), [*trees.externals]])
    found = {}
    for name, each in levels.items():
        prefix = inputs.packages[name].prefix
        own = told[bisect_left(names, prefix) : bisect_left(names, f"{prefix}\x7f")]
        staged = [
            [
                level,
                parts.config,
                [(path, hashlib.sha256(content).hexdigest()) for path, content in sorted(parts.instead.items())],
                [(path, digest(trees.tree / path)) for path in parts.folders],
                [(path, digest(trees.in_external(path))) for path in parts.outer],
            ]
            for level, parts in each.by_name().items()
        ]
        late = [variable for variable, _ in own if variable in hooks]
        found[name] = _key([common, own, late, staged, sorted(files.get(name, ()))])
    return found


def _key(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogateescape")).hexdigest()


def known(space: Workspace) -> dict[str, Needs]:
    """Return what packages needed in comparisons that were made before, by their keys."""
    try:
        found = json.loads((space.state / NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(space: Workspace, results: Mapping[str, Needs]) -> None:
    """Keep results by their keys, the last of them if there are many."""
    last = dict(list(results.items())[-_MOST:])
    write_atomically(space.state / NOTE, json.dumps(last).encode())
