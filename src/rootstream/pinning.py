"""The lock of a project: read, written by `update`, and held against what a build needs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from rootstream import events, lock, origins, project
from rootstream.description import Described, Description
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.load import load
from rootstream.plan import inputs, make, refs, text
from rootstream.plan.model import Plan
from rootstream.selection import choose, native, of_buildroot


def pins(
    where: project.Project, engine: Engine, report: events.Reporter, targets: tuple[str, ...] = ()
) -> lock.Lock:
    """Return the lock of a project; one without gets it now, for the systems that are wanted."""
    pinned = lock.read(where.lock)
    if pinned is None:
        report(events.Step(name="update", text=f"no {lock.FILE_NAME} yet: pinning every input"))
        pinned = update(where, engine, report, wanted=targets)
    return pinned


def update(
    where: project.Project,
    engine: Engine,
    report: events.Reporter,
    *,
    missing_only: bool = False,
    wanted: tuple[str, ...] = (),
) -> lock.Lock:
    """Pin every input of a project by its content and write the lock, if all could be pinned.

    Where only some systems are wanted, what the lock holds for others stays.
    """
    description = load(where.description)
    targets = choose(description, wanted, where.description, variants=True)
    old = lock.read(where.lock)
    known = old if missing_only else None
    new = lock.Lock(
        refs={
            **(old.refs if old and set(targets) != set(description.names()) else {}),
            **_native_pins(where, description, targets, known, engine, report),
            **_tree_pins(description, targets, known, report),
            **_wheel_pins(where, description, targets, known, engine, report),
        }
    )
    if lock.write(new, where.lock):
        for line in lock.changes(old, new)[:200]:
            report(events.Notice(level="info", text=line))
    else:
        report(events.Notice(level="info", text=f"{lock.FILE_NAME} is up to date"))
    return new


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
    return {**kept, **(_track(where, plan, engine, report) if plan.missing() else {})}


def _tree_pins(
    description: Description, targets: tuple[str, ...], old: lock.Lock | None, report: events.Reporter
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for described in of_buildroot(description, targets):
        from rootstream.buildroot import opening  # noqa: PLC0415  (only these projects wait for it)

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
    """Return the wheels of Buildroot's systems."""
    found: dict[str, Any] = {}
    for described in of_buildroot(description, targets):
        from rootstream import pythonwheels  # noqa: PLC0415  (only these projects wait for it)

        plan = pythonwheels.plan(where, described, {**(old.refs if old else {}), **found})
        found |= {**plan.refs, **(_track(where, plan, engine, report) if plan.missing() else {})}
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
            "a plain BuildStream project keeps its refs itself",
            hint="`bst source track --deps all ELEMENT` renews them.",
        )
    with project.locked(where, report):
        return update(where, engine, report, missing_only=missing_only, wanted=wanted)


def _track(
    where: project.Project,
    plan: Plan,
    engine: Engine,
    report: events.Reporter,
) -> dict[str, Any]:
    where.work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where.work, prefix="update-") as scratch:
        folder = Path(scratch)
        project.sync(folder, text.render(plan))
        with origins.told(plan, where.description):
            engine.track(folder, refs.trackable(plan), report)
        found = refs.read(plan, folder)
    left = [source for source in plan.missing() if source.request() not in found]
    if left:
        raise UserError(
            "not-pinned",
            "could not be pinned: " + "; ".join(lock.describe(source.request()) for source in left),
            where=Where(path=where.description),
        )
    return found


def require(where: project.Project, described: Described, pinned: lock.Lock) -> None:
    """Raise `UserError` lock-outdated if the lock lacks what a system of Buildroot needs."""
    from rootstream import pythonwheels  # noqa: PLC0415
    from rootstream.buildroot import opening  # noqa: PLC0415  (only these projects wait for it)

    wheels = (source.request() for source in pythonwheels.sources(where, described))
    wanted = (*opening.requests(described), *wheels)
    missing = tuple(request for request in wanted if request not in pinned.refs)
    require_entries(where, (described.target,), missing)


def require_entries(where: project.Project, targets: tuple[str, ...], missing: tuple[str, ...]) -> None:
    """Raise `UserError` lock-outdated if anything is missing in the lock for some targets."""
    if missing:
        names = " ".join(targets)
        raise UserError(
            "lock-outdated",
            "has no entry for " + "; ".join(lock.describe(request) for request in missing),
            where=Where(path=where.lock),
            hint=f"`rootstream update --missing {names}` pins it, `rootstream update {names}` renews all of it.",
        )
