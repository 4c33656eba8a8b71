"""`rootstream provenance` and `verify --provenance`: what an export was built from, and that it is that one."""

from __future__ import annotations

import json
from pathlib import Path

from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project import artifact, export, manifest
from rootstream.project.project import Project
from rootstream.report import components, inventory, sbom
from rootstream.report import provenance as statements
from rootstream.verbs import circumstances, report

BESIDE = (artifact.INVENTORY, sbom.NAME)


def provenance(
    project: Project,
    wanted: tuple[str, ...],
    key: Path | None,
    builder: str | None,
    passphrase: bytes | None = None,
) -> bytes:
    """Return the statement on a system in out/, signed if there is a key, which a passphrase may protect.

    Raises `UserError` export-changed, bad-key, and as `report.target` and `components.find` do.
    """
    target = report.target(project, wanted)
    folder = project.out(target)
    data, listed = components.find(folder)
    known = inventory.read(listed, files=False) if listed else None
    system = components.system(data, known, folder / manifest.NAME)
    told = {each.name: each.sha256 for each in system.images}
    there = digests(folder)
    for name, digest in told.items():
        if there[name] != digest:
            raise UserError(
                "export-changed",
                f"{name} is not the file that was exported",
                where=Where(path=folder / name),
                hint="Nothing is signed. Build again.",
            )
    beside = [(name, digest) for name, digest in there.items() if name not in told]
    noted = circumstances.noted(project, target)
    known_build = None
    if noted is not None:
        known_build = statements.Build(**noted.model_dump(exclude={"manifest"}))
    statement = statements.statement(system, beside, builder, known_build)
    if key is not None:
        return statements.signed(statement, key, passphrase)
    return (json.dumps(statement, indent=1) + "\n").encode()


def verify(project: Project, wanted: tuple[str, ...], path: Path, key: Path) -> tuple[str, bool]:
    """Return lines on a signed statement and the files of a system in out/, and whether all is as it says.

    Raises `UserError` bad-key, bad-provenance, bad-signature, and as `report.target` and `components.find` do.
    """
    found = statements.verified(path, key)
    target = report.target(project, wanted)
    folder = project.out(target)
    components.find(folder)
    there, subjects = digests(folder), found.subjects
    lines = []
    for name in sorted(there.keys() | subjects.keys()):
        if name not in there:
            lines.append(f"missing    {name}: the statement has it, {folder} has not")
        elif name not in subjects:
            lines.append(f"unknown    {name}: the statement says nothing of it")
        elif there[name] != subjects[name]:
            lines.append(f"different  {name}: SHA-256 {there[name]}, expected {subjects[name] or 'none'}")
    good = not lines
    lines = lines or [f"verified   {name}" for name in sorted(there)]
    lines.append(f"builder    {found.builder}, as the statement says")
    return "".join(f"{line}\n" for line in lines), good


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the files of an export as they are now. Raises as `manifest.read` and `path` do."""
    told = manifest.read(folder)
    paths = {each.name: told.path(each) for each in told.files}
    paths |= {name: folder / name for name in BESIDE if nofollow.check(folder.parent, folder / name)}
    return dict(zip(paths, export.checksums(list(paths.values())), strict=True))
