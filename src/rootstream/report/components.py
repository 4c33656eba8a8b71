"""What an exported system is made of: one model of components, from its manifest and the list of its root's files.

Only what an export says is used, and it is looked at as something that anybody may have written. What it does not
say is missing here: no version, license or origin is guessed from something else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where
from rootstream.project import manifest
from rootstream.report import contents, licenses, names
from rootstream.report.contents import Contents, Own
from rootstream.report.inventory import Deb, Inventory, Sources
from rootstream.report.model import Component, LicenseText, Role, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system with its components, the best known first; `unknown` says what an export does not tell."""

    target: str
    arch: str
    plan: str
    epoch: int | None
    rootstream: str
    product: contents.Product
    images: tuple[manifest.ExportedFile, ...]
    components: tuple[Component, ...]
    unknown: tuple[str, ...] = field(default=())
    sources: Mapping[str, Sources] = field(default_factory=dict)
    """What was compiled of source trees, where that is known."""

    def of(self, role: Role) -> tuple[Component, ...]:
        """Return the components with a role."""
        return tuple(each for each in self.components if each.role == role)


def system(data: Mapping[str, Any], inventory: Inventory | None, place: Path) -> System:
    """Return what a manifest and the list of a root's files say; `place` is the manifest's, for messages.

    Raises `UserError` bad-manifest.
    """
    told = contents.read(data, place)
    files = data.get("files")
    images = manifest.entries(place, files if isinstance(files, list) else ())
    releases = {each.tree: each.release for each in inventory.configs} if inventory else {}
    found = [
        *_pinned(told, inventory),
        *_own(told, releases),
        *_buildroot(told),
        *_rootstream(told),
        *_elements(told),
    ]
    unknown = [
        f"what {each.unknown}, a root of elements of BuildStream, is made of: its sources are not recorded"
        for each in told.contents.origins.values()
        if each.unknown
    ]
    if told.contents == Contents():
        unknown.append("anything but the images: this export was written by a version without bills of materials")
    return System(
        target=told.system,
        arch=told.arch,
        plan=told.plan,
        epoch=told.epoch,
        rootstream=told.rootstream,
        product=told.contents.product,
        images=images,
        components=_sorted(_with_texts(found, inventory)),
        unknown=tuple(unknown),
        sources={each.tree: each for each in inventory.sources} if inventory else {},
    )


def _with_texts(found: Iterable[Component], inventory: Inventory | None) -> Iterator[Component]:
    """Give components of images with the license texts that came with them."""
    texts: dict[tuple[str, str], list[LicenseText]] = {}
    for each in inventory.texts if inventory else ():
        text = LicenseText(path=each.path, sha256=each.sha256, text=each.text)
        texts.setdefault((each.kind, each.component), []).append(text)
    for component in found:
        own = texts.get((component.kind, component.name), ()) if component.role == "image" else ()
        yield replace(component, texts=tuple(own)) if own else component


def _sorted(found: Iterable[Component]) -> tuple[Component, ...]:
    """Return components in a fixed order, each once; what is in an image is not listed as a tool, too."""
    by_ref = {each.ref: each for each in found}
    shipped = {(each.kind, each.purl) for each in by_ref.values() if each.role == "image" and each.purl}
    left = (each for each in by_ref.values() if each.role == "image" or (each.kind, each.purl) not in shipped)
    return tuple(sorted(left, key=lambda each: (each.role != "image", each.name, each.version or "", each.ref)))


def _pinned(told: contents.Told, inventory: Inventory | None) -> Iterator[Component]:
    """Give the components of what a lock pins."""
    debs = {(each.name, each.version, each.architecture): each for each in inventory.debs} if inventory else {}
    releases = {each.tree: each.release for each in inventory.configs} if inventory else {}
    stated = {(each.name, each.version): each for each in inventory.wheels} if inventory else {}
    for each in told.inputs:
        role: Role = "image" if each.ships else "build"
        kind = each.source.get("kind")
        if kind == "debian_packages":
            for row in each.rows(place=told.place):
                yield _deb(row, each, role, debs.get((row.name, row.version, row.architecture)), told)
        elif kind in ("python_wheels", "python_sources"):
            for row in each.rows(place=told.place):
                ours = "build" if row.role == "build" else role
                note = stated.get((names.wheel(row.name), row.version))
                yield names.of_wheel(row, "image" if ours == "image" else "build", note)
        elif kind == "debian_source":
            yield _with_release(names.of_debian_source(each, role, told.place), releases)
        elif kind in ("git", "remote"):
            yield _with_release(names.of_tree(each, role), releases)
        elif kind in ("buildroot_git", "buildroot_tar", "buildroot_local"):
            yield names.of_buildroot_tree(each, graph=told.contents.graph)
        else:
            yield names.of_unknown(each, role)


def _with_release(component: Component, releases: Mapping[str, str | None]) -> Component:
    """Return a tree with the version that what was built of it gives itself, where nothing else has told one."""
    release = releases.get(component.name)
    return replace(component, version=release) if component.version is None and release else component


def _deb(row: contents.Row, given: contents.Input, role: Role, note: Deb | None, told: contents.Told) -> Component:
    linked = role == "build" and any(fnmatchcase(row.name, pattern) for pattern in told.contents.linked)
    made = names.of_deb(row, given, "image" if linked else role, note)
    if not linked:
        return made
    text = "of the build environment: parts of it are linked or written into images"
    return replace(made, notes=(*made.notes, ("rootstream:linked", text)))


def _own(told: contents.Told, releases: Mapping[str, str | None]) -> Iterator[Component]:
    """Give the software of the project, and what is in the folders with its sources."""
    product = told.contents.product
    seen: set[str] = set()
    for own in told.contents.own:
        made = Component(
            name=own.name,
            version=own.version or (product.version if own.kind == "package" else None),
            kind="project" if own.kind in ("package", "overlay", "payload") else own.kind,
            files=(SourceFile(name=own.folder, algorithm="SHA-256", digest=own.sha256),) if own.sha256 else (),
            supplier=own.supplier or product.supplier,
            license=own.license or (product.license if own.kind != "tree" else None),
            notes=(("rootstream:folder", own.folder),),
        )
        yield _with_release(made, releases) if own.kind == "tree" else made
        yield from _inside(own, told, seen)


def _inside(own: Own, told: contents.Told, seen: set[str]) -> Iterator[Component]:
    for crate in own.crates:
        yield replace(names.of_crate(crate, own.name), texts=_texts(crate.texts, told, seen))
    for module in own.modules:
        yield replace(names.of_module(module, own.name), texts=_texts(module.texts, told, seen))


def _texts(files: Iterable[contents.File], told: contents.Told, seen: set[str]) -> tuple[LicenseText, ...]:
    """Return license texts that come with the manifest, those with their text that were not `seen` yet."""
    found = []
    for each in files:
        text = None if each.sha256 in seen else told.contents.texts.get(each.sha256)
        seen.add(each.sha256)
        found.append(LicenseText(path=each.path, sha256=each.sha256, text=text))
    return tuple(found)


def _buildroot(told: contents.Told) -> Iterator[Component]:
    for each in told.contents.buildroot:
        yield names.of_buildroot_package(each)


def _elements(told: contents.Told) -> Iterator[Component]:
    """Give a root of elements of BuildStream, of which no more than its name is known."""
    for each in told.contents.origins.values():
        if each.unknown:
            note = ("rootstream:origin", "unknown: its sources are those of a project of BuildStream")
            yield Component(name=each.unknown, version=None, kind="elements", notes=(note,))


def _rootstream(told: contents.Told) -> Iterator[Component]:
    """Give Rootstream itself: scripts and a program of it are in images, the rest builds them."""
    ours = any(each.component == "rootstream" for each in told.contents.origins.values())
    yield Component(
        name="rootstream",
        version=told.rootstream or None,
        kind="tool",
        role="image" if ours else "build",
        purl=f"pkg:pypi/rootstream@{told.rootstream}" if told.rootstream else None,
        license="Apache-2.0",
    )


def find(folder: Path) -> tuple[dict[str, Any], Path | None]:
    """Return the manifest of an export as it is, and the list of its root's files, if it has one.

    Raises `UserError` not-built, bad-manifest, and those of `nofollow`.
    """
    hint = f"Build it: `rootstream build {folder.name}`."
    missing = UserError("not-built", "there is no export here", where=Where(path=folder), hint=hint)
    if not os.path.lexists(folder):  # and maybe no folder for exports
        raise missing
    try:
        found = manifest.read(folder)
    except FileNotFoundError as error:
        raise missing from error
    listed = folder / contents.INVENTORY
    return dict(found.data), listed if listed.is_symlink() or listed.exists() else None


def licensed(components: Sequence[Component]) -> dict[str, int]:
    """Return how many components there are of each license, None counted as `unknown`."""
    found: dict[str, int] = {}
    for each in components:
        for name in licenses.names(each.license) if each.license else ("unknown",):
            found[name] = found.get(name, 0) + 1
    return found
