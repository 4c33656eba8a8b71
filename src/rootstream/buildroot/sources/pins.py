"""Downloads that no package has a hash of, such as a custom kernel: `system.lock` has it from the first build on.

From then on they are as downloads with a hash: looked for by content, and another content is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream import events
from rootstream.buildroot import info
from rootstream.buildroot.sources import downloads, transfer
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where
from rootstream.project import lock
from rootstream.project.lock import Lock
from rootstream.project.lock_entries import DOWNLOAD
from rootstream.project.project import Project


def of_lock(pinned: Lock) -> dict[str, str]:
    """Return the SHA-256 of downloads that a lock has, by their path below the download folder."""
    found = ((json.loads(request), ref) for request, ref in pinned.refs.items() if f'"{DOWNLOAD}"' in request)
    return {words["path"]: ref["sha256"] for words, ref in found if words["kind"] == DOWNLOAD}


def key(digest: str, space: Workspace, pinned: Lock) -> str:
    """Return what stands for a digest and the downloads of a system, as far as its packages are known."""
    found = of_lock(pinned)
    known = info.known(space).values() if found else ()
    own = sorted((path, found[path]) for package in known for path, _ in _of(space, package) if path in found)
    return hashlib.sha256(json.dumps([digest, own]).encode()).hexdigest() if own else digest


def request(path: str) -> str:
    """Return the words under which the lock keeps a download, as canonical JSON."""
    return json.dumps({"kind": DOWNLOAD, "path": path}, sort_keys=True, separators=(",", ":"))


@dataclass(slots=True, kw_only=True)
class Pinning:
    """What adds downloads to the lock of a project: `pinned` is what that has, `locked` that it must do."""

    where: Project
    pinned: Lock
    report: events.Reporter
    locked: bool

    def add(self, space: Workspace) -> None:
        """Add the downloads that are there and have no hash yet. Raises `UserError` lock-outdated."""
        space = replace(space, pins=of_lock(self.pinned))
        new = {request(path): {"sha256": transfer.file_hash(file, "sha256")} for path, file in _bare(space)}
        if not new:
            return
        names = ", ".join(json.loads(each)["path"] for each in new)
        if self.locked:
            raise UserError(
                "lock-outdated",
                f"{lock.FILE_NAME} lacks downloads that no package has a hash of: {names}",
                where=Where(path=self.where.lock),
                hint="A build without --locked adds them.",
            )
        lock.write(Lock(refs={**(lock.read(self.where.lock) or Lock()).refs, **new}), self.where.lock)
        self.pinned = Lock(refs={**self.pinned.refs, **new})
        text = f"pinned in {lock.FILE_NAME}, as no package has a hash of it: {names}"
        self.report(events.Notice(level="info", text=text))


def verify(space: Workspace) -> None:
    """Make sure that what is there is what the lock has. Raises `UserError` hash-mismatch."""
    checked = downloads.Checked(space.caches.downloads / downloads.NOTE)
    for package in info.known(space).values():
        for path, file in _of(space, package):
            wanted = space.pins.get(path, "")
            if wanted and file.is_file() and not checked.is_right(file, "sha256", wanted):
                raise UserError(
                    "hash-mismatch",
                    f"{path} has another content than {lock.FILE_NAME} says: not SHA-256 {wanted}",
                    where=Where(path=file),
                    hint=f"Delete it, to download it again. If the new content is right, delete its entry of "
                    f"{lock.FILE_NAME}, too: the next build adds it again.",
                )
    checked.save()


def _bare(space: Workspace) -> Iterator[tuple[str, Path]]:
    for package in info.known(space).values():
        known = downloads.hashes_of(package, space.tree, space.pins)
        for path, file in _of(space, package):
            if file.name not in known and file.is_file():
                yield path, file


def _of(space: Workspace, package: info.BuildrootPackage) -> Iterator[tuple[str, Path]]:
    for source, _ in package.downloads if not info.overridden(space, package) else ():
        path = f"{package.download_folder}/{source.rpartition('/')[2]}"
        yield path, space.caches.downloads / path
