"""A Buildroot system brought to where it can be built: tree, workspace, configuration, and what of it is stale."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from rootstream import __version__, events
from rootstream.archives import digests
from rootstream.buildroot import confined, info, scratch
from rootstream.buildroot.build import stale
from rootstream.buildroot.build.decision import Decision
from rootstream.buildroot.config import check, configuration
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.generate import external, python_layer, translate
from rootstream.buildroot.generate.draft import Generated
from rootstream.buildroot.sources import pins, tree
from rootstream.buildroot.workspace import FOLDER, Caches, Workspace, workspace
from rootstream.description.budgets import Budgets
from rootstream.description.files import paths_of
from rootstream.description.model import Described
from rootstream.description.roots import BuildrootRoot, FromBuildroot
from rootstream.errors import Problems, UserError, Where
from rootstream.formats.kconfig.fragment import Problem
from rootstream.project import placeholders, project
from rootstream.project.lock import Lock

EXPORT = 1  # to be raised when exports get something else from the same build


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
    """Return what stands for everything that decides a result, and the identity of its Buildroot tree.

    What the lock has of downloads comes to it with `pins.key`: a build may add that.
    """
    root = root_of(described)
    ref = _ref(described, pinned)
    identity = tree.identity(root.tree, ref, _patches(where, root), where.folder)
    files = [where.folder / path for path in paths_of(described.system)]
    beside = {"licenses", "audit"}
    if described.system.budgets == Budgets():  # a smaller budget has to be looked at again
        beside.add("budgets")
    words = {
        "system": described.model_dump(mode="json", exclude={"system": beside}),
        "tree": identity,
        "export": EXPORT,
        "files": digests.digest(files, lambda path: Path(os.path.relpath(path, where.folder))),
        "python": python_layer.noted(workspace(where, described, where.folder, {}).folder),
        "versions": [__version__, metadata.version("pydantic")],
    }
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest(), identity


def space_of(where: project.Project, described: Described, source: Path, env: Mapping[str, str]) -> Workspace:
    """Return the workspace of a system, for a command that only reads a scratch copy of it."""
    space = workspace(where, described, source, env)
    if where.scratch is None:
        return space
    return scratch.copied(space, where.scratch / FOLDER / described.slug)


def opened(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
    identity: str | None = None,
) -> Opened:
    """Get the tree of a system, make its workspace and the external tree in it; nothing is configured yet.

    For a command that only reads, the tree must be there, and the workspace is a scratch copy.
    Raises `UserError` no-tree.
    """
    root = root_of(described)
    ref = _ref(described, pinned)
    patches = _patches(where, root)
    source = tree.ready(
        root.tree,
        ref,
        patches,
        project=where.folder,
        caches=Caches.of(env),
        env=env,
        report=report,
        offline=where.scratch is not None,
    )
    tree.require_recent(source)
    space = replace(space_of(where, described, source, env), pins=pins.of_lock(pinned))
    confined.tell(space, report)
    confined.require_inside(space)
    space.folder.mkdir(parents=True, exist_ok=True)
    if placeholders.has_secrets(described.system.layers):
        space.folder.chmod(0o700)  # Buildroot has password hashes in target/ and in images
    space.caches.downloads.mkdir(parents=True, exist_ok=True)
    generated = translate.generate(described, where.folder, space.original(space.generated))
    external.write(space, generated)
    known = identity or tree.identity(root.tree, ref, patches, where.folder)
    return Opened(workspace=space, generated=generated, ref=ref, identity=known)


def configured(ready: Opened, report: events.Reporter) -> Composed:
    """Bring the configuration in step with the project. Raises `Problems` for what did not come out as asked."""
    space = ready.workspace
    report(events.Step(name="configure", text=f"configuring {space.described.target}"))
    composed = configuration.compose(space, ready.generated)
    require(ready, check.check(space, composed), report)
    wrong = python_layer.compiled_for(space.folder, composed.result, space.project / project.DESCRIPTION)
    if wrong:
        raise Problems(wrong)
    return composed


def require(ready: Opened, found: tuple[Problem, ...], report: events.Reporter) -> None:
    """Report what is doubtful; raise `Problems` for what is wrong."""
    folder = ready.workspace.project
    for problem in found:
        if problem.severity == "warning":
            report(events.Notice(level="warning", text=str(replace(problem, severity="error"))))  # says it once
        elif problem.severity != "error":
            report(events.Notice(level="info", text=str(problem)))
    problems = tuple(check.as_error(problem, folder) for problem in found if problem.severity == "error")
    if problems:
        raise Problems(problems)


def ask(ready: Opened, report: events.Reporter) -> None:
    """Have what Buildroot says of the packages of the present configuration, asked now if it is not known."""
    space = ready.workspace
    info.ask(space, stale.question(space, ready.identity), report)


def decide(
    ready: Opened, where: project.Project, report: events.Reporter, listed: Mapping[str, str] | None = None
) -> Decision:
    """Find out what has to be built again; nothing is taken away yet."""
    space = ready.workspace
    watched = tuple(where.folder / path for path in paths_of(space.described.system))
    return stale.decide(space, tree_identity=ready.identity, watched=watched, report=report, listed=listed)


def not_built(space: Workspace) -> UserError:
    """Return the error of a verb that needs a built workspace."""
    return UserError(
        "not-built",
        f"{space.described.target} is not built yet",
        where=Where(path=space.original(space.output)),
        hint=f"`rootstream build {space.described.target}` builds it.",
    )
