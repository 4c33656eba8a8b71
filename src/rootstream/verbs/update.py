"""The lock of a project: read, written by `update`, and held against what a build needs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rootstream import events
from rootstream.description.model import Described, Description
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.host import nofollow, temporary
from rootstream.plan import inputs, make, refs, text
from rootstream.plan.model import Plan, Source
from rootstream.project import lock, lock_entries, project
from rootstream.verbs import kept_pins, origins
from rootstream.verbs.selection import choose, native, of_buildroot


def pins(
    where: project.Project,
    targets: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    *,
    locked: bool = False,
) -> lock.Lock:
    """Return the lock of a project with an entry for every input of some systems; what it lacks is pinned now.

    What it has stays as it is, and what is pinned now keeps the versions that it shares with that. Raises
    `UserError` pinned-versions where that cannot be; no-lock, lock-outdated with `locked` if anything is lacking.
    """
    description = where.read()
    old = lock.read(where.lock)
    pinned = old or lock.Lock()
    missing = lacking(where, description, targets, pinned)
    if not missing:
        return pinned
    if locked:
        require_entries(where, targets, missing)
    count = f"{len(missing)} inputs" if len(missing) > 1 else "an input"
    text = f"{lock.FILE_NAME} lacks {count}: pinning" if old else f"no {lock.FILE_NAME} yet: pinning every input"
    report(events.Step(name="update", text=text))
    new = lock.Lock(refs={**pinned.refs, **_found(where, description, targets, pinned, engine, report)})
    _write(where, old, new, report)
    return new


def lacking(
    where: project.Project,
    description: Description,
    targets: tuple[str, ...],
    pinned: lock.Lock,
    plan: Plan | None = None,
) -> tuple[str, ...]:
    """Return the requests of some systems that a lock has no entry for; `plan` is theirs, if there is one."""
    found: list[str] = []
    ours = native(description, targets)
    if ours:
        if plan is None:
            plan, _ = make.plan(description, inputs.gather(description, where.folder, only=ours), None, only=ours)
        found += [source.request() for source in replace(plan, refs=pinned.refs).missing()]
    for described in of_buildroot(description, targets):
        found += [request for request in _requests(where, description, described) if request not in pinned.refs]
    return tuple(dict.fromkeys(found))


def _requests(where: project.Project, description: Description, described: Described) -> tuple[str, ...]:
    """Return what the lock must hold for a system of Buildroot."""
    from rootstream.buildroot.build import opening  # noqa: PLC0415  (only these projects wait for it)
    from rootstream.verbs import graph_system, python_wheels  # noqa: PLC0415

    sources = python_wheels.sources(where, described)
    if graph_system.wanted(described):
        sources += graph_system.base_plan(description.debian, {}).missing()
    return (*opening.requests(described), *(each.request() for each in sources))


def known(where: project.Project) -> lock.Lock:
    """Return the lock of a project as it is, an empty one where there is none: for commands that pin nothing."""
    return lock.read(where.lock) or lock.Lock()


def update(
    where: project.Project,
    engine: Engine,
    report: events.Reporter,
    *,
    missing_only: bool = False,
    wanted: tuple[str, ...] = (),
) -> lock.Lock:
    """Pin every input of a project by its content and write the lock, if all could be pinned.

    Where only some systems are wanted, what the lock holds for others stays. Entries that no system has a use for
    go when all are pinned anew.
    """
    description = where.read()
    targets = choose(description, wanted, where.description, variants=True)
    old = lock.read(where.lock)
    if missing_only:
        new = pins(where, targets, engine, report)
        known = lock.Lock(refs={**new.refs, **_source_pins(where, targets, new.refs, report)})
        if old is not None and known.refs == old.refs:
            report(events.Notice(level="info", text=f"{lock.FILE_NAME} is up to date"))
        elif known.refs != new.refs:
            _write(where, new, known, report)
        return known
    others = old.refs if old and set(targets) != set(description.names()) else _downloads(old)
    refs = {**others, **_found(where, description, targets, None, engine, report)}
    before = old.refs if old else {}  # what is gone from mirrors stays pinned
    new = lock.Lock(refs={**refs, **_source_pins(where, targets, {**before, **refs}, report)})
    _write(where, old, new, report)
    return new


def _downloads(old: lock.Lock | None) -> dict[str, Any]:
    """Return what builds have added of Buildroot's downloads: only they know which there are."""
    entries = old.refs.items() if old else ()
    return {request: ref for request, ref in entries if json.loads(request)["kind"] == lock_entries.DOWNLOAD}


def _source_pins(
    where: project.Project, targets: tuple[str, ...], known: Mapping[str, Any], report: events.Reporter
) -> dict[str, Any]:
    from rootstream.verbs import source_pins  # noqa: PLC0415  (apt and downloads: only updates wait for them)

    return source_pins.pins(where, targets, known, report)


def _write(where: project.Project, old: lock.Lock | None, new: lock.Lock, report: events.Reporter) -> None:
    if lock.write(new, where.lock):
        for line in lock.changes(old, new)[:200]:
            report(events.Notice(level="info", text=line))
    else:
        report(events.Notice(level="info", text=f"{lock.FILE_NAME} is up to date"))


def _found(
    where: project.Project,
    description: Description,
    targets: tuple[str, ...],
    known: lock.Lock | None,
    engine: Engine,
    report: events.Reporter,
) -> dict[str, Any]:
    """Return the entries of some systems: those of the lock that is known, and the others found out now."""
    return {
        **_native_pins(where, description, targets, known, engine, report),
        **_tree_pins(description, targets, known, report),
        **_wheel_pins(where, description, targets, known, engine, report),
    }


def _native_pins(
    where: project.Project,
    description: Description,
    targets: tuple[str, ...],
    old: lock.Lock | None,
    engine: Engine,
    report: events.Reporter,
) -> dict[str, Any]:
    ours = native(description, targets)
    if not ours:
        return {}
    plan, _ = make.plan(description, inputs.gather(description, where.folder, only=ours), old, only=ours)
    kept = {request: ref for request, ref in plan.refs.items() if request in refs.requests(plan)}
    return {**kept, **(_track(where, plan, old, engine, report) if plan.missing() else {})}


def _tree_pins(
    description: Description, targets: tuple[str, ...], old: lock.Lock | None, report: events.Reporter
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for described in of_buildroot(description, targets):
        from rootstream.buildroot.build import opening  # noqa: PLC0415  (only these projects wait for it)

        for request in opening.requests(described):
            if old is not None and request in old.refs:
                found[request] = old.refs[request]
            elif request not in found:
                found |= opening.pin(described, os.environ, report)
    return found


def _wheel_pins(
    where: project.Project,
    description: Description,
    targets: tuple[str, ...],
    old: lock.Lock | None,
    engine: Engine,
    report: events.Reporter,
) -> dict[str, Any]:
    """Return the wheels of Buildroot's systems, and the base that their packages are built in."""
    found: dict[str, Any] = {}
    for described in of_buildroot(description, targets):
        from rootstream.verbs import graph_system, python_wheels  # noqa: PLC0415  (only these projects wait)

        known = {**(old.refs if old else {}), **found}
        plans = [python_wheels.plan(where, described, known)]
        plans += [graph_system.base_plan(description.debian, known)] if graph_system.wanted(described) else []
        for plan in plans:
            found |= {**plan.refs, **(_track(where, plan, old, engine, report) if plan.missing() else {})}
    return found


def locked_update(
    where: project.Project,
    engine: Engine,
    report: events.Reporter,
    *,
    missing_only: bool,
    wanted: tuple[str, ...] = (),
) -> lock.Lock:
    """Pin every input, or those of the wanted systems, while no other command works in the project."""
    if where.kind == "plain":
        raise UserError(
            "plain-project",
            "a plain BuildStream project tracks its own refs",
            hint="Update them with `bst source track --deps all ELEMENT`.",
        )
    with project.locked(where, report):
        engine.clear()
        return update(where, engine, report, missing_only=missing_only, wanted=wanted)


def _track(
    where: project.Project,
    plan: Plan,
    old: lock.Lock | None,
    engine: Engine,
    report: events.Reporter,
) -> dict[str, Any]:
    nofollow.make_folder(where.folder, where.work)
    with temporary.folder("update-", where.work) as folder:
        project.sync(folder, text.render(_keeping(plan, old.refs if old else {})))
        try:
            with origins.told(plan, where.description):
                engine.track(folder, refs.trackable(plan), report)
        except UserError as error:
            if error.reason == "pinned-versions":  # the plan that it points into goes again
                error.where = Where(path=where.lock)
            raise
        found = refs.read(plan, folder)
    left = [source for source in plan.missing() if source.request() not in found]
    if left:
        raise UserError(
            "not-pinned",
            "could not be pinned: " + "; ".join(lock.describe(source.request()) for source in left),
            where=Where(path=where.description),
        )
    return found


def _keeping(plan: Plan, pinned: Mapping[str, Any]) -> Plan:
    """Return a plan whose sources keep what is pinned already when they are tracked."""

    def told(source: Source) -> Source:
        if not source.locked or source.request() in plan.refs:
            return source
        return replace(source, free={**source.free, **kept_pins.kept(source, pinned, plan.files)})

    elements = {
        name: replace(element, sources=tuple(told(source) for source in element.sources))
        for name, element in plan.elements.items()
    }
    return replace(plan, elements=elements)


def require(where: project.Project, description: Description, described: Described, pinned: lock.Lock) -> None:
    """Raise `UserError` no-lock or lock-outdated if the lock lacks what a system of Buildroot needs."""
    requests = _requests(where, description, described)
    missing = tuple(request for request in requests if request not in pinned.refs)
    require_entries(where, (described.target,), missing)


def require_entries(where: project.Project, targets: tuple[str, ...], missing: tuple[str, ...]) -> None:
    """Raise `UserError` no-lock or lock-outdated if anything is missing in the lock for some targets."""
    names = " ".join(targets)
    if missing and not where.lock.exists():
        raise UserError(
            "no-lock",
            f"there is no {lock.FILE_NAME} yet: nothing is pinned",
            where=Where(path=where.lock),
            hint=f"`rootstream update` pins every input, `rootstream build {names}` only what it needs.",
        )
    if missing:
        raise UserError(
            "lock-outdated",
            "has no entry for " + "; ".join(lock.describe(request) for request in missing),
            where=Where(path=where.lock),
            hint=f"`rootstream build {names}` pins it and builds, `rootstream update --missing` only pins it.",
        )
