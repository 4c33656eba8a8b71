"""`rootstream why`: the component, the source and the line of system.yaml that a file of an image comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where
from rootstream.project.project import Project
from rootstream.report import components, contents, inventory, origin
from rootstream.report.inventory import File
from rootstream.report.model import Component
from rootstream.verbs import places, report

NEAR = 5
MOST_BELOW = 20
# What has asked for everything in a layer, where nothing names the part that a file is of.
_WHOLE = {origin.BASE: "root", "buildroot": "root", "modules.tar": "kernel"}


def why(project: Project, words: tuple[str, ...], *, as_json: bool) -> str:
    """Return where a path comes from, as text or JSON; `words` are PATH, or SYSTEM and PATH.

    Raises `UserError` unknown-path, and as `report.target` and `components.find` do.
    """
    target = report.target(project, words[:-1])
    folder, path = project.out(target), words[-1]
    data, listed = components.find(folder)
    known = inventory.read(listed, files="links") if listed else None
    place = folder / "manifest.json"
    system, told = components.system(data, known, place), contents.read(data, place)
    row = inventory.find(listed, origin.real(known, path)) if listed and known else None
    if listed and (row is None or row.kind == "directory"):
        known = inventory.read(listed)
    elif known and row:
        known.files = [row]
    found = origin.explain(system, told, known, path, row)
    if found is None:
        raise _unknown(target, path, known, folder)
    where = None if project.kind == "plain" else _where(project, target, found)
    if as_json:
        return json.dumps(_data(found, where), indent=1) + "\n"
    return "".join(f"{line}\n" for line in _lines(found, where, project))


def _unknown(target: str, path: str, known: inventory.Inventory | None, folder: Path) -> UserError:
    if known is None:
        return UserError(
            "unknown-path",
            f"this export has no list of the root's files, and {path!r} is not the name of an image in it",
            where=Where(path=folder),
            hint=f"If an older version has written it, `rootstream build {target}` adds the list. There is none\n"
            "  for plain BuildStream projects and systems with only a kernel.",
        )
    name = path.rstrip("/").rpartition("/")[2]
    near = [f"/{row.path}" for row in known.files if row.path.rpartition("/")[2] == name][:NEAR]
    return UserError(
        "unknown-path",
        f"there is no {path!r} in the root of {target}",
        where=Where(path=folder),
        hint=f"The same name: {', '.join(near)}" if near else "Paths are those of the booted system: /etc/passwd.",
    )


def _where(project: Project, target: str, found: origin.Explanation) -> Where | None:
    if found.key:
        return places.key_of(project.description, target, found.key)
    named = places.asked_for(project.description, target, (*found.asked, *found.chain[:1]))
    if named is None and found.row is not None and found.row.layer in _WHOLE:
        return places.key_of(project.description, target, _WHOLE[found.row.layer])
    return named


def _lines(found: origin.Explanation, where: Where | None, project: Project) -> list[str]:
    lines = [f"/{found.path}" if found.row else found.path]
    if found.row:
        lines.append(f"  {_shape(found.row)}")
    for each in found.components:
        version = each.version or "(version unknown)"
        lines.append(f"  component  {each.name} {version}, license {each.license or 'unknown'}")
        if each.source and each.source[0] != each.name:
            lines.append(f"  source     {each.source[0]} {each.source[1] or '(version unknown)'}")
        lines += [f"  from       {file.name}  {file.algorithm} {file.digest}" for file in each.files]
        lines += [f"  patched    {patch}" for patch in each.patches]
    if not found.components and not found.below:
        lines.append("  component  none")
    lines.append(f"  layer      {found.layer}")
    if found.replaces:
        lines.append(f"  replaces   a file of {', '.join(found.replaces)}")
    if len(found.chain) > 1:
        lines.append(f"  needed by  {' -> '.join(found.chain)}")
    lines += [f"  {count:6}     {name}" for name, count in found.below[:MOST_BELOW]]
    if len(found.below) > MOST_BELOW:
        lines.append(f"  and {len(found.below) - MOST_BELOW} more")
    shown = project.description.name if project.kind != "plain" else ""
    if found.row is None or found.row.kind != "directory":
        lines.append(
            f"  line       {shown}:{where.line}" if where else "  line       unknown: nothing there names it"
        )
    return lines


def _shape(row: File) -> str:
    owner = "owner unknown" if row.uid is None else f"{row.uid}:{row.gid}"
    words = [row.kind, f"mode {row.mode:04o}", owner]
    words += [f"{row.size} bytes"] if row.size is not None else []
    words += [f"SHA-256 {row.sha256}"] if row.sha256 else []
    words += [f"to {row.target}"] if row.target is not None else []
    words += [f"the same file as /{row.link}"] if row.link is not None else []
    return ", ".join(words)


def _data(found: origin.Explanation, where: Where | None) -> dict[str, Any]:
    return {
        "path": found.path,
        "file": found.row.model_dump(exclude_none=True, exclude={"record"}) if found.row else None,
        "components": [_component(each) for each in found.components],
        "layer": found.layer,
        "replaces": list(found.replaces),
        "needed_by": list(found.chain),
        "below": dict(found.below),
        "line": where.line if where else None,
    }


def _component(each: Component) -> dict[str, Any]:
    return {
        "name": each.name,
        "version": each.version,
        "kind": each.kind,
        "purl": each.purl,
        "license": each.license,
        "source": list(each.source) if each.source else None,
        "files": [{"name": file.name, "algorithm": file.algorithm, "digest": file.digest} for file in each.files],
        "patches": list(each.patches),
    }
