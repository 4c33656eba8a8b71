"""The order of a Buildroot build: tree, configuration, check, downloads, what is stale, make, images.

Whatever stops it, the next run goes on from there: each step leaves a state that the next one checks.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rootstream import __version__, events, export, project
from rootstream.buildroot import (
    check,
    collect,
    configuration,
    contents,
    downloads,
    external,
    generate,
    info,
    making,
    packagecheck,
    pythonlayer,
    removal,
    stale,
    target,
    tree,
    verbs,
)
from rootstream.buildroot.configuration import Composed
from rootstream.buildroot.generate import Generated
from rootstream.buildroot.workspace import Caches, Workspace, workspace
from rootstream.description import Described
from rootstream.errors import Problems, UserError, Where
from rootstream.files import paths_of
from rootstream.images import MakeFiles
from rootstream.lock import Lock
from rootstream.project import Alone
from rootstream.roots import BuildrootRoot, FromBuildroot
from rootstream.sandbox.kconfig_fragment import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A system whose tree is ready and whose external tree is written."""

    workspace: Workspace
    generated: Generated
    ref: Any
    identity: str


def root_of(described: Described) -> BuildrootRoot:
    """Return what a system says of Buildroot."""
    root = described.system.root
    assert isinstance(root, FromBuildroot)  # noqa: S101  (the caller chose by this)
    return root.buildroot


def requests(described: Described) -> tuple[str, ...]:
    """Return what the lock must hold for a system."""
    wanted = tree.request(root_of(described).tree)
    return () if wanted is None else (wanted,)


def pin(described: Described, env: Mapping[str, str], report: events.Reporter) -> dict[str, Any]:
    """Return the lock's entries of a system, found out now. Raises `UserError` tree-unreachable."""
    root = root_of(described)
    wanted = tree.request(root.tree)
    return {} if wanted is None else {wanted: tree.pin(root.tree, env=env, report=report)}


def _patches(where: project.Project, root: BuildrootRoot) -> tuple[Path, ...]:
    return tuple(where.folder / path for path in root.patches)


def _ref(described: Described, pinned: Lock) -> Any:  # noqa: ANN401  (what tree.pin gave)
    wanted = tree.request(root_of(described).tree)
    return None if wanted is None else pinned.refs[wanted]


def digest(where: project.Project, described: Described, pinned: Lock) -> tuple[str, str]:
    """Return what stands for everything that decides a result, and the identity of its Buildroot tree."""
    root = root_of(described)
    ref = _ref(described, pinned)
    identity = tree.identity(root.tree, ref, _patches(where, root), where.folder)
    files = [where.folder / path for path in paths_of(described.system)]
    words = {
        "system": described.model_dump(mode="json"),
        "tree": identity,
        "files": contents.digest(files),
        "python": pythonlayer.noted(workspace(where, described, where.folder, {}).folder),
        "versions": [__version__, metadata.version("pydantic")],
    }
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest(), identity


def opened(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
    identity: str | None = None,
) -> Opened:
    """Get the tree of a system, make its workspace and the external tree in it; nothing is configured yet."""
    root = root_of(described)
    ref = _ref(described, pinned)
    patches = _patches(where, root)
    source = tree.ready(
        root.tree, ref, patches, project=where.folder, caches=Caches.of(env), env=env, report=report
    )
    space = workspace(where, described, source, env)
    space.folder.mkdir(parents=True, exist_ok=True)
    space.caches.downloads.mkdir(parents=True, exist_ok=True)
    generated = generate.generate(described, where.folder, space.generated)
    external.write(space, generated)
    known = identity or tree.identity(root.tree, ref, patches, where.folder)
    return Opened(workspace=space, generated=generated, ref=ref, identity=known)


def configured(ready: Opened, report: events.Reporter) -> Composed:
    """Bring the configuration in step with the project. Raises `Problems` for what did not come out as asked."""
    space = ready.workspace
    report(events.Step(name="configure", text=f"configuring {space.described.target}"))
    composed = configuration.compose(space, ready.generated)
    _require(ready, check.check(space, composed), report)
    wrong = pythonlayer.compiled_for(space.folder, composed.result, space.project / project.DESCRIPTION)
    if wrong:
        raise Problems(wrong)
    return composed


def _require(ready: Opened, found: tuple[Problem, ...], report: events.Reporter) -> None:
    """Report what is doubtful; raise `Problems` for what is wrong."""
    folder = ready.workspace.project
    for problem in found:
        if problem.severity != "error":
            report(events.Notice(level="warning" if problem.severity == "warning" else "info", text=str(problem)))
    problems = tuple(check.as_error(problem, folder) for problem in found if problem.severity == "error")
    if problems:
        raise Problems(problems)


def _decide(
    ready: Opened, where: project.Project, report: events.Reporter, listed: Mapping[str, str] | None = None
) -> stale.Decision:
    space = ready.workspace
    watched = tuple(where.folder / path for path in paths_of(space.described.system))
    return stale.decide(space, tree_identity=ready.identity, watched=watched, report=report, listed=listed)


def plan(
    ready: Opened, where: project.Project, report: events.Reporter, listed: Mapping[str, str] | None = None
) -> stale.Decision:
    """Find out what has to be built again, and say what and why."""
    decision = _decide(ready, where, report, listed)
    for line in stale.explain(decision):
        report(events.Notice(level="info", text=line))
    return decision


def build(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
    *,
    dry_run: bool = False,
    alone: Alone = nullcontext,
) -> Path:
    """Bring out/SYSTEM up to date and return it. Raises `UserError` buildroot-failed and many more."""
    name = described.target
    key, identity = digest(where, described, pinned)
    space = workspace(where, described, where.folder, env)
    if export.is_current(where, name, key) and _untouched(space):
        report(events.Notice(level="info", text=f"{name}: nothing to do, out/{name} is up to date"))
        return where.out(name)
    ready = opened(where, described, pinned, env, report, identity)
    space = ready.workspace
    composed = configured(ready, report)
    if stale.is_empty(space) and not dry_run:
        _make_first(ready, where, composed, report, alone)
        return _export(where, ready, key, report)
    by_hand = target.by_hand(space)
    if by_hand:
        report(events.Notice(level="warning", text=target.message(space, by_hand)))
    decision = plan(ready, where, report)
    if dry_run:
        return where.out(name)
    removal.apply(space, decision, report)
    fresh = _prepare(ready, report)
    with alone():
        _make(ready, fresh, report)
    _note(space, () if decision.clean or decision.target else by_hand)
    return _export(where, ready, key, report)


def fetch(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
) -> None:
    """Fetch everything that a system is built from. Raises `UserError` not-fetched for what is nowhere."""
    ready = opened(where, described, pinned, env, report)
    configured(ready, report)
    _decide(ready, where, report)
    summary = downloads.fetch(ready.workspace, report=report)
    for line in downloads.lines(summary):
        report(events.Notice(level="info", text=line))
    if summary.packages:
        _fetch_as_buildroot_does(ready.workspace, summary.packages, report)


def _fetch_as_buildroot_does(space: Workspace, names: tuple[str, ...], report: events.Reporter) -> None:
    """Have Buildroot download what packages need, in a folder of its own: the system's would look half built."""
    place = space.folder / "fetching"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copyfile(space.config, place / ".config")
    targets = ("-k", *(f"{name}-source" for name in names))
    try:
        making.run(space, targets, report, what="the download", action="fetch", output=place)
    except UserError as error:
        if error.reason != "buildroot-failed":
            raise
        known = info.known(space)
        missing = [name for name in names if not (place / known[name].build / ".stamp_downloaded").exists()]
        raise UserError(
            "not-fetched",
            f"{space.described.target}: nobody had what these packages are made from: {', '.join(missing)}",
            where=error.where,
            detail=error.detail,
            hint=f"Put the files below {space.caches.downloads}, or name who has them: `mirrors:` of the root.",
        ) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def hand_to_make(
    ready: Opened,
    where: project.Project,
    targets: tuple[str, ...],
    report: events.Reporter,
    alone: Alone = nullcontext,
) -> int:
    """Run targets that build something, in step with the project; the next build looks at everything anew."""
    space = ready.workspace
    configured(ready, report)
    decision = plan(ready, where, report)
    removal.apply(space, decision, report)
    export.forget(where, space.described.target)
    with alone():
        status = verbs.hand_to_make(space, targets)
    target.note(space)
    configuration.note(space)
    return status


def _untouched(space: Workspace) -> bool:
    """Say whether nobody changed the output folder since the last build."""
    return configuration.untouched(space) and stale.untouched(space) and not target.strangers(space)


def _make_first(
    ready: Opened, where: project.Project, composed: Composed, report: events.Reporter, alone: Alone
) -> None:
    """Build into an empty output folder: where Buildroot must be asked for its packages, that make builds them."""
    space = ready.workspace

    def answered(text: str) -> None:
        info.keep(space, stale.question(space, ready.identity), text)
        removal.apply(space, plan(ready, where, report, listed.result()), report)
        _prepare(ready, report)

    fresh = packagecheck.at_first(space, composed.result)
    if info.is_known(space, stale.question(space, ready.identity)):
        removal.apply(space, plan(ready, where, report), report)
        _prepare(ready, report)
        with alone():
            _make(ready, fresh, report)
    else:
        report(info.ASKING_STEP)
        with alone(), ThreadPoolExecutor(1) as beside:  # while make reads its files
            listed = beside.submit(tree.listing, space.tree, space.caches)
            _make(ready, fresh, report, answered=answered)
    _note(space, ())


def _prepare(ready: Opened, report: events.Reporter) -> tuple[str, ...]:
    """Bring the downloads and say what is to be done; return the packages to configure and compare first."""
    space = ready.workspace
    packages = info.packages(space)
    summary = downloads.fetch(space, report=report)
    for line in downloads.lines(summary):
        report(events.Notice(level="info", text=line))
    built = info.installed(space)
    waiting = [each for each in packages if each not in built]
    report(
        events.Plan(total=len(packages), cached=len(packages) - len(waiting), to_fetch=0, to_build=len(waiting))
    )
    fresh = packagecheck.unchecked(space)
    for name in fresh:
        if packagecheck.folder(space, name):
            _require(ready, tuple(packagecheck.check(space, (name,))), report)
    return fresh


def _make(
    ready: Opened,
    fresh: tuple[str, ...],
    report: events.Reporter,
    answered: Callable[[str], None] | None = None,
) -> None:
    space = ready.workspace

    def after(name: str, phase: str) -> None:
        if name in fresh and phase == making.CONFIGURING:
            _require(ready, tuple(packagecheck.check(space, (name,))), report)

    # first what has to be compared with its requests: a mistake there should not wait for all other packages
    targets = (*(f"{name}-configure" for name in fresh), "all") if fresh else ()
    making.run(space, targets, report, what="the build", after=after, answered=answered)


def _note(space: Workspace, by_hand: tuple[str, ...]) -> None:
    target.note(space, by_hand)
    configuration.note(space)


def _export(where: project.Project, ready: Opened, key: str, report: events.Reporter) -> Path:
    space = ready.workspace
    system = space.described.system
    words = generate.image_files(space.described)
    files = tuple(image for image in system.images if isinstance(image, MakeFiles))
    found = collect.chosen(space.images, words, files)
    facts = export.Facts(
        target=space.described.target,
        arch=system.arch,
        digest=key,
        kinds={each.name: each.kind for each in found},
        inputs=_inputs(space, ready),
        elements=tuple({"name": name, "version": version} for name, version in info.versions(space).items()),
        version=__version__,
        epoch=system.epoch,
    )
    report(events.Step(name="export", text=f"exporting {space.described.target}"))
    scratch = Path(tempfile.mkdtemp(dir=where.work, prefix="collect-"))
    try:
        collect.copy(found, scratch / "images", space.env)
        return export.export(where, scratch, facts, report)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _inputs(space: Workspace, ready: Opened) -> tuple[Mapping[str, Any], ...]:
    wanted = tree.request(space.root.tree)
    if wanted is None:
        return ({"source": {"kind": "buildroot_local"}, "ref": ready.identity},)
    return ({"source": json.loads(wanted), "ref": ready.ref},)


def not_built(space: Workspace) -> UserError:
    """Return the error of a verb that needs a built workspace."""
    return UserError(
        "not-built",
        f"{space.described.target} is not built yet",
        where=Where(path=space.output),
        hint=f"`rootstream build {space.described.target}` builds it.",
    )
