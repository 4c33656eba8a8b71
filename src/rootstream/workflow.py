"""What the verbs share: from a project to a plan, through the engine, to results in out/."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from rootstream import __version__, events, export, lock, placeholders, project
from rootstream.description import Described, Description
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.load import load
from rootstream.plan import inputs, make, refs, text
from rootstream.plan.model import Plan
from rootstream.roots import FromBuildroot

WAITING = events.Notice(level="info", text="another command works in this project: waiting for it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A project read, locked and planned, ready for the engine."""

    project: project.Project
    description: Description
    plan: Plan
    files: Mapping[str, bytes]
    outputs: Mapping[str, make.Outputs]

    def digest(self, target: str) -> str:
        """Return what stands for everything that decides a target's result."""
        versions = (__version__, metadata.version("BuildStream"))
        return text.digest(self.plan, self.files, self.outputs[target].element, versions)

    def mark(self, target: str) -> str:
        """Return what stands for everything that decides a target's exported files, secrets included."""
        return placeholders.mark(self.digest(target), self.outputs[target].secrets)

    def described(self, target: str) -> Described:
        """Return the system of a target."""
        return next(each for each in self.description.systems if each.target == target)


def choose(
    description: Description, wanted: tuple[str, ...], path: Path, *, variants: bool = False
) -> tuple[str, ...]:
    """Return the targets that the user named, or all systems, with `variants` theirs, too.

    Raises `UserError` unknown-system.
    """
    names = description.names()
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise UserError(
                "unknown-system",
                f"no system {name!r}{guess}",
                where=Where(path=path),
                hint=f"Systems: {', '.join(names)}",
            )
    every = names if variants else tuple(each.target for each in description.systems if each.variant is None)
    return tuple(dict.fromkeys(wanted)) or every


def prepare(where: project.Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter) -> Prepared:
    """Read a project and plan the wanted systems; a project without a lock gets one first.

    Raises `UserError` for every mistake in the project, and lock-outdated.
    """
    description = load(where.description)
    targets = choose(description, wanted, where.description)
    pinned = pins(where, engine, report, targets)
    return _planned(where, description, targets, pinned)


def pins(
    where: project.Project, engine: Engine, report: events.Reporter, targets: tuple[str, ...] = ()
) -> lock.Lock:
    """Return the lock of a project; one without gets it now, for the systems that are wanted."""
    pinned = lock.read(where.lock)
    if pinned is None:
        report(events.Step(name="update", text=f"no {lock.FILE_NAME} yet: pinning every input"))
        pinned = update(where, engine, report, wanted=targets)
    return pinned


def _planned(
    where: project.Project, description: Description, targets: tuple[str, ...], pinned: lock.Lock
) -> Prepared:
    own = set(native(description, targets))
    ours = tuple(target for target in targets if target in own)
    read = inputs.gather(description, where.folder, only=ours)
    plan, outputs = make.plan(description, read, pinned, only=ours)
    _require(where, ours, tuple(source.request() for source in plan.missing()) if ours else ())
    return Prepared(project=where, description=description, plan=plan, files=text.render(plan), outputs=outputs)


def _require(where: project.Project, targets: tuple[str, ...], missing: tuple[str, ...]) -> None:
    if missing:
        names = " ".join(targets)
        raise UserError(
            "lock-outdated",
            "has no entry for " + "; ".join(lock.describe(request) for request in missing),
            where=Where(path=where.lock),
            hint=f"`rootstream update --missing {names}` pins it, `rootstream update {names}` renews all of it.",
        )


def native(description: Description, targets: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the targets that the engine builds: all but those of Buildroot."""
    return tuple(
        each.target
        for each in description.systems
        if (targets is None or each.target in targets) and not isinstance(each.system.root, FromBuildroot)
    )


def workspaces(description: Description, targets: tuple[str, ...] | None = None) -> tuple[Described, ...]:
    """Return the systems that Buildroot builds."""
    return tuple(
        each
        for each in description.systems
        if (targets is None or each.target in targets) and isinstance(each.system.root, FromBuildroot)
    )


def write_plan(prepared: Prepared) -> None:
    """Put the plan where the engine reads it."""
    project.sync(prepared.project.plan, prepared.files, keep=(".bst",))


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
    for described in workspaces(description, targets):
        from rootstream.buildroot import build as buildroot  # noqa: PLC0415  (only these projects wait for it)

        for request in buildroot.requests(described):
            if old is not None and request in old.refs:
                found[request] = old.refs[request]
            elif request not in found:
                found |= buildroot.pin(described, os.environ, report)
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
    with project.locked(where, lambda: report(WAITING)):
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


def build(
    where: project.Project,
    wanted: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    *,
    dry_run: bool = False,
) -> tuple[Path, ...]:
    """Bring out/ up to date for the wanted systems (or elements of a plain project); return their folders.

    With `dry_run` only say what would be done.
    """
    began = time.monotonic()
    with project.locked(where, lambda: report(WAITING)):
        if where.kind == "plain":
            places = _build_plain(where, wanted, engine, report)
        else:
            places = _build_described(where, wanted, engine, report, dry_run=dry_run)
    report(events.Done(text="would be built" if dry_run else "built", elapsed=time.monotonic() - began))
    return places


def _build_described(
    where: project.Project,
    wanted: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    *,
    dry_run: bool,
) -> tuple[Path, ...]:
    description = load(where.description)
    targets = choose(description, wanted, where.description)
    pinned = pins(where, engine, report, targets)
    exported: list[str] = []

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Exported):
            exported.append(event.system)
        report(event)

    try:
        if native(description, targets):
            _build_native(_planned(where, description, targets, pinned), engine, tell)
        for described in workspaces(description, targets):
            _build_workspace(where, described, pinned, tell, dry_run=dry_run)
    finally:
        if description.machines and exported:
            from rootstream.netboot.record import record  # noqa: PLC0415  (only projects with machines wait for it)

            record(where, description, tuple(exported), report)
    return tuple(where.out(target) for target in targets if not dry_run)


def _build_workspace(
    where: project.Project, described: Described, pinned: lock.Lock, report: events.Reporter, *, dry_run: bool
) -> None:
    from rootstream.buildroot import build as buildroot  # noqa: PLC0415  (only these projects wait for it)

    require(where, described, pinned)
    buildroot.build(where, described, pinned, os.environ, report, dry_run=dry_run)


def require(where: project.Project, described: Described, pinned: lock.Lock) -> None:
    """Raise `UserError` lock-outdated if the lock lacks what a system of Buildroot needs."""
    from rootstream.buildroot import build as buildroot  # noqa: PLC0415  (only these projects wait for it)

    missing = tuple(request for request in buildroot.requests(described) if request not in pinned.refs)
    _require(where, (described.target,), missing)


def _build_native(prepared: Prepared, engine: Engine, report: events.Reporter) -> None:
    where = prepared.project
    todo = []
    for target in prepared.outputs:
        if export.is_current(where, target, prepared.mark(target)):
            report(events.Notice(level="info", text=f"{target}: nothing to do, out/{target} is up to date"))
        else:
            todo.append(target)
    if todo:
        write_plan(prepared)
        elements = {target: prepared.outputs[target].element for target in todo}
        engine.build(where.plan, tuple(elements.values()), report)
        with ThreadPoolExecutor(max_workers=1) as beside:  # the keys, which only the manifests need
            shown = beside.submit(engine.show, where.plan, tuple(elements.values()))
            for target, element in elements.items():

                def facts(target: str = target) -> export.Facts:
                    keys = {state.name: state.key for state in shown.result()}
                    return _facts(prepared, target, keys)

                _checkout(where, target, element, facts, engine, report)


def fetch(where: project.Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter) -> None:
    """Fetch everything that the wanted systems (or elements of a plain project) are built from."""
    with project.locked(where, lambda: report(WAITING)):
        if where.kind == "plain":
            engine.fetch(where.plan, wanted, report)
            return
        description = load(where.description)
        targets = choose(description, wanted, where.description)
        pinned = pins(where, engine, report, targets)
        if native(description, targets):
            prepared = _planned(where, description, targets, pinned)
            write_plan(prepared)
            engine.fetch(where.plan, tuple(each.element for each in prepared.outputs.values()), report)
        for described in workspaces(description, targets):
            from rootstream.buildroot import build as buildroot  # noqa: PLC0415  (only these projects wait for it)

            require(where, described, pinned)
            buildroot.fetch(where, described, pinned, os.environ, report)


def _facts(prepared: Prepared, target: str, keys: Mapping[str, str]) -> export.Facts:
    described = prepared.described(target)
    names = prepared.plan.closure(prepared.outputs[target].element)
    requests = sorted(
        {source.request() for name in names for source in prepared.plan.elements[name].sources if source.locked}
    )
    return export.Facts(
        target=target,
        arch=described.system.arch,
        digest=prepared.digest(target),
        kinds={file: kind for kind, file in prepared.outputs[target].files},
        inputs=tuple({"source": json.loads(request), "ref": prepared.plan.refs[request]} for request in requests),
        elements=tuple({"name": name, "key": keys.get(name, "")} for name in names),
        version=__version__,
        epoch=described.system.epoch,
        secrets=prepared.outputs[target].secrets,
        times=prepared.outputs[target].times,
    )


def _checkout(
    where: project.Project,
    target: str,
    element: str,
    facts: Callable[[], export.Facts],
    engine: Engine,
    report: events.Reporter,
) -> None:
    report(events.Step(name="export", text=f"exporting {target}"))
    (where.folder / "out").mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=where.work, prefix="checkout-"))
    try:
        engine.checkout(where.plan, element, scratch / "files", report, depends="run")
        export.export(where, scratch / "files", facts(), report)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build_plain(
    where: project.Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter
) -> tuple[Path, ...]:
    if not wanted:
        raise UserError(
            "no-target",
            "this is a plain BuildStream project: name the element to build",
            where=Where(path=where.folder / project.PLAIN),
            hint="For example: rootstream build image-x86_64.bst",
        )
    engine.build(where.plan, wanted, report)
    states = engine.show(where.plan, wanted)
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
            )
            _checkout(where, target, element, partial(_same, facts), engine, report)
        places.append(where.out(target))
    return tuple(places)


def _same(facts: export.Facts) -> export.Facts:
    return facts


def plain_target(element: str) -> str:
    """Return the folder below out/ for an element of a plain project."""
    return element.removesuffix(".bst").replace("/", "-").replace(":", "-")
