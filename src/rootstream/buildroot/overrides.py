"""Packages that are built from a folder of the user's instead of their release (Buildroot's manual, local.mk)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rootstream.buildroot import info
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where
from rootstream.events import Notice, Reporter
from rootstream.project.project import DESCRIPTION


def source_of(space: Workspace, package: BuildrootPackage) -> str | None:
    """Return the folder that a package is built from instead of its release, as seen from the project, or None."""
    variables = info.variables(space, package.name)
    folder, site = (variables.get(f"{package.prefix}{word}", "").strip() for word in ("OVERRIDE_SRCDIR", "SITE"))
    if not folder or folder == site:  # Buildroot's method `local` is that, too
        return None
    return os.path.relpath(folder, space.project) if folder.startswith("/") else folder


def folder_of(space: Workspace, package: BuildrootPackage) -> Path | None:
    """Return the folder that a package is built from, by Buildroot's method `local` or instead of its release."""
    folder = info.variables(space, package.name).get(f"{package.prefix}OVERRIDE_SRCDIR", "").strip()
    return (space.tree / folder).resolve() if folder else None


def require_known(space: Workspace) -> None:
    """Make sure that all packages of `override` are built. Raises `UserError` no-package."""
    known = info.known(space)
    for name in space.root.override:
        if name not in known and f"host-{name}" not in known:
            raise UserError(
                "no-package",
                f"{space.described.target}: `override` names {name}, which this configuration does not build",
                where=Where(path=space.project / DESCRIPTION, line=space.described.lines.get("root")),
                hint="Write the name as Buildroot has it (`rootstream show` lists all), or select it.",
            )


def lines(space: Workspace) -> Iterator[str]:
    """Yield a line for each package that is built from a folder of the user's."""
    for each in info.known(space).values():
        folder = source_of(space, each)
        if folder is not None:
            yield f"{each.name} is built from {folder} as it is, not from a release"


def tell(space: Workspace, report: Reporter) -> None:
    """Say what is built from folders of the user's. Raises `UserError` no-package for those that are not built."""
    require_known(space)
    for line in lines(space):
        report(Notice(level="info", text=line))


def resolved(project: Path, folder: str) -> Path:
    """Return the folder that a description names, which may be outside of the project."""
    return (project / Path(folder).expanduser()).resolve()
