"""A BuildStream project of Buildroot's packages in the making, and what it is made of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rootstream.buildroot.graph import linking, staging
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources.tree import SKIPPED
from rootstream.host.content import Content
from rootstream.plan.model import BUILDROOT_TREE, Element, Json, Plan, Source
from rootstream.plan.sources import local
from rootstream.sandbox.buildroot import inventory

# What packages need beyond their parts of tree and configuration, and the variables for which (variables.py).
Different = Mapping[str, Mapping[str, list[str]]]
LINKED = "linked"
EMPTY = ".rootstream"  # keeps a folder
MAY_OVERLAP = {"bst": {"overlap-whitelist": ["**"]}}  # which packages may is found out by additions.py
_KCONFIG = re.compile(r"Config(\..+)?\.in(\..+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Files and folders of this machine, by where they are in the sandbox; `folder` has them in the project.

    Without one, they are a source by their digest.
    """

    folder: str
    files: Mapping[str, Path]
    rules: bool

    def all(self) -> Iterator[tuple[str, Path]]:
        """Yield all files, by where they are in the sandbox."""
        for place, source in self.files.items():
            for inner, path in linking.files_of(source):
                if not (self.rules and _KCONFIG.fullmatch(path.name)):
                    yield f"{place}/{inner}" if inner else place, path

    def in_project(self) -> Iterator[tuple[str, Path]]:
        """Yield all files, by where they are among those that the project links to."""
        return ((f"{self.folder}{place}", path) for place, path in self.all())


@dataclass(slots=True, kw_only=True)
class GraphDraft:
    """A BuildStream project in the making: elements, files that are written, and those that are linked to."""

    elements: dict[str, Element] = field(default_factory=dict)
    written: dict[str, Content] = field(default_factory=dict)
    linked: dict[str, Path] = field(default_factory=dict)
    from_here: dict[str, Linked] = field(default_factory=dict)
    """What elements have of this machine, by where it is in the sandbox."""

    def add(self, element: Element) -> str:
        """Add an element and return its name."""
        self.elements[element.name] = element
        return element.name

    def link(
        self, name: str, path: str, files: Mapping[str, Path], *, rules: bool = False, empty: Sequence[str] = ()
    ) -> str:
        """Add an element that has files and folders of this machine, by where they are in the sandbox.

        `path` is a folder of its own for them in the project; of `rules`, files of Kconfig are left out. A folder
        without files is there, too; `empty` are files that have nothing in them. Returns the element's name.
        """
        places = {os.path.normpath(place): source for place, source in files.items()}
        self.from_here[name] = Linked(folder=path, files=places, rules=rules)
        sources = [local(f"{LINKED}/{path}")] if any(self.from_here[name].all()) else []
        bare = [place for place, each in places.items() if each.is_dir() and not any(linking.files_of(each))]
        if bare or empty:
            names = (*(f"{place}/{EMPTY}" for place in bare), *empty)
            self.written |= {f"files/{path}{place}": b"" for place in names}
            sources.append(local(f"files/{path}"))
        text = "Files of this machine"
        return self.add(
            Element(name=name, kind="import", description=text, sources=tuple(sources), public=MAY_OVERLAP)
        )

    def tree(self, name: str, place: str, folder: Path, digest: str) -> str:
        """Add an element that has a folder of this machine, known by its digest; return the element's name."""
        self.from_here[name] = Linked(folder="", files={place: folder}, rules=False)
        words: dict[str, Json] = {"digest": digest, "skip": list(SKIPPED)}
        source = Source(
            kind=BUILDROOT_TREE,
            words=words,
            free={"folder": str(folder)},
            locked=False,
            directory=place.lstrip("/"),
        )
        text = "Buildroot's whole tree"
        return self.add(Element(name=name, kind="import", description=text, sources=(source,), public=MAY_OVERLAP))

    def all_linked(self) -> dict[str, Path]:
        """Return all files to link to, by where they are in the project."""
        ours = (linked for linked in self.from_here.values() if linked.folder)
        of_elements = (each for linked in ours for each in linked.in_project())
        return {**self.linked, **dict(of_elements)}

    def plan(self, refs: Mapping[str, object]) -> Plan:
        """Return the plan."""
        return Plan(elements=self.elements, files=self.written, targets={}, refs=refs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What fragments of the description ask of a package that has Kconfig (sandbox/buildroot/requests.py)."""

    kind: str
    fragments: Mapping[str, bytes]
    optional: Sequence[str]
    make_words: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInputs:
    """What the elements are made of.

    `config` is the whole .config, `packages` and `different` what the first two elements have found. `files` are
    files and folders of this machine that a package's rules name, by their places in the sandbox. `downloads` are
    those of each package by their path in the folder `downloaded`: the hash, or the file where none is known.
    `kept` says what stays of build folders (additions.py). `for_images` is what only images are made from,
    `toolchain` an external one, `override` Buildroot's local.mk, `patched` are folders with patches for several
    packages, which Buildroot wants to be there; `requests` are what packages with a configuration of their own are
    asked for. `parts` and `overlays` are what the list of the root's files is made from
    (inventory.py).
    """

    trees: staging.Trees
    config: str
    packages: Mapping[str, BuildrootPackage]
    different: Different
    files: Mapping[str, Mapping[str, Path]]
    downloads: Mapping[str, Mapping[str, Path | str]]
    downloaded: Path
    kept: Mapping[str, str]
    for_images: Mapping[str, Path]
    toolchain: Mapping[str, Path]
    override: Mapping[str, bytes]
    patched: Mapping[str, Path]
    requests: Mapping[str, Requests]
    parts: Mapping[str, inventory.Package]
    overlays: Mapping[str, str]
