"""A Buildroot system built package by package: the plan, the build, the images, and what changed since."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rootstream import events
from rootstream.buildroot import info, overrides
from rootstream.buildroot.build import build as workspaces
from rootstream.buildroot.build import stale
from rootstream.buildroot.build.notes import Outside
from rootstream.buildroot.config import configuration
from rootstream.buildroot.graph import (
    elements,
    inputs,
    linking,
    lookups,
    reasons,
    whole,
)
from rootstream.buildroot.graph.draft import Different, GraphDraft
from rootstream.buildroot.sources import fetching, pins
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.engine import ElementState
from rootstream.errors import UserError
from rootstream.host import nofollow, temporary
from rootstream.plan.model import Plan
from rootstream.project import export
from rootstream.project.lock import write_atomically
from rootstream.verbs import changes
from rootstream.verbs.graph_failures import Failures
from rootstream.verbs.graph_system import Graph, GraphSystem, known_needs, last_needs, needs_of, opened, write_all

# What is kept of a system's last build.
READ, MADE = "read.json", "made.json"
_ROUNDS = 10


def build(system: GraphSystem) -> Mapping[str, tuple[str, ...]]:
    """Bring out/SYSTEM up to date and return what its elements are built from, nothing if it was up to date.

    Raises what a build in a workspace and the engine raise.
    """
    where, name, report = system.project, system.described.target, system.report
    digest, identity = system.digest()
    if _is_current(system, system.key(digest)):
        return {}
    graph = opened(system, identity)
    different = needs_of(graph)
    space = graph.ready.workspace
    overrides.tell(space, report)
    fetching.bring(space, inputs.unpinned(space), report)
    pinning = pins.Pinning(where=where, pinned=system.pinned, report=report, locked=system.locked)
    pinning.add(space)
    key, graph = system.key(digest, pinning.pinned), graph.with_pins(pinning.pinned)
    space = graph.ready.workspace
    for line in reasons.of_whole(different):
        report(events.Notice(level="info", text=line))
    if inputs.reads_project(space):
        but = " but those with its passwords" if graph.hidden.secrets else ""
        text = f"{name}: its scripts may read any file of the project, so all{but} are copied into the cache"
        report(events.Notice(level="warning", text=text))
    read = stale.outside_of(space, info.ask(space, graph.question, report))
    with temporary.folder("checkout-", where.work) as scratch:
        made = _made(graph, different, key, scratch)
        if made.changed:  # what was taken of them is not known: the next build has to be another one
            names = changes.some(made.changed)
            text = f"{name}: {names} changed while it was built: build again to have what is there now"
            report(events.Notice(level="warning", text=text))
            key = hashlib.sha256(f"{key} changed".encode()).hexdigest()
        files = scratch / "files"
        workspaces.exported(
            where,
            graph.ready,
            key,
            files / "images",
            report,
            listed=files / elements.INVENTORY,
            applied=json.loads(nofollow.read_bytes(scratch, files / elements.APPLIED)),
        )
    write_atomically(space.state / READ, json.dumps(asdict(read)).encode())
    write_atomically(space.state / MADE, json.dumps(made.composition.data()).encode("utf-8", "surrogateescape"))
    plan = made.plan
    return {name: tuple(plan.elements[name].uses()) for name in plan.closure(elements.IMAGES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeImages:
    """What images were made of, the plan for that, and the inputs that changed meanwhile."""

    composition: reasons.Composition
    plan: Plan
    changed: tuple[str, ...]


def _made(graph: Graph, different: Different, key: str, scratch: Path) -> MadeImages:
    """Make the images, in `files` of a folder.

    Packages that looked for a file in vain which is there, outside of their sandbox, are built again with it.
    """
    for _ in range(_ROUNDS):
        draft = graph.write_system(different)
        before = linking.stamps(draft.all_linked().values())
        shutil.rmtree(scratch / "files", ignore_errors=True)
        space, failed, failures = graph.ready.workspace, None, Failures(graph.report)
        try:
            _fetched_and_made(replace(graph, report=failures.tell), draft, scratch / "files")
            found = json.loads(nofollow.read_bytes(scratch, scratch / "files" / elements.MISSED))
        except UserError as error:
            failed, found = error, failures.looked_for(error)
        new = lookups.keep(space, lookups.there(space, graph.places, found))
        if failed and not new:
            raise failed
        if not new:
            lookups.finish(space, graph.places, found)
            stamps = linking.stamps(before)
            return MadeImages(
                composition=graph.record(draft, key),
                plan=draft.plan(graph.base.refs),
                changed=tuple(graph.shown(str(path)) for path in before if stamps[path] != before[path]),
            )
        for package, path in new:
            name = package or "what makes the images"
            text = f"{name} looks for {path}, which was not in its sandbox: it is built again with it"
            graph.report(events.Notice(level="info", text=text))
    name = graph.ready.workspace.described.target
    text = f"{name}: after {_ROUNDS} builds, its packages still look for files that are not in their sandboxes"
    raise UserError("not-possible", text, hint="Set `graph: false`.")


def _fetched_and_made(graph: Graph, draft: GraphDraft, into: Path) -> None:
    images, space = draft.elements[elements.IMAGES], graph.ready.workspace
    first = not (space.state / MADE).exists()
    if first and not graph.hidden.secrets and graph.cached(images.name, into):  # as another clone has built it
        return
    try:
        graph.fetch(images)
        graph.made(images, into)
    except UserError as error:
        if error.reason != "fetch-failed":  # a server that had a package has gone: it is built here
            raise
        fetching.bring(space, info.packages(space), graph.report)
        graph.made(images, into)


def look(system: GraphSystem) -> tuple[ElementState, ...]:
    """Return the elements of a system that a build would look at, none if it would do nothing or is not known yet.

    The project is only read.
    """
    if _is_current(system, system.key(system.digest()[0])):
        return ()
    found = states(system)
    if not found:
        text = f"{system.described.target}: would be built: Buildroot has to be queried for its packages first"
        system.report(events.Notice(level="info", text=text))
    return found


def states(system: GraphSystem) -> tuple[ElementState, ...]:
    """Return the elements of a system with their states, none if Buildroot was not asked for its packages yet."""
    graph = opened(system)
    different = known_needs(graph)
    if different is None:
        return ()
    overrides.require_known(graph.ready.workspace)
    graph.write_system(different)
    return system.engine.show(graph.folder, (elements.IMAGES,))


def for_others(system: GraphSystem) -> tuple[Path, tuple[ElementState, ...]]:
    """Return the same, and the elements that Buildroot was asked with, so that others need not ask again.

    Comparisons of packages that were made one after the other are made again here, in the one element that others
    look for. The first is the folder of the project that all are in.
    """
    graph = opened(system)
    different = known_needs(graph)
    if different is None:
        return graph.folder, ()
    above = write_all(graph, different)
    states = system.engine.show(graph.folder, above)
    if any(each.name == elements.PROOF and each.state != "cached" for each in states):
        system.engine.build(graph.folder, (elements.PROOF,), system.report)
        states = system.engine.show(graph.folder, above)
    return graph.folder, states


def why(system: GraphSystem, package: str = "") -> dict[str, list[str]]:
    """Return what has changed since the last build, by package: of one, or of all and of the images.

    Raises `UserError` not-built, no-package.
    """
    graph, name = opened(system), system.described.target
    different, note = known_needs(graph), graph.ready.workspace.state / MADE
    try:
        before = reasons.restored(json.loads(note.read_text("utf-8", "surrogateescape")))
        last = last_needs(graph)
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    if before is None:
        text = f"it is not known what {name} was made of: it was not built in this folder yet"
        raise UserError("not-built", text, hint=f"`rootstream build {name}` notes it.")
    now = graph.record(
        graph.write_system(last if different is None else different), system.key(system.digest()[0])
    )
    found = {each: reasons.changes(each, before, now) for each in now.made}
    if different is None:
        found[elements.IMAGES].append("Buildroot has to be queried again: what else changes is known after that")
    element = elements.element_of(package)
    if package and element not in found:
        text = f"{name} has no package {package}"
        raise UserError("no-package", text, hint=f"`rootstream show {name}` lists its packages.")
    chosen = (element,) if package else tuple(found)
    told = {reasons.package_of(each): found[each] for each in chosen}
    return {each: [graph.shown(line) for line in lines] for each, lines in told.items()}


def listings(system: GraphSystem, names: Sequence[str]) -> tuple[str, ...]:
    """Return what the elements list that `whole.listings` has added to those of a system."""
    graph = opened(system)
    different = needs_of(graph)
    draft = GraphDraft()
    space = graph.ready.workspace
    fetching.bring(space, info.packages(space), graph.report)
    gathered = inputs.gather(space, graph.places, graph.trees, graph.hidden, different)
    elements.system(draft, gathered)
    whole.listings(draft, gathered)
    graph.write(draft)
    return tuple(graph.result(name, whole.LISTING) for name in names)


def fetch(system: GraphSystem) -> tuple[tuple[str, Path], ...]:
    """Fetch what all of a system is made from; return the downloads by their paths on a mirror of Buildroot's."""
    graph = opened(system)
    needs_of(graph)
    space = graph.ready.workspace
    fetching.bring(space, info.packages(space), system.report)
    return fetching.files(space)


def _is_current(system: GraphSystem, key: str) -> bool:
    where, name = system.project, system.described.target
    space = workspace(where, system.described, where.folder, system.env)
    if export.is_current(where, name, key) and configuration.untouched(space) and _as_before(space):
        text = f"{name}: nothing to do, {where.shown(name)} is up to date"
        system.report(events.Notice(level="info", text=text))
        return True
    return False


def _as_before(space: Workspace) -> bool:
    """Say whether what the last build read beside what the description names is as it was."""
    try:
        told = json.loads((space.state / READ).read_text())
        known = Outside(**{**told, "paths": tuple(told["paths"])})
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return stale.is_as_before(space, known) and lookups.is_as_before(space)
