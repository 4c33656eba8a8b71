"""Artifacts in the local cache, as BuildStream keeps them: which there are, and the blobs that each needs.

A file in `artifacts/refs/PROJECT/ELEMENT/KEY` is a message `Artifact` (buildstream/v2/artifact.proto); its trees
are messages `Directory` of the Remote Execution API, in `cas/objects/` by their SHA-256.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstream.formats import protobuf

# Fields of Artifact
_SUCCESS = 2
_TREES = (8, 12, 13, 17)  # files, buildtree, sources, buildroot
_BLOBS = (10, 14, 15)  # public data, low and high diversity metadata
_LOGS, _LOG_DIGEST = 11, 2
# Fields of Directory, and of what is in it
_FILES, _DIRECTORIES, _NODE_DIGEST = 1, 2, 2


@dataclass(frozen=True, slots=True)
class Digest:
    """The SHA-256 and the size of a blob."""

    hash: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the digest in a message `Digest`."""
        return cls(protobuf.first(data, 1).decode("ascii"), protobuf.first_number(data, 2))

    def encoded(self) -> bytes:
        """Return the message `Digest`."""
        return protobuf.text(1, self.hash) + protobuf.number(2, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """The result of an element: its name PROJECT/ELEMENT/KEY, and the message that describes it."""

    element: str
    name: str
    data: bytes

    @property
    def digest(self) -> Digest:
        """Return the digest of the message itself, by which servers have it."""
        return Digest(hashlib.sha256(self.data).hexdigest(), len(self.data))

    @property
    def succeeded(self) -> bool:
        """Say whether the element was built, as opposed to a failure that was kept."""
        return protobuf.first_number(self.data, _SUCCESS) == 1


def artifact(cache: Path, element: str, key: str) -> Artifact | None:
    """Return the artifact of an element with a key, or None if the cache has none."""
    refs = cache / "artifacts" / "refs"
    for path in refs.glob(f"{_names(element)}/{key}" if key else ""):
        try:
            return Artifact(element=element, name=str(path.relative_to(refs)), data=path.read_bytes())
        except OSError:
            continue
    return None


def has_any(cache: Path, element: str) -> bool:
    """Say whether the cache has an artifact of an element, whatever its key."""
    return next((cache / "artifacts" / "refs").glob(f"{_names(element)}/*"), None) is not None


def _names(element: str) -> str:
    """Return the pattern of the folders that BuildStream stores the artifacts of an element in."""
    return f"*/{glob.escape(element.rpartition(':')[2].removesuffix('.bst').replace('/', '-'))}"


def blobs(cache: Path, data: bytes, *, ours: bool) -> set[Digest]:
    """Return the digests of all blobs that an artifact consists of, as far as its trees are in the cache.

    `data` is its message. One that is not `ours` has trees, too, that are not here. Raises `ValueError` for
    messages that are none.
    """
    parts = [(number, value) for number, value in protobuf.fields(data) if isinstance(value, bytes)]
    digests = {Digest.of(value) for number, value in parts if number in _BLOBS}
    digests |= {Digest.of(protobuf.first(value, _LOG_DIGEST)) for number, value in parts if number == _LOGS}
    trees = [Digest.of(value) for number, value in parts if number in _TREES]
    seen: set[Digest] = set()
    while trees:
        tree = trees.pop()
        if tree in seen:
            continue
        seen.add(tree)
        if not ours:
            digests.add(tree)
        try:
            inner = place(cache, tree.hash).read_bytes()
        except OSError:
            continue  # a build tree that was not pulled
        digests.add(tree)
        for number, digest in _children(inner):
            if number == _DIRECTORIES:
                trees.append(digest)
            else:
                digests.add(digest)
    return {each for each in digests if each.hash and each.size}


def place(cache: Path, hash_: str) -> Path:
    """Return the file of a blob."""
    return cache / "cas" / "objects" / hash_[:2] / hash_[2:]


def _children(data: bytes) -> Iterator[tuple[int, Digest]]:
    for number, value in protobuf.fields(data):
        if number in (_FILES, _DIRECTORIES) and isinstance(value, bytes):
            yield number, Digest.of(protobuf.first(value, _NODE_DIGEST))
