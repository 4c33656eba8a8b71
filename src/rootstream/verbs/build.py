"""What the verbs share: from a project to a plan, through the engine, to results in out/."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from rootstream import __version__, events
from rootstream.description.model import Debian, Described, Description
from rootstream.description.roots import FromElements
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.host import nofollow, temporary
from rootstream.plan import inputs, make, text
from rootstream.plan.model import Plan
from rootstream.project import export, lock, placeholders, project
from rootstream.project import host_code as hostcode
from rootstream.report import budgets, sbom
from rootstream.sandbox.tree import BASE
from rootstream.verbs import changes, circumstances, collection, contents, origins, shared_cache, update
from rootstream.verbs.build_record import Recorder, below
from rootstream.verbs.selection import caution, choose, native, of_buildroot


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedProject:
    """A project read, locked and planned, ready for the engine."""

    project: project.Project
    description: Description
    plan: Plan
    outputs: Mapping[str, make.Outputs]

    def digest(self, target: str) -> str:
        """Return what stands for everything that decides a target's result."""
        system = self.described(target).system
        also = [
            each.model_dump(exclude_none=True, exclude_defaults=True) for each in (system.product, system.budgets)
        ]
        words = (*_versions(), *(json.dumps(each) for each in also if each))
        return text.digest(self.plan, self.outputs[target].element, words)

    def mark(self, target: str) -> str:
        """Return what stands for everything that decides a target's exported files, secrets included."""
        return placeholders.mark(self.digest(target), self.outputs[target].secrets)

    def described(self, target: str) -> Described:
        """Return the system of a target."""
        return next(each for each in self.description.systems if each.target == target)

    def is_private(self, target: str) -> bool:
        """Say whether only their owner may read the files of a target."""
        return placeholders.has_secrets(self.described(target).system.layers)

    def noted(self, target: str) -> Mapping[str, str]:
        """Return what is noted with an export, to say later what changed."""
        return changes.noted(self.described(target), self.description.debian, self.project.folder, _versions())

    def inputs(self, target: str) -> tuple[Mapping[str, Any], ...]:
        """Return the pinned inputs of a target: each with its source and its ref, and what gets into images."""
        shipped = contents.ships(self.plan, self.outputs[target].element)
        names = self.plan.closure(self.outputs[target].element)
        requests = {
            source.request() for name in names for source in self.plan.elements[name].sources if source.locked
        }
        return tuple(
            {"source": json.loads(each), "ref": self.plan.refs[each]}
            | ({"ships": shipped[each]} if each in shipped else {})
            for each in sorted(requests)
        )


def _versions() -> tuple[str, ...]:
    return (__version__, metadata.version("BuildStream"))


def read(where: project.Project, wanted: tuple[str, ...]) -> PreparedProject:
    """Read a project and plan the wanted systems; nothing is pinned, fetched or written.

    Raises `UserError` for every mistake in the project, and no-lock or lock-outdated.
    """
    description = where.read()
    targets = choose(description, wanted, where.description)
    return planned(where, description, targets, update.known(where))


Unpinned = tuple[Plan, Mapping[str, make.Outputs]]


def unpinned(where: project.Project, description: Description, targets: tuple[str, ...]) -> Unpinned:
    """Return the plan of those of some systems that Rootstream builds itself, without what the lock says."""
    ours = native(description, targets)
    return make.plan(description, inputs.gather(description, where.folder, only=ours), None, only=ours)


def planned(
    where: project.Project,
    description: Description,
    targets: tuple[str, ...],
    pinned: lock.Lock,
    report: events.Reporter | None = None,
    *,
    made: Unpinned | None = None,
) -> PreparedProject:
    """Plan systems of a project with its lock; with `report` they are about to be fetched or built.

    `made` is what `unpinned` has just returned for them. Raises `UserError` no-lock or lock-outdated for what the
    lock lacks; without `report` host-code.
    """
    own = set(native(description, targets))
    systems = tuple(each for each in description.systems if each.target in own)
    if report is None:
        require_accepted(where, systems)
    else:
        hostcode.tell(where.folder, host_code(where, systems), os.environ, report)
    ours = tuple(target for target in targets if target in own)
    plan, outputs = made or unpinned(where, description, targets)
    plan = replace(plan, refs=dict(pinned.refs))
    update.require_entries(where, ours, tuple(source.request() for source in plan.missing()) if ours else ())
    return PreparedProject(project=where, description=description, plan=plan, outputs=outputs)


def _slugs(where: project.Project, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the wanted systems that Buildroot builds, as their workspaces have them."""
    if where.kind == "plain":
        return ()
    description = where.read()
    targets = choose(description, wanted, where.description)
    return tuple(each.slug for each in of_buildroot(description, targets))


def write_plan(prepared: PreparedProject) -> None:
    """Put the plan where the engine reads it. Raises `UserError` link-in-project, special-file, foreign-owner."""
    where = prepared.project
    if where.scratch is None:
        nofollow.make_folder(where.folder, where.plan)
        nofollow.check_below(where.folder, where.plan)
    project.sync(where.plan, text.render(prepared.plan), keep=(".bst",))


def build(
    where: project.Project,
    wanted: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    *,
    locked: bool = False,
) -> tuple[Path, ...]:
    """Bring out/ up to date for the wanted systems (or elements of a plain project); return their folders.

    What the lock lacks is pinned first, unless it must do as it is (`locked`).
    """
    began, since = time.monotonic(), time.time()
    exported: list[str] = []
    report = circumstances.collecting(report, exported)
    with project.locked(where, report, _slugs(where, wanted)) as hold:
        engine.clear()
        try:
            with shared_cache.pushed_afterwards(engine, report):
                if where.kind == "plain":
                    hostcode.tell(where.folder, host_code(where), os.environ, report)
                    places = _build_plain(where, wanted, engine, report)
                else:
                    places = _build_described(where, wanted, engine, report, hold, locked=locked)
        finally:
            circumstances.note(where, exported, since, time.time(), os.environ)
    report(events.Done(text="built", elapsed=time.monotonic() - began))
    return places


def _build_described(
    where: project.Project,
    wanted: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    hold: project.Hold,
    *,
    locked: bool,
) -> tuple[Path, ...]:
    description = where.read()
    targets = choose(description, wanted, where.description)
    caution(description, targets, where.folder, report)
    shared_cache.recommend(description, engine, os.environ, report)
    made = unpinned(where, description, targets)
    pinned = update.known(where)
    if update.lacking(where, description, targets, pinned, made[0]):
        pinned = update.pins(where, targets, engine, report, locked=locked)
        made = unpinned(where, description, targets)  # pinning takes its time: files may be others by now
    exported: list[str] = []

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Exported):
            exported.append(event.system)
        report(event)

    try:
        if native(description, targets):
            _build_native(planned(where, description, targets, pinned, report, made=made), engine, tell)
        for described in of_buildroot(description, targets):
            _build_buildroot(where, described, description.debian, pinned, engine, tell, hold, locked=locked)
    finally:
        if description.machines and exported:
            from rootstream.netboot.store.record import record  # noqa: PLC0415  (only projects with machines wait for it)

            record(where, description, tuple(exported), report)
    return tuple(where.out(target) for target in targets)


def _build_buildroot(
    where: project.Project,
    described: Described,
    debian: Debian,
    pinned: lock.Lock,
    engine: Engine,
    report: events.Reporter,
    hold: project.Hold,
    *,
    locked: bool,
) -> None:
    from rootstream.buildroot import info  # noqa: PLC0415
    from rootstream.buildroot.build import build as buildroot  # noqa: PLC0415
    from rootstream.buildroot.workspace import workspace  # noqa: PLC0415
    from rootstream.verbs import buildroot_graph, graph_system, python_wheels  # noqa: PLC0415  (only these projects wait for it)

    recorder = _recorder(report)
    python_wheels.prepare(where, described, pinned, engine, recorder)
    if graph_system.wanted(described):
        system = graph_system.GraphSystem(
            where, described, debian, pinned, engine, os.environ, recorder, locked=locked
        )
        recorder.write(where, described.target, buildroot_graph.build(system), asked=True)
        return
    buildroot.build(where, described, pinned, os.environ, recorder, alone=hold.paused, locked=locked)
    known = info.known(workspace(where, described, where.folder))
    recorder.write(where, described.target, {name: each.dependencies for name, each in known.items()})


def _recorder(report: events.Reporter) -> Recorder:
    return Recorder(report=report, clock=time.monotonic, now=time.time())


def _build_native(prepared: PreparedProject, engine: Engine, report: events.Reporter) -> None:
    where = prepared.project
    todo = []
    for target in prepared.outputs:
        if export.is_current(where, target, prepared.mark(target)):
            if prepared.is_private(target) and export.is_open(where.out(target)):
                export.close(where.out(target))
            report(
                events.Notice(level="info", text=f"{target}: nothing to do, {where.shown(target)} is up to date")
            )
        else:
            todo.append(target)
    if todo:
        write_plan(prepared)
        elements = {target: prepared.outputs[target].element for target in todo}
        recorder = _recorder(report)
        with origins.told(prepared.plan, where.description):
            states = engine.build(where.plan, tuple(dict.fromkeys(elements.values())), recorder)
        keys = {state.name: state.key for state in states}
        for target, element in elements.items():
            _checkout(where, target, element, _facts(prepared, target, keys), engine, report)
            planned = {name: tuple(prepared.plan.elements[name].uses()) for name in prepared.plan.closure(element)}
            recorder.write(where, target, below(states, element) | planned)


def fetch(
    where: project.Project,
    wanted: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    *,
    locked: bool = False,
    folder: Path | None = None,
) -> None:
    """Fetch everything that the wanted systems (or elements of a plain project) are built from.

    With `folder`, what has a hash in the lock is there afterwards, too.
    """
    with project.locked(where, report, _slugs(where, wanted)):
        engine.clear()
        if where.kind == "plain":
            if folder is not None:
                raise UserError(
                    "plain-project", "--to: a plain BuildStream project has no lock that names its files"
                )
            hostcode.tell(where.folder, host_code(where), os.environ, report)
            engine.fetch(where.plan, wanted, report)
            return
        description = where.read()
        targets = choose(description, wanted, where.description)
        pinned = update.pins(where, targets, engine, report, locked=locked)
        if native(description, targets):
            prepared = planned(where, description, targets, pinned, report)
            write_plan(prepared)
            with origins.told(prepared.plan, where.description):
                engine.fetch(where.plan, tuple(each.element for each in prepared.outputs.values()), report)
            if folder is not None:
                _collect(prepared, folder, engine, report)
        for described in of_buildroot(description, targets):
            from rootstream.buildroot.sources import fetching  # noqa: PLC0415
            from rootstream.verbs import buildroot_graph, graph_system, python_wheels  # noqa: PLC0415  (only these wait for it)

            python_wheels.prepare(where, described, pinned, engine, report)
            if graph_system.wanted(described):
                files = buildroot_graph.fetch(
                    graph_system.GraphSystem(
                        where, described, description.debian, pinned, engine, os.environ, report
                    )
                )
            else:
                files = fetching.fetch(where, described, pinned, os.environ, report)
            if folder is not None:
                collection.write(
                    (
                        collection.Stored(source=path, place=f"{collection.BUILDROOT}/{name}")
                        for name, path in files
                    ),
                    folder,
                    report,
                )


def _collect(prepared: PreparedProject, folder: Path, engine: Engine, report: events.Reporter) -> None:
    needed = {name for each in prepared.outputs.values() for name in prepared.plan.closure(each.element)}
    elements = {name: element for name, element in prepared.plan.elements.items() if name in needed}
    files, left = collection.stored(replace(prepared.plan, elements=elements), engine.settings.cache)
    collection.write(files, folder, report)
    for name in left:
        report(events.Notice(level="warning", text=f"not in {folder}: {name}; its own server keeps it"))


def _facts(prepared: PreparedProject, target: str, keys: Mapping[str, str]) -> export.Facts:
    described = prepared.described(target)
    names = prepared.plan.closure(prepared.outputs[target].element)
    return export.Facts(
        target=target,
        arch=described.system.arch,
        digest=prepared.digest(target),
        kinds={file: kind for kind, file in prepared.outputs[target].files},
        inputs=prepared.inputs(target),
        elements=tuple({"name": name, "key": keys.get(name, "")} for name in names),
        version=__version__,
        epoch=described.system.epoch,
        secrets=prepared.outputs[target].secrets,
        times=prepared.outputs[target].times,
        noted=prepared.noted(target),
        private=prepared.is_private(target),
        contents=contents.contents(
            described, prepared.plan, prepared.outputs[target].element, prepared.project.folder
        ),
        describe=sbom.beside,
        judge=budgets.judge(described.system.budgets, prepared.project.description, described.lines),
    )


def _checkout(
    where: project.Project,
    target: str,
    element: str,
    facts: export.Facts,
    engine: Engine,
    report: events.Reporter,
) -> None:
    report(events.Step(name="export", text=f"exporting {target}"))
    export.results_folder(where)
    with temporary.folder("checkout-", where.work) as scratch:
        engine.checkout(where.plan, element, scratch / "files", report, depends="run")
        export.export(where, scratch / "files", facts, report)


def _build_plain(
    where: project.Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter
) -> tuple[Path, ...]:
    require_target(where, wanted)
    recorder = _recorder(report)
    states = engine.build(where.plan, wanted, recorder)
    keys = {state.name: state.key for state in states}
    places = []
    for element in wanted:
        target = plain_target(element)
        if not export.is_current(where, target, keys.get(element, "")):
            facts = export.Facts(
                target=target,
                arch="",
                digest=keys.get(element, ""),
                kinds={},
                inputs=(),
                elements=tuple({"name": state.name, "key": state.key} for state in states),
                version=__version__,
                contents={"origins": {BASE: {"unknown": element}}},
                describe=sbom.beside,
            )
            try:
                _checkout(where, target, element, facts, engine, report)
            except UserError as error:
                if error.reason != "artifact-missing":
                    raise
                text = f"{element}, or what it is built from, changed while it was built"
                raise UserError("changed-while-built", text, hint="Build it again.") from error
            recorder.write(where, target, below(states, element))
        places.append(where.out(target))
    return tuple(places)


def host_code(where: project.Project, systems: tuple[Described, ...] = ()) -> tuple[hostcode.HostCode, ...]:
    """Return what BuildStream would load of a plain project, or of those that systems name as their root."""
    roots = [each.system.root for each in systems]
    folders = [root.elements.project for root in roots if isinstance(root, FromElements)]
    found = ["."] if where.kind == "plain" else dict.fromkeys(folders)
    return tuple(each for folder in found for each in hostcode.plugins(where.folder / folder))


def require_accepted(where: project.Project, systems: tuple[Described, ...] = ()) -> None:
    """Raise `UserError` host-code where BuildStream would load what the user has not accepted."""
    hostcode.require(where.folder, host_code(where, systems), os.environ)


def require_target(where: project.Project, wanted: tuple[str, ...]) -> None:
    """Raise `UserError` no-target where a plain project's command names no element."""
    if not wanted:
        raise UserError(
            "no-target",
            "this is a plain BuildStream project: name the element to build",
            where=Where(path=where.folder / project.PLAIN),
            hint="For example: rootstream build image-x86_64.bst",
        )


def plain_target(element: str) -> str:
    """Return the folder below out/ for an element of a plain project."""
    return element.removesuffix(".bst").replace("/", "-").replace(":", "-")
