"""`rootstream fetch --to DIR`: what locks name as a folder of files by SHA-256, for a disk or a web server.

ROOTSTREAM_FETCHED names it to builds. Buildroot's downloads lie in `buildroot/` as its own mirrors have them.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream import events
from rootstream.errors import UserError, Where
from rootstream.plan.model import Json, Plan
from rootstream.project import lock

# The kinds of sources whose files have hashes in the lock, and where BuildStream's cache keeps those files.
STORES = {
    "debian_packages": "debian",
    "debian_source": "debian",
    "python_wheels": "python",
    "python_sources": "python",
}
BUILDROOT = "buildroot"
_PATCHES = re.compile(r".*(\.debian\.tar\.\w+|\.diff\.gz)")  # of a Debian source package (dsc(5))
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file to collect: where it is, where in the folder it belongs, and its SHA-256 if a lock has it."""

    source: Path
    place: str
    sha256: str | None = None


def stored(plan: Plan, cache: Path) -> tuple[tuple[Stored, ...], tuple[str, ...]]:
    """Return the files that the refs of a plan name, and the requests that stay with their own servers."""
    found: dict[str, Stored] = {}
    left: dict[str, None] = {}
    for element in plan.elements.values():
        for source in element.sources:
            if source.kind not in STORES:
                if source.kind != "local":
                    left[lock.describe(source.request())] = None
                continue
            for row in _rows(plan.refs[source.request()]):
                if source.words.get("patches") is False and _PATCHES.fullmatch(row.get("path", "")):
                    continue  # it is pinned, but nobody fetches it
                sha = row["sha256"]
                path = cache / "sources" / STORES[source.kind] / sha[:2] / sha
                found[sha] = Stored(source=path, place=f"sha256/{sha[:2]}/{sha}", sha256=sha)
    return tuple(found.values()), tuple(left)


def _rows(ref: Json) -> Iterator[Mapping[str, Any]]:
    yield from ref["files"] if isinstance(ref, dict) else ref


def write(files: Iterable[Stored], folder: Path, report: events.Reporter) -> None:
    """Copy files into a folder, what is there already excepted. Raises `UserError` not-fetched or cannot-write."""
    copied = size = 0
    for each in files:
        place = folder / each.place
        try:
            length = each.source.stat().st_size
        except OSError as error:
            message = f"{each.source} is missing after everything was fetched"
            raise UserError("not-fetched", message, hint="Run the same command again.") from error
        if place.is_file() and place.stat().st_size == length:
            continue
        try:
            _copy(each, place)
        except OSError as error:
            message = f"cannot be written: {error.strerror}"
            hint = "Files written so far are complete; run the same command again to continue."
            raise UserError("cannot-write", message, where=Where(path=place), hint=hint) from error
        copied, size = copied + 1, size + length
    report(events.Notice(level="info", text=f"{folder}: {copied} files written, {size / 1e6:.1f} MB"))


def _copy(each: Stored, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".part-")
    draft = Path(name)
    try:
        digest = hashlib.sha256()
        with each.source.open("rb") as file, os.fdopen(handle, "wb") as out:
            while block := file.read(CHUNK):
                digest.update(block)
                out.write(block)
        if each.sha256 not in (None, digest.hexdigest()):
            raise UserError(
                "hash-mismatch", "does not have the content that its name says", where=Where(path=each.source)
            )
        draft.chmod(0o644)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
