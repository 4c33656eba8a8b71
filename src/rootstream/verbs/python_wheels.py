"""Layer `python` on a Buildroot root: wheels that the lock pins, installed into a folder that Buildroot packs.

The engine only resolves and fetches them, as for every root; the folder becomes a package of the generated
external tree (buildroot/pythonlayer.py), so that what Buildroot does to packages of its own happens to them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rootstream import events
from rootstream.architectures import ARCHITECTURES
from rootstream.buildroot.generate import python_layer
from rootstream.description.model import Described
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.plan import inputs, text
from rootstream.plan.model import Element, Plan, Source
from rootstream.plan.software.python import lists_of, wheels_source
from rootstream.project import project
from rootstream.project.lock import Lock
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs import wheels

GLIBC = 28  # of every Buildroot that is still cared for, and of the toolchains that people bring along


def _elements(where: project.Project, described: Described) -> tuple[tuple[Element, ...], dict[str, bytes]]:
    """Return an element of wheels for each Python layer of a system, and the files that pip reads."""
    elements: list[Element] = []
    files: dict[str, bytes] = {}
    for layer in python_layer.wanted(described.system.layers):
        paths = (*layer.requirements, *layer.constraints)
        texts = {path: inputs.requirement_text(where.folder / path) for path in paths}
        folder, digest, lists = lists_of(layer, texts)
        machine = ARCHITECTURES[described.system.arch].uname
        source = wheels_source(str(layer.version), machine, GLIBC, folder, digest)
        number = len(elements) + 1
        elements.append(
            Element(
                name=f"wheels-{described.slug}-{number}.bst",
                kind="import",
                description=f"Wheels of {described.target}",
                sources=(source,),
            )
        )
        files |= lists
    return tuple(elements), files


def sources(where: project.Project, described: Described) -> tuple[Source, ...]:
    """Return what the lock pins for the Python layers of a system."""
    return tuple(source for element in _elements(where, described)[0] for source in element.sources)


def plan(where: project.Project, described: Described, refs: Mapping[str, Any]) -> Plan:
    """Return the wheels of a system as a plan of their own."""
    elements, files = _elements(where, described)
    wanted = {source.request() for element in elements for source in element.sources}
    pinned = {request: ref for request, ref in refs.items() if request in wanted}
    return Plan(elements={each.name: each for each in elements}, files=files, targets={}, refs=pinned)


def _digest(made: Plan, described: Described) -> str:
    """Return what stands for the wheels of a plan, installed for the Python of a system."""
    version = str(python_layer.wanted(described.system.layers)[0].version)
    told = json.dumps({"refs": made.refs, "version": version}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def is_prepared(where: project.Project, described: Described, pinned: Lock) -> bool:
    """Say whether the folder of installed wheels is in step with the lock."""
    made = plan(where, described, pinned.refs)
    space = where.work / "buildroot" / described.slug
    there = python_layer.folder(space).is_dir() and python_layer.noted(space)
    return not made.elements or there == _digest(made, described)


def prepare(
    where: project.Project, described: Described, pinned: Lock, engine: Engine, report: events.Reporter
) -> None:
    """Bring the folder of installed wheels in step with the lock; nothing is done where it is.

    Raises `UserError` bad-wheel, and what the engine gives.
    """
    made = plan(where, described, pinned.refs)
    if not made.elements:
        return
    space = where.work / "buildroot" / described.slug
    note = space / python_layer.NOTE
    version = str(python_layer.wanted(described.system.layers)[0].version)
    digest = _digest(made, described)
    folder = python_layer.folder(space)
    if is_prepared(where, described, pinned):
        return
    space.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=space, prefix="wheels-") as scratch:
        work, found = Path(scratch, "plan"), Path(scratch, "wheels")
        project.sync(work, text.render(made))
        engine.build(work, tuple(made.elements), report)
        for name in made.elements:
            engine.checkout(work, name, found / name, report)
        new = Path(scratch, "python")
        nofollow.check_below(found.parent, found)  # artifacts: a link in one leads to a file of this host
        install(sorted(found.rglob("*.whl")), version, new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(digest)


def install(files: list[Path], version: str, folder: Path) -> None:
    """Install wheels below a folder as they are to be in the root; byte code is Buildroot's affair."""
    places = wheels.Places(
        site=f"/usr/lib/python{version}/site-packages", prefix="/usr", python="/usr/bin/python3"
    )
    owners: dict[str, tuple[str, bytes]] = {}
    folder.mkdir()
    for file in files:
        try:
            made = wheels.install(file, places)
        except Mistake as error:
            raise UserError("bad-wheel", str(error), where=Where(path=file)) from error
        made.files[made.record] = (0o644, wheels.record(made))
        for path, (mode, content) in made.files.items():
            first = owners.setdefault(path, (made.name, content))
            if first[1] != content:
                message = f"{first[0]} and {made.name} both have /{path}, and not the same"
                raise UserError("bad-wheel", message)
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(mode)
    compiled = [file.name for file in files if not file.name.endswith("-any.whl")]
    (folder / python_layer.MARK).write_text("\n".join(compiled))
