"""The order of a Buildroot build: tree, configuration, check, downloads, what is stale, make, images.

Whatever stops it, the next run goes on from there: each step leaves a state that the next one checks.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rootstream import __version__, events
from rootstream.buildroot import info, interactive, outside, overrides
from rootstream.buildroot.build import (
    collect,
    installed,
    keys,
    make_run,
    notes,
    opening,
    parts,
    removal,
    stale,
    target,
)
from rootstream.buildroot.build.decision import Decision, explain
from rootstream.buildroot.config import configuration, package_check
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.generate import translate
from rootstream.buildroot.sources import fetching, pins, tree
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.images.files import Files
from rootstream.description.model import Described
from rootstream.host import temporary
from rootstream.project import artifact, export, placeholders, project
from rootstream.project.lock import Lock
from rootstream.project.project import Alone
from rootstream.report import budgets, sbom


def plan(
    ready: opening.Opened, where: project.Project, report: events.Reporter, listed: Mapping[str, str] | None = None
) -> Decision:
    """Find out what has to be built again, and say what and why."""
    decision = opening.decide(ready, where, report, listed)
    overrides.tell(ready.workspace, report)
    for line in explain(decision):
        report(events.Notice(level="info", text=line))
    return decision


def build(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
    *,
    alone: Alone = nullcontext,
    locked: bool = False,
) -> Path:
    """Bring out/SYSTEM up to date and return it. Raises `UserError` buildroot-failed and many more.

    Downloads that nobody has a hash of are added to the lock, unless it must do as it is (`locked`).
    """
    name = described.target
    digest, identity = opening.digest(where, described, pinned)
    space = workspace(where, described, where.folder, env)
    if export.is_current(where, name, pins.key(digest, space, pinned)) and _untouched(space):
        if placeholders.has_secrets(described.system.layers) and export.is_open(where.out(name)):
            export.close(where.out(name))
        report(events.Notice(level="info", text=f"{name}: nothing to do, {where.shown(name)} is up to date"))
        return where.out(name)
    ready = opening.opened(where, described, pinned, env, report, identity)
    space = ready.workspace
    composed = opening.configured(ready, report)
    pinning = pins.Pinning(where=where, pinned=pinned, report=report, locked=locked)
    if stale.is_empty(space):
        _make_first(ready, where, composed, report, pinning, alone)
        return _export(where, ready, pins.key(digest, space, pinning.pinned), report)
    by_hand = target.by_hand(space)
    if by_hand:
        report(events.Notice(level="warning", text=target.message(space, by_hand)))
    decision = plan(ready, where, report)
    removal.apply(space, decision, report)
    fresh, left = _prepare(ready, report, pinning)
    with alone():
        fetching.rest(space, left, report)
        pinning.add(space)
        _make(ready, fresh, report)
    _note(space, () if decision.clean or decision.target else by_hand)
    return _export(where, ready, pins.key(digest, space, pinning.pinned), report)


def look(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
) -> None:
    """Say what a build would do, and why; the project is only read. Raises what `build` raises before make."""
    name = described.target
    digest, identity = opening.digest(where, described, pinned)
    space = opening.space_of(where, described, where.folder, env)
    if export.is_current(where, name, pins.key(digest, space, pinned)) and _untouched(space):
        report(events.Notice(level="info", text=f"{name}: nothing to do, {where.shown(name)} is up to date"))
        return
    ready = opening.opened(where, described, pinned, env, report, identity)
    space = ready.workspace
    opening.configured(ready, report)
    by_hand = target.by_hand(space)
    if by_hand:
        report(events.Notice(level="warning", text=target.message(space, by_hand)))
    decision = plan(ready, where, report)
    again = {each.name for each in decision.packages if each.action != "remove"}
    built = frozenset() if decision.clean else info.installed(space) - again
    waiting = [each for each in info.packages(space) if each not in built]
    new = "new: nothing is built yet; " if decision.first else ""
    text = f"{name}: {new}{len(waiting)} packages would be built: {keys.some(waiting)}" if waiting else ""
    report(
        events.Notice(level="info", text=text or f"{name}: make would run, and its images would be exported again")
    )


def hand_to_make(
    ready: opening.Opened,
    where: project.Project,
    targets: tuple[str, ...],
    report: events.Reporter,
    alone: Alone = nullcontext,
) -> int:
    """Run targets that build something, in step with the project; the next build looks at everything anew."""
    space = ready.workspace
    opening.configured(ready, report)
    decision = plan(ready, where, report)
    removal.apply(space, decision, report)
    export.forget(where, space.described.target)
    installed.keep(space)
    before = installed.claims(space)
    left: tuple[str, ...] = ()
    known = info.known(space)
    names = interactive.wanted_by(targets, known)
    if not {"-n", "--dry-run", "--just-print"} & set(targets):
        left = fetching.by_hash(space, report, names).packages
    with alone():
        fetching.rest(space, left, report)
        if "legal-info" in targets:
            legal = tuple(name for name in known if known[name].downloads)
            fetching.as_buildroot_does(space, legal, report, output=space.output, legal=True)
        status = interactive.hand_to_make(space, targets)
    removal.take_out_vanished(space, before)
    _note(space, ())
    return status


def _untouched(space: Workspace) -> bool:
    """Say whether nobody changed the output folder since the last build."""
    return configuration.untouched(space) and stale.untouched(space) and not target.strangers(space)


def _make_first(
    ready: opening.Opened,
    where: project.Project,
    composed: Composed,
    report: events.Reporter,
    pinning: pins.Pinning,
    alone: Alone,
) -> None:
    """Build into an empty output folder: where Buildroot must be asked for its packages, that make builds them."""
    space = ready.workspace

    left: list[str] = []
    seen = frozenset((*notes.visible(space), *outside.named(space)))

    def answered(text: str) -> bool:
        info.keep(space, stale.question(space, ready.identity), text)
        removal.apply(space, plan(ready, where, report, listed.result()), report)
        left.extend(_prepare(ready, report, pinning)[1])
        # the make that waits has no network, and sees only what was known when it began
        return not left and seen.issuperset(notes.visible(space))

    fresh = package_check.at_first(space, composed.result)
    made = False
    if info.is_known(space, stale.question(space, ready.identity)):
        removal.apply(space, plan(ready, where, report), report)
        left.extend(_prepare(ready, report, pinning)[1])
    else:
        report(info.ASKING_STEP)
        with alone(), ThreadPoolExecutor(1) as beside:  # while make reads its files
            listed = beside.submit(tree.listing, space.tree, space.caches)
            made = _make(ready, fresh, report, answered=answered)
    if not made:
        with alone():
            fetching.rest(space, tuple(left), report)
            pinning.add(space)
            _make(ready, fresh, report)
    _note(space, ())


def _prepare(
    ready: opening.Opened, report: events.Reporter, pinning: pins.Pinning
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Bring the downloads by hash and say what is to be done.

    Returns the packages to configure and compare first, and those of which Buildroot must download something
    itself.
    """
    space = ready.workspace
    packages = info.packages(space)
    summary = fetching.by_hash(space, report)
    pinning.add(space)
    built = info.installed(space)
    waiting = [each for each in packages if each not in built]
    report(
        events.Plan(total=len(packages), cached=len(packages) - len(waiting), to_fetch=0, to_build=len(waiting))
    )
    fresh = package_check.unchecked(space)
    for name in fresh:
        if package_check.folder(space, name):
            opening.require(ready, tuple(package_check.check(space, (name,))), report)
    return fresh, summary.packages


def _make(
    ready: opening.Opened,
    fresh: tuple[str, ...],
    report: events.Reporter,
    answered: Callable[[str], bool] | None = None,
) -> bool:
    space = ready.workspace

    def after(name: str, phase: str) -> None:
        if name in fresh and phase == make_run.CONFIGURING:
            opening.require(ready, tuple(package_check.check(space, (name,))), report)

    # first what has to be compared with its requests: a mistake there should not wait for all other packages
    targets = (*(f"{name}-configure" for name in fresh), "all") if fresh else ()
    visible = notes.visible(space)
    return make_run.run(space, targets, report, what="the build", after=after, answered=answered, visible=visible)


def _note(space: Workspace, by_hand: tuple[str, ...]) -> None:
    installed.keep(space)
    target.note(space, by_hand)
    configuration.note(space)


def _export(where: project.Project, ready: opening.Opened, key: str, report: events.Reporter) -> Path:
    return exported(where, ready, key, ready.workspace.images, report)


def exported(
    where: project.Project,
    ready: opening.Opened,
    key: str,
    images: Path,
    report: events.Reporter,
    *,
    listed: Path | None = None,
    applied: parts.Applied | None = None,
) -> Path:
    """Export what the description asks for from a folder of Buildroot's images. Raises as `collect.chosen`.

    `listed` is the list of the root's files, and `applied` are the patches of packages, if they were not built in
    the workspace.
    """
    space = ready.workspace
    system = space.described.system
    words = translate.image_files(space.described)
    files = tuple(image for image in system.images if isinstance(image, Files))
    how = "built package by package" if listed else "built by Buildroot's make"
    report(events.Step(name="export", text=f"exporting {space.described.target}, {how}"))
    found = collect.chosen(images, words, files)
    facts = export.Facts(
        target=space.described.target,
        arch=system.arch,
        digest=key,
        kinds={each.name: each.kind for each in found},
        inputs=_inputs(space, ready),
        elements=tuple({"name": name, "version": version} for name, version in info.versions(space).items()),
        version=__version__,
        epoch=system.epoch,
        private=placeholders.has_secrets(system.layers),
        contents=parts.contents(space, applied),
        describe=sbom.beside,
        judge=budgets.judge(system.budgets, where.description, space.described.lines),
    )
    with temporary.folder("collect-", where.work) as scratch:
        collect.copy(found, scratch / "images", space.env)
        (scratch / "notes").mkdir()
        if listed:
            shutil.move(listed, scratch / "notes" / artifact.INVENTORY)
        else:
            parts.write(space, scratch / "notes" / artifact.INVENTORY)
        return export.export(where, scratch, facts, report)


def _inputs(space: Workspace, ready: opening.Opened) -> tuple[Mapping[str, Any], ...]:
    wanted = tree.request(space.root.tree)
    if wanted is None:
        return ({"source": {"kind": "buildroot_local"}, "ref": ready.identity},)
    return ({"source": json.loads(wanted), "ref": ready.ref},)
