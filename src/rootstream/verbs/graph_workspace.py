"""Buildroot's make, run by people on a system that is built package by package.

It works in the sandbox that packages are built in, at the same paths, in an output folder of the project that has
what the packages have installed: make does only what was asked of it, and what is in no cache.
"""

from __future__ import annotations

from collections.abc import Mapping

from rootstream import events
from rootstream.buildroot import info, interactive, overrides
from rootstream.buildroot.graph import elements, inputs, whole
from rootstream.buildroot.graph.places import OUTPUT
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources import fetching
from rootstream.errors import UserError, Where
from rootstream.host import nofollow, process
from rootstream.verbs import changes, shared_cache
from rootstream.verbs.graph_system import Graph, GraphSystem, needs_of, opened

FOLDER = "graph/output"
_BEGUN = ".rootstream.begun"


def make(system: GraphSystem, targets: tuple[str, ...]) -> int:
    """Run targets of make on our own terminal and return its exit status.

    Raises what a build raises before make runs, and `UserError` not-possible if the sandbox does not start.
    """
    graph = opened(system)
    space, report = graph.ready.workspace, system.report
    different = needs_of(graph)
    overrides.tell(space, report)
    fetching.bring(space, inputs.unpinned(space), report)
    draft = graph.write_system(different)
    known = info.known(space)
    keys = _keys(graph, known)
    wanted = interactive.wanted_by(targets, known)
    missing = [name for name in known if name not in keys and name in wanted]
    if missing:
        text = f"in no cache: {changes.some(missing)}; make builds them here alone"
        report(events.Notice(level="info", text=text))
    steps = interactive.worked_on(targets, known)
    fetching.bring(space, tuple(dict.fromkeys((*missing, *steps))), report)
    gathered = inputs.gather(space, graph.places, graph.trees, graph.hidden, different)
    needed = whole.workspace(draft, gathered, keys, steps)
    graph.write(draft)
    graph.engine.build(graph.folder, needed, report)
    return _handed_over(graph, steps, targets)


def _keys(graph: Graph, known: Mapping[str, BuildrootPackage]) -> dict[str, str]:
    """Return the keys of the packages that are here or on a server."""
    names = {elements.element_of(name): name for name in known}
    states = [each for each in graph.engine.show(graph.folder, tuple(names)) if each.name in names]
    absent = [each for each in states if each.state != "cached"]
    looked = shared_cache.look(graph.engine, graph.folder, absent) if absent else None
    there = looked.there if looked else {}
    return {names[each.name]: each.key for each in states if each.state == "cached" or each.name in there}


def _handed_over(graph: Graph, steps: tuple[str, ...], targets: tuple[str, ...]) -> int:
    space = graph.ready.workspace
    output = space.folder / FOLDER
    nofollow.make_folder(space.project, output)
    begun = output / _BEGUN
    begun.unlink(missing_ok=True)
    script = f": >{OUTPUT}/{_BEGUN}\n{whole.work(graph.trees, steps)}"
    argv = ("sh", "-c", script, "make", *targets)
    status, said = graph.engine.sandbox(graph.folder, whole.WORKSPACE, argv, {output: OUTPUT})
    if not begun.exists():
        raise UserError(
            "not-possible",
            f"the sandbox of {space.described.target} did not start: {process.ending(status)}",
            where=Where(path=output),
            detail=process.tail(said),
        )
    return status
