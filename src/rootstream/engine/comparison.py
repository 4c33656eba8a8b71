"""What the results of elements in two caches differ in, file by file, read where BuildStream keeps them.

Trees are messages `Directory` of the Remote Execution API: equal digests are equal trees, so only what differs is
looked into. Nothing is checked out.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.engine import stored
from rootstream.engine.elements import ElementState
from rootstream.engine.stored import Digest
from rootstream.formats import protobuf

Change = Literal[
    "only first", "only second", "kind", "content", "mode", "target", "owner", "device", "time", "attributes"
]
_FILES = 8  # of Artifact: the tree of the result
_FILE, _DIRECTORY, _SYMLINK = 1, 2, 3  # of Directory
_NAME, _DIGEST, _TARGET, _EXECUTABLE = 1, 2, 2, 4
_XATTR = "SCHILY.xattr."
_ASPECTS: tuple[Change, ...] = ("kind", "mode", "owner", "target", "device", "content", "time", "attributes")
_MOST = 1000
"""Differing files of one element that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDifference:
    """A file of an element that is another one: `inner` is the path in it, if it is a tar; places are of both."""

    path: str
    change: Change
    inner: str | None = None
    places: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementDifference:
    """An element whose results differ; `because` are those that it is built from and that differ, too."""

    element: str
    key: str
    files: tuple[FileDifference, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The elements that differ, in the order in which they are built; those that one of the caches has not."""

    compared: int
    different: tuple[ElementDifference, ...]
    absent: tuple[str, ...]


def compare(elements: Sequence[ElementState], first: Path, second: Path) -> Comparison:
    """Compare the results of elements with the same keys in two caches, without their servers."""
    different: dict[str, ElementDifference] = {}
    absent: list[str] = []
    below: dict[str, frozenset[str]] = {}
    for each in elements:
        direct = (*each.build_depends, *each.runtime_depends)
        below[each.name] = frozenset(direct).union(*(below.get(name, frozenset()) for name in direct))
        pair = [stored.artifact(cache, each.name, each.key) for cache in (first, second)]
        if pair[0] is None or pair[1] is None:
            absent.append(each.name)
            continue
        files = _differences(pair[0], pair[1], first, second)
        if files:
            because = tuple(name for name in different if name in below[each.name])
            different[each.name] = ElementDifference(element=each.name, key=each.key, files=files, because=because)
    return Comparison(
        compared=len(elements) - len(absent), different=tuple(different.values()), absent=tuple(absent)
    )


def _differences(
    one: stored.Artifact, other: stored.Artifact, first: Path, second: Path
) -> tuple[FileDifference, ...]:
    trees = [Digest.of(tree) if tree else None for tree in (_tree(one), _tree(other))]
    found: list[FileDifference] = []
    for each in _of_trees("", trees[0], trees[1], first, second):
        found += _inside(each)
        if len(found) >= _MOST:
            break
    return tuple(found[:_MOST])


def _tree(artifact: stored.Artifact) -> bytes:
    return protobuf.first(artifact.data, _FILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    kind: int
    digest: Digest | None = None
    target: str = ""
    executable: bool = False


def _of_trees(
    prefix: str, one: Digest | None, other: Digest | None, first: Path, second: Path
) -> Iterator[FileDifference]:
    """Give what two trees differ in; a folder that only one has is told as such, without what is in it."""
    if one == other:
        return
    old, new = _nodes(first, one), _nodes(second, other)
    for name in sorted(old.keys() | new.keys()):
        path = f"{prefix}/{name}"
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            yield FileDifference(path=path, change="only first" if after is None else "only second")
        elif before.kind != after.kind:
            yield FileDifference(path=path, change="kind")
        elif before.kind == _DIRECTORY:
            yield from _of_trees(path, before.digest, after.digest, first, second)
        elif before.digest and after.digest and before.digest != after.digest:
            places = (stored.place(first, before.digest.hash), stored.place(second, after.digest.hash))
            yield FileDifference(path=path, change="content", places=places)
        elif before != after:
            yield FileDifference(path=path, change="target" if before.kind == _SYMLINK else "mode")


def _nodes(cache: Path, digest: Digest | None) -> dict[str, _Node]:
    if digest is None or not digest.hash:
        return {}
    found: dict[str, _Node] = {}
    for kind, value in protobuf.fields(stored.place(cache, digest.hash).read_bytes()):
        if kind not in (_FILE, _DIRECTORY, _SYMLINK) or not isinstance(value, bytes):
            continue
        name = protobuf.first(value, _NAME).decode("utf-8", "surrogateescape")
        if kind == _SYMLINK:
            target = protobuf.first(value, _TARGET).decode("utf-8", "surrogateescape")
            found[name] = _Node(kind=kind, target=target)
        else:
            executable = bool(protobuf.first_number(value, _EXECUTABLE))
            found[name] = _Node(kind=kind, digest=Digest.of(protobuf.first(value, _DIGEST)), executable=executable)
    return found


def _inside(found: FileDifference) -> Iterator[FileDifference]:
    """Give what two tars differ in, in place of themselves; all else as it is."""
    inner: list[FileDifference] = []
    if found.places:
        try:
            members = [_members(place) for place in found.places]
        except (tarfile.TarError, OSError, EOFError):
            members = []
        if members:
            inner = [*_of_members(found, members[0], members[1])]
    yield from inner or [found]


def _of_members(
    found: FileDifference, old: Mapping[str, tuple[object, ...]], new: Mapping[str, tuple[object, ...]]
) -> Iterator[FileDifference]:
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        if one is None or other is None:
            change: Change = "only first" if other is None else "only second"
        else:
            change = next(word for word, x, y in zip(_ASPECTS, one, other, strict=True) if x != y)
        yield FileDifference(path=found.path, change=change, inner=name, places=found.places)


def _members(place: Path) -> dict[str, tuple[object, ...]]:
    """Return the members of an uncompressed tar, each with its `_ASPECTS`."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(place, "r:") as archive:
        for each in archive:
            file = archive.extractfile(each) if each.isreg() else None
            content = hashlib.file_digest(file, "sha256").digest() if file else None  # type: ignore[arg-type]
            device, owner = (each.devmajor, each.devminor), (each.uid, each.gid)
            attributes = {key: value for key, value in each.pax_headers.items() if key.startswith(_XATTR)}
            found[each.name] = (
                *(each.type, each.mode, owner, each.linkname, device, content, each.mtime),
                attributes,
            )
    return found
