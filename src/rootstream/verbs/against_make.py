"""`rootstream verify --against-make`: a Buildroot system built package by package beside what make alone gives."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rootstream import events
from rootstream.buildroot.graph import whole
from rootstream.engine import Engine
from rootstream.errors import UserError
from rootstream.project import project
from rootstream.verbs import build, buildroot_graph, graph_system, selection, update

_SHOWN = 20  # differences


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeComparison:
    """The entries below target/, host/ and images/ of both builds of a system, by their paths."""

    target: str
    by_packages: Mapping[str, str]
    by_make: Mapping[str, str]

    @property
    def differences(self) -> tuple[str, ...]:
        """Return the paths that are not the same."""
        paths = sorted(self.by_packages.keys() | self.by_make.keys())
        return tuple(path for path in paths if self.by_packages.get(path) != self.by_make.get(path))


def compare(
    where: project.Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter, *, locked: bool
) -> tuple[MakeComparison, ...]:
    """Build systems package by package and by make alone, at the same path with the same base, and compare.

    Raises `UserError` not-possible for systems without `graph: true`, and those of a build.
    """
    description = where.read() if where.kind == "described" else None
    targets = selection.choose(description, wanted, where.description) if description else ()
    graphs = [each for each in description.systems if each.target in targets] if description else []
    others = [each.target for each in graphs if not graph_system.wanted(each)]
    if others or description is None:
        text = (
            f"{others[0] if others else where.folder} is not built with `graph: true`: there is nothing to compare"
        )
        raise UserError(
            "not-possible", text, hint="Name a system that is: rootstream verify SYSTEM --against-make."
        )
    build.build(where, targets, engine, report, locked=locked)
    found = []
    with project.locked(where, report, tuple(each.slug for each in graphs)):
        pinned = update.known(where)
        for described in graphs:
            system = graph_system.GraphSystem(
                where, described, description.debian, pinned, engine, os.environ, report
            )
            names = (whole.BY_PACKAGES, whole.BY_MAKE)
            one, other = (json.loads(text) for text in buildroot_graph.listings(system, names))
            found.append(MakeComparison(target=described.target, by_packages=one, by_make=other))
    return tuple(found)


def summary(found: Sequence[MakeComparison]) -> Iterator[str]:
    """Yield what came out, line by line."""
    for each in found:
        differences = each.differences
        tops = [path.partition("/")[0] for path in each.by_make]
        counts = ", ".join(f"{tops.count(top)} in {top}/" for top in dict.fromkeys(tops))
        yield f"{each.target}: {len(each.by_make)} files, folders and links ({counts}), {len(differences)} differ"
        for path in differences[:_SHOWN]:
            yield f"  {path}"
            yield f"    by packages: {each.by_packages.get(path, 'missing')}"
            yield f"    by make:     {each.by_make.get(path, 'missing')}"
        if differences[_SHOWN:]:
            yield f"  and {len(differences) - _SHOWN} more"


def as_json(found: Sequence[MakeComparison]) -> str:
    """Return the same as JSON, with all differences."""
    data = {
        each.target: {
            "entries": len(each.by_make),
            "differences": {
                path: {"by_packages": each.by_packages.get(path), "by_make": each.by_make.get(path)}
                for path in each.differences
            },
        }
        for each in found
    }
    return json.dumps({"systems": data}, indent=1) + "\n"
