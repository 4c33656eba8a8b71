"""Where the results in the local cache come from: what was built here, and what was pulled with a signature.

For each artifact there is a file with its origin and the hash of its message, written when it is built or pulled.
An artifact without one may have come from anywhere. `accepted` is what workers built that nobody signs for, and
what was built from that: it is used here, and not signed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from rootstream.engine import stored
from rootstream.engine.elements import ElementState
from rootstream.engine.stored import Artifact
from rootstream.formats import protobuf

Origin = Literal["built", "signed", "accepted"]
ORIGINS: tuple[Origin, ...] = ("built", "signed", "accepted")
FOLDER = "rootstream-origins"
_KEYS = (5, 6, 16)  # fields of Artifact: strong, weak and strict key
_SOURCES = ("source_protos", "elementsources")  # what BuildStream knows of sources by their keys
_KNOWN_SOURCES = ".sources"


def origin(cache: Path, found: Artifact) -> Origin | None:
    """Return the origin of an artifact as it is now, None if that is not known."""
    try:
        word, _, digest = (cache / FOLDER / found.name).read_text(encoding="ascii").strip().partition(" ")
    except (OSError, UnicodeError):
        return None
    return next((each for each in ORIGINS if each == word and digest == found.digest.hash), None)


def record(cache: Path, found: Artifact, told: Origin) -> None:
    """Write down the origin of an artifact, under each of the keys that its message has."""
    parent = found.name.rpartition("/")[0]
    keys = {value.decode("ascii", "replace") for number, value in protobuf.fields(found.data)
            if number in _KEYS and isinstance(value, bytes)}  # fmt: skip
    for key in keys:
        if key.isalnum():
            write(cache / FOLDER / parent / key, f"{told} {found.digest.hash}\n".encode())


def record_built(cache: Path, elements: Sequence[ElementState], name: str, *, here: bool) -> None:
    """Write down that an element was built, unless the origin of something that it was built from is not known.

    It was built `here`, or by workers.
    """
    known = {each.name: each for each in elements}
    found = current(cache, elements, name)
    if found is None:
        return
    origins = {_origin(cache, known, each) for each in _inputs(known, known[name])}
    if None not in origins:
        record(cache, found, "built" if here and "accepted" not in origins else "accepted")


def current(cache: Path, elements: Iterable[ElementState], name: str) -> Artifact | None:
    """Return the artifact of an element as it is now."""
    key = next((each.key for each in elements if each.name == name), "")
    return stored.artifact(cache, name, key) if key else None


def _origin(cache: Path, known: Mapping[str, ElementState], name: str) -> Origin | None:
    element = known.get(name)
    found = stored.artifact(cache, name, element.key) if element and element.key else None
    return origin(cache, found) if found else None


def _inputs(known: Mapping[str, ElementState], element: ElementState) -> set[str]:
    """Return the elements that one was built from: what it needs to build, and what that needs to run."""
    todo = [*element.build_depends]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += known[name].runtime_depends if name in known else ()
    return seen


def artifacts(cache: Path) -> Iterator[Artifact]:
    """Yield all artifacts of a cache, of all projects."""
    refs = cache / "artifacts" / "refs"
    for path in refs.glob("*/*/*"):
        with contextlib.suppress(OSError):
            name = str(path.relative_to(refs))
            yield Artifact(element=name.split("/")[1], name=name, data=path.read_bytes())


def forget(cache: Path, found: Artifact) -> None:
    """Remove an artifact from the cache; its blobs go when there is need of room."""
    for folder in (cache / FOLDER, cache / "artifacts" / "refs"):
        (folder / found.name).unlink(missing_ok=True)


def is_of(found: Artifact) -> bool:
    """Say whether the message of an artifact has the key that it is stored under."""
    key = found.name.rpartition("/")[2].encode()
    try:
        return any(number in _KEYS and value == key for number, value in protobuf.fields(found.data))
    except ValueError:
        return False


def knows_sources(cache: Path, *, foreign: bool) -> bool:
    """Say whether all sources in the cache were made here; from now on, `foreign` ones may come from a server."""
    mark = cache / FOLDER / _KNOWN_SOURCES
    if foreign:
        mark.unlink(missing_ok=True)
    elif not any((cache / each).exists() for each in _SOURCES):
        write(mark, b"")
    return mark.exists()


def trust_sources(cache: Path) -> None:
    """Forget sources that a server may have provided, once; those made again are checked by their hashes."""
    if not knows_sources(cache, foreign=False):
        for each in _SOURCES:
            shutil.rmtree(cache / each, ignore_errors=True)
        knows_sources(cache, foreign=False)


def write(path: Path, data: bytes) -> None:
    """Write a file of the cache, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
