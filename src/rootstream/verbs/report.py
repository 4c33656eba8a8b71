"""What is in a system that was built: its bill of materials, and where each of its files comes from."""

from __future__ import annotations

from pathlib import Path

from rootstream.errors import UserError, Where
from rootstream.project.lock import write_atomically
from rootstream.project.project import Project
from rootstream.report import sbom as bills
from rootstream.verbs import places


def target(project: Project, wanted: tuple[str, ...]) -> str:
    """Return the one system that a command is about; the description is only read as a whole to tell a mistake.

    Raises `UserError` unknown-system, several-systems, no-target.
    """
    if project.kind == "plain":
        from rootstream.verbs import build  # noqa: PLC0415  (the engine: others do not wait for it)

        build.require_target(project, wanted)
        return build.plain_target(wanted[0])
    known = places.targets(project.description)
    if len(wanted) == 1 and wanted[0] in known:
        return wanted[0]
    if not wanted and len(known) == 1:
        return known[0]
    from rootstream.verbs import selection  # noqa: PLC0415  (the models of descriptions)

    names = selection.choose(project.read(), wanted, project.description)
    if len(names) > 1:
        raise UserError(
            "several-systems",
            f"there are several systems: {', '.join(names)}",
            where=Where(path=project.description),
            hint="Name one of them.",
        )
    return names[0]


def sbom(project: Project, wanted: tuple[str, ...], form: bills.Form) -> bytes:
    """Return the bill of materials of a system in out/. Raises as `target` and `bills.of_export` do."""
    return bills.of_export(project.out(target(project, wanted)), form)


def write(path: Path, content: bytes) -> None:
    """Write a file that the user has named. Raises `UserError` cannot-write."""
    write_atomically(path, content)
