"""Which file of a Debian source package is what, by its name (dsc(5), dpkg-source(1)).

Pure data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rootstream.formats.faults import Fault
from rootstream.formats.records import Item

_TAR = r"\.tar\.(?P<ext>gz|bz2|lzma|xz|zst)"
_ORIG = re.compile(rf".*\.orig{_TAR}")
_COMPONENT = re.compile(rf".*\.orig-(?P<component>[A-Za-z0-9][A-Za-z0-9-]*){_TAR}")
_DEBIAN = re.compile(rf".*\.debian{_TAR}")
_DIFF = re.compile(r".*\.diff\.gz")
_NATIVE = re.compile(rf".*{_TAR}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of the package with its compression suffix; `component` for an additional upstream archive."""

    item: Item
    suffix: str
    component: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceParts:
    """The files of a source package: upstream's archives and Debian's changes (one of tar, diff or neither)."""

    orig: Part
    components: tuple[Part, ...] = ()
    debian: Part | None = None
    diff: Part | None = None

    def needed(self, *, patches: bool) -> tuple[Item, ...]:
        """Return the files to download."""
        parts = (self.orig, *self.components, *((self.debian, self.diff) if patches else ()))
        return tuple(part.item for part in parts if part is not None)

    def named(self, filename: str, *, patches: bool) -> tuple[tuple[str, Part], ...]:
        """Return the names that the archives get when they are not unpacked; `filename` is upstream's or empty."""
        named = [(filename or f"orig.tar.{self.orig.suffix}", self.orig)]
        named += [(f"orig-{part.component}.tar.{part.suffix}", part) for part in self.components]
        if patches and self.debian:
            named.append((f"debian.tar.{self.debian.suffix}", self.debian))
        if patches and self.diff:
            named.append((f"debian.diff.{self.diff.suffix}", self.diff))
        return tuple(named)


def parts(items: Sequence[Item], where: str) -> SourceParts:
    """Return what the files are; raises `Fault` invalid-ref when there is no upstream archive or several."""
    orig: list[Part] = []
    components: list[Part] = []
    debian: list[Part] = []
    diff: list[Part] = []
    for item in items:
        if match := _ORIG.fullmatch(item.name):
            orig.append(Part(item=item, suffix=match["ext"]))
        elif match := _COMPONENT.fullmatch(item.name):
            components.append(Part(item=item, suffix=match["ext"], component=match["component"]))
        elif match := _DEBIAN.fullmatch(item.name):
            debian.append(Part(item=item, suffix=match["ext"]))
        elif _DIFF.fullmatch(item.name):
            diff.append(Part(item=item, suffix="gz"))
        elif match := _NATIVE.fullmatch(item.name):
            orig.append(Part(item=item, suffix=match["ext"]))
    if len(orig) != 1 or len(debian) + len(diff) > 1:
        names = ", ".join(item.name for item in items) or "nothing"
        raise Fault(
            "invalid-ref", f"{where}: expected one upstream archive and at most one of Debian's, found {names}"
        )
    return SourceParts(
        orig=orig[0],
        components=tuple(components),
        debian=debian[0] if debian else None,
        diff=diff[0] if diff else None,
    )


def kept(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the files of an index entry that belong into a ref: archives, not descriptions and signatures."""
    patterns = (_ORIG, _COMPONENT, _DEBIAN, _DIFF, _NATIVE)
    return tuple(item for item in items if any(pattern.fullmatch(item.name) for pattern in patterns))
