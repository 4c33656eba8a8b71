"""Which systems a command is about: those that the user names, and who builds them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rootstream import events
from rootstream.description.model import Described, Description
from rootstream.description.roots import AnyFolder, BuildrootPackageName, FromBuildroot
from rootstream.errors import UserError, Where
from rootstream.project.project import Project
from rootstream.verbs import overlays

_FOLDERS = TypeAdapter(dict[BuildrootPackageName, AnyFolder])


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


def native(description: Description, targets: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the targets that the engine builds: all but those of Buildroot."""
    return tuple(
        each.target
        for each in description.systems
        if (targets is None or each.target in targets) and not isinstance(each.system.root, FromBuildroot)
    )


def of_buildroot(description: Description, targets: tuple[str, ...] | None = None) -> tuple[Described, ...]:
    """Return the systems that Buildroot builds."""
    return tuple(
        each
        for each in description.systems
        if (targets is None or each.target in targets) and isinstance(each.system.root, FromBuildroot)
    )


def overridden(project: Project, given: Sequence[str], start: Path) -> Project:
    """Return the project with packages of Buildroot built from folders: PACKAGE=FOLDER, seen from `start`.

    Raises `UserError` bad-override, not-possible.
    """
    pairs = (each.partition("=") for each in given)
    asked = {name: str(start / folder) if folder else None for name, _, folder in pairs}
    try:
        folders = _FOLDERS.validate_python(asked)
    except ValidationError as error:
        hint = "Write PACKAGE=FOLDER, with the name of the package as Buildroot has it."
        raise UserError("bad-override", f"--override {' '.join(given)!r}", hint=hint) from error
    description = None if project.kind == "plain" else project.read()
    if description is None or not of_buildroot(description):
        raise UserError("not-possible", "--override: no system of this project is built by Buildroot")
    systems = tuple(_with_folders(each, folders) for each in description.systems)
    return replace(project, memory=[description.model_copy(update={"systems": systems})])


def _with_folders(described: Described, folders: Mapping[str, str]) -> Described:
    root = described.system.root
    if not isinstance(root, FromBuildroot):
        return described
    tree = root.buildroot.model_copy(update={"override": {**root.buildroot.override, **folders}})
    system = described.system.model_copy(update={"root": root.model_copy(update={"buildroot": tree})})
    return described.model_copy(update={"system": system})


def caution(description: Description, targets: tuple[str, ...], folder: Path, report: events.Reporter) -> None:
    """Report what the authors of these systems should know, once where variants share it.

    Overlays are looked into here, not when the description is read: they may be large.
    """
    chosen = [each for each in description.systems if each.target in targets]
    told = dict.fromkeys(
        text for each in chosen for text in (*each.cautions, *overlays.cautions(each.system, folder))
    )
    for each in told:
        report(events.Notice(level="warning", text=str(each)))
