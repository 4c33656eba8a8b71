"""The verbs that work in the output folder of a Buildroot system: make, env, shell, log, show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream.buildroot import confined, env, info, interactive
from rootstream.buildroot.build import build, notes, opening, target
from rootstream.buildroot.config import configuration
from rootstream.buildroot.sources import tree
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.model import Described
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.events import Reporter
from rootstream.project import project
from rootstream.project.lock import Lock
from rootstream.verbs import graph_system, graph_workspace, python_wheels, selection, update
from rootstream.verbs.graph_system import GraphSystem
from rootstream.verbs.shared_cache import engine_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A Buildroot system of a project, with the project's lock as it is."""

    project: project.Project
    described: Described
    pinned: Lock

    @property
    def space(self) -> Workspace:
        """Return the workspace as it is, without making sure that its tree is there."""
        return workspace(self.project, self.described, self.project.folder, os.environ)


def looked_at(where: project.Project, wanted: str | None) -> Work:
    """Return the Buildroot system that a verb only looks at; what the lock lacks stays missing."""
    return Work(project=where, described=named(where, wanted), pinned=update.known(where))


def choose(where: project.Project, wanted: str | None, engine: Engine, report: Reporter) -> Work:
    """Return the Buildroot system that a verb works on: the one named, or the only one; what it lacks is pinned.

    Raises `UserError` not-buildroot, several-systems.
    """
    described = named(where, wanted)
    pinned = update.pins(where, (described.target,), engine, report)
    return Work(project=where, described=described, pinned=pinned)


def named(where: project.Project, wanted: str | None) -> Described:
    """Return the Buildroot system that a verb works on. Raises `UserError` not-buildroot, several-systems."""
    if where.kind == "plain":
        raise UserError("not-buildroot", "this is a plain BuildStream project", where=Where(path=where.folder))
    description = where.read()
    if wanted:
        selection.choose(description, (wanted,), where.description)
    found = [each for each in selection.of_buildroot(description) if wanted in (None, each.target)]
    names = ", ".join(each.target for each in found)
    if not found:
        message = (
            f"{wanted} is not built by Buildroot" if wanted else "no system in this project is built by Buildroot"
        )
        hint = "This command is for systems with `root: {buildroot: ...}`."
        raise UserError("not-buildroot", message, where=Where(path=where.description), hint=hint)
    plain = [each for each in found if each.variant is None]
    if len(found) > 1 and len(plain) != 1:
        raise UserError(
            "several-systems",
            f"several systems use Buildroot: {names}",
            where=Where(path=where.description),
            hint=f"Choose one: `rootstream config buildroot {found[0].target}`, or `--system NAME` elsewhere.",
        )
    return (plain or found)[0]


def opened(work: Work, report: Reporter) -> opening.Opened:
    """Return the workspace with its tree and its generated files in place; the project is locked, or only read.

    Raises `UserError` no-lock, lock-outdated, no-tree.
    """
    missing = tuple(each for each in opening.requests(work.described) if each not in work.pinned.refs)
    update.require_entries(work.project, (work.described.target,), missing)
    return opening.opened(work.project, work.described, work.pinned, os.environ, report)


def make(work: Work, words: tuple[str, ...], report: Reporter) -> int:
    """Run targets of Buildroot's make on our own terminal, in step with the project; return its exit status."""
    targets = interactive.checked(words)
    with project.locked(work.project, report, (work.described.slug,)) as hold:
        if interactive.looks_only(targets):
            ready = opened(work, report)
            if _needs_configuration(targets):
                opening.configured(ready, report)
            return interactive.hand_to_make(ready.workspace, targets, network=interactive.downloads_only(targets))
        engine = engine_of(os.environ)
        python_wheels.prepare(work.project, work.described, work.pinned, engine, report)
        if graph_system.wanted(work.described) and "legal-info" not in targets:
            debian = work.project.read().debian
            system = GraphSystem(work.project, work.described, debian, work.pinned, engine, os.environ, report)
            return graph_workspace.make(system, targets)
        return build.hand_to_make(opened(work, report), work.project, targets, report, hold.paused)


def _needs_configuration(targets: tuple[str, ...]) -> bool:
    return not set(targets) <= {"help", "list-defconfigs", "print-version"}


def environment(work: Work) -> str:
    """Return the cross environment as shell text. Raises `UserError` not-built."""
    return env.exports(work.space)


def split(name: str) -> tuple[str | None, str]:
    """Return the system and the package of SYSTEM:PACKAGE, or no system and the name."""
    system, colon, package = name.rpartition(":")
    return (system, package) if colon else (None, name)


def of_package(where: project.Project, name: str) -> tuple[Work, str | None] | None:
    """Return the work that SYSTEM:PACKAGE, PACKAGE or SYSTEM names, or None if no Buildroot system is meant.

    In a project with native systems, too, a package alone is Buildroot's if Buildroot has it.
    """
    if where.kind == "plain" or name.endswith(".bst"):
        return None
    description = where.read()
    ours = selection.of_buildroot(description)
    if not ours:
        return None
    if name in description.names():
        return (looked_at(where, name), None) if name in {each.target for each in ours} else None
    system, package = split(name)
    if system in selection.native(description):
        return None
    work = looked_at(where, system)
    if system is None and selection.native(description) and package not in info.known(work.space):
        return None
    return work, package


def by_hand(where: project.Project, described: Described) -> list[str]:
    """Return what was made by hand in an output folder: symbols, configurations, files, as lines for people."""
    space = workspace(where, described, where.folder, os.environ)
    lines = [
        f"{space.config}: {symbol}: {before} -> {after}"
        for symbol, (before, after) in configuration.edited(space).items()
    ]
    lines += [str(path) for path in configuration.edited_packages(space).values()]
    lines += [str(target.folder(space) / name) for name in target.by_hand(space)]
    found = space.folder / "found"
    return [*lines, *([str(found)] if found.is_dir() else [])]


def log(work: Work, package: str | None) -> Path:
    """Return the newest log of a package or of the last build. Raises `UserError` no-log."""
    return interactive.log(work.space, package)


def shell(work: Work, package: str | None, command: tuple[str, ...]) -> int:
    """Open a shell (or run a command) in a package's build folder with the cross environment."""
    space = work.space
    folder = interactive.build_folder(space, package) if package else space.output
    if not folder.is_dir():
        raise opening.not_built(space)
    variables: Mapping[str, str] = env.variables(space) if env.available(space) else {}
    argv = command or ("/bin/sh", "-i")
    given = {**space.environment(), "TERM": os.environ.get("TERM", "dumb"), **variables}
    trees = (space.caches.trees, *tree.of_user(space.root.tree, space.project))
    visible = (*trees, *notes.visible(space))
    return confined.hand_over(space, argv, env=given, cwd=folder, terminal=True, visible=visible)


def show(work: Work, report: Reporter) -> dict[str, Any]:
    """Return the packages of a system as it is described now, with version and state: installed, or to build."""
    ready = opened(work, report)
    opening.configured(ready, report)
    opening.ask(ready, report)
    space = ready.workspace
    installed = info.installed(space)
    rows = [
        {
            "name": name,
            "kind": "package",
            "key": version,
            "state": "cached" if name in installed else "buildable",
        }
        for name, version in info.versions(space).items()
    ]
    return {"element": "buildroot", "out": str(work.project.out(work.described.target)), "elements": rows}
