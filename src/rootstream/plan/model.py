"""What a plan is made of: elements with their sources, files beside them, and the digest of it all.

A plan is data; `text` renders it and `write` puts it on the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rootstream.host.content import Content

# Words of a source that say what is done with what the lock pins.
TREATMENT = ("unpack", "filename", "fixups", "database", "exclude", "include", "requirements", "constraints")
# Kinds of sources, by hashes that who writes the plan knows: plugins of ours.
BUILDROOT_DOWNLOAD, BUILDROOT_TREE = "buildroot_download", "buildroot_tree"
Json = Any  # values that JSON and YAML can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of an element: the plugin's kind and words, and whether the lock must pin it.

    `free` words may differ between hosts without changing what the source is (mirrors).
    """

    kind: str
    words: Mapping[str, Json]
    locked: bool
    free: Mapping[str, Json] = field(default_factory=dict)
    directory: str | None = None

    def request(self) -> str:
        """Return the identity of what the lock pins: the words that decide the content."""
        pinned = {key: value for key, value in self.words.items() if key not in TREATMENT}
        return json.dumps({"kind": self.kind, **pinned}, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """An element needed to build another, staged at `location` in its sandbox."""

    element: str
    location: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPlan:
    """How to get at an element's configured source tree: the first so many of its commands make it, in `folder`.

    `make` is the command that goes on from there, for people.
    """

    commands: int
    folder: str
    make: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A BuildStream element; `name` is its file name below the elements folder.

    `prepared` is for whoever looks into it, and no part of what is built. `ships` says that what its sources hold
    gets into images, and names what a source tree is of; of other elements, images have nothing but parts of the
    packages in `links` (patterns of names), which what is built with them is linked or installed with.
    """

    name: str
    kind: str
    description: str
    sources: tuple[Source, ...] = ()
    builds_with: tuple[Dependency, ...] = ()
    needs: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    prepared: PreparedPlan | None = None
    ships: str | None = None
    links: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Json] = field(default_factory=dict)
    public: Mapping[str, Json] = field(default_factory=dict)

    def uses(self) -> Iterator[str]:
        """Return the names of all elements it depends on directly."""
        for dependency in self.builds_with:
            yield dependency.element
        yield from self.needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A BuildStream project: its elements by name, its files by path, and the target of each system."""

    elements: Mapping[str, Element]
    files: Mapping[str, Content]
    targets: Mapping[str, str]
    refs: Mapping[str, Json]

    def closure(self, target: str) -> tuple[str, ...]:
        """Return the names of the elements that one element is built from, itself included, sorted."""
        seen: set[str] = set()
        todo = [target]
        while todo:
            name = todo.pop()
            if name in seen or name not in self.elements:
                continue
            seen.add(name)
            todo.extend(self.elements[name].uses())
        return tuple(sorted(seen))

    def missing(self) -> tuple[Source, ...]:
        """Return the sources that the lock should pin and does not."""
        found: dict[str, Source] = {}
        for element in self.elements.values():
            for source in element.sources:
                if source.locked and source.request() not in self.refs:
                    found[source.request()] = source
        return tuple(found.values())


def short_hash(*parts: object) -> str:
    """Return ten hexadecimal digits that stand for the parts (anything JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
