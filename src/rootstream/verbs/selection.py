"""Which systems a command is about: those that the user names, and who builds them."""

from __future__ import annotations

import difflib
from pathlib import Path

from rootstream import events
from rootstream.description.model import Described, Description
from rootstream.description.roots import FromBuildroot
from rootstream.errors import UserError, Where
from rootstream.verbs import overlays


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
