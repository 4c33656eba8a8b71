"""Unpack a set of Debian packages into one merged tree: a program that the plugin starts, needing only Python.

Every package is unpacked by itself, several at once, into a folder of its own; the folders are then moved
together in the order of the set, so the result does not depend on which was ready first.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from typing import BinaryIO

from rootstream_bst import compression, fixups, rooted, tarstream
from rootstream_bst.faults import Fault
from rootstream_bst.tree import Tree

# Folders that are links into /usr in the merged layout; packages may still ship files under the old names.
MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
WORK = ".rootstream-unpacked"
AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60
MAX_AR_MEMBERS = 32
HASH_BLOCK = 1 << 20


def ar_members(file: BinaryIO) -> Iterator[tuple[str, int]]:
    """Yield (name, size) of a deb's members with the file at the member's first byte (deb(5), ar's common format)."""
    if file.read(len(AR_MAGIC)) != AR_MAGIC:
        raise Fault("broken-archive", "not a Debian package")
    position = len(AR_MAGIC)
    for _ in range(MAX_AR_MEMBERS):
        file.seek(position)
        header = file.read(AR_HEADER)
        if not header:
            return
        size = header[48:58].strip()
        if len(header) != AR_HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise Fault("broken-archive", "the package has a damaged header")
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), int(size)
        position += AR_HEADER + int(size) + int(size) % 2
    raise Fault("unsafe-archive", "the package has too many members")


def unpack_deb(path: str, folder: str) -> None:
    """Unpack the files of a deb, without its maintainer scripts, into an empty folder.

    Raises `Fault` broken-archive, unsupported-archive, unsafe-archive or program-missing.
    """
    with open(path, "rb") as file:
        for name, size in ar_members(file):
            stem, _, suffix = name.partition(".tar")
            if stem == "data" and (suffix == "" or suffix.startswith(".")):
                blocks = compression.blocks(compression.limited(file, size), suffix[1:])
                tarstream.members(tarstream.Stream(blocks), Tree(folder).take)
                return
    raise Fault("broken-archive", "the package holds no data archive")


def check_hash(path: str, sha256: str) -> None:
    """Raise `Fault` store-damaged, and remove the file, when a stored file is not what its name says."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    if digest.hexdigest() != sha256:
        with suppress(OSError):
            os.unlink(path)
        raise Fault("store-damaged", "the stored file was damaged and has been removed; fetch again")


def _job(name: str, path: str, sha256: str, folder: str) -> dict[str, str] | None:
    """Unpack one package in a worker; a fault comes back as data."""
    os.umask(0o022)
    try:
        os.mkdir(folder)
        check_hash(path, sha256)
        unpack_deb(path, folder)
    except Fault as fault:
        return {"reason": fault.reason, "message": f"{name}: {fault.message}"}
    except OSError as error:
        return {"reason": "unpack-failed", "message": f"{name}: {error.strerror} ({error.filename or path})"}
    return None


class Merge:
    """The tree that packages are moved into, one after the other; a later package's file replaces an earlier's."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.overlaps: list[str] = []
        self._shipped: set[str] = set()
        for name in MERGED:
            os.symlink(f"usr/{name}", f"{root}/{name}")

    def add(self, folder: str) -> None:
        """Move one unpacked package in; raises `Fault` conflicting-packages or unsafe-archive."""
        self._shipped.update(name for name in MERGED if os.path.islink(f"{folder}/{name}"))
        todo = [(folder, "")]
        while todo:
            source, target = todo.pop()
            with os.scandir(source) as entries:
                for entry in entries:
                    path = f"{target}/{entry.name}" if target else entry.name
                    below = self._move(entry, path)
                    if below is not None:
                        todo.append((entry.path, below))

    def _move(self, entry: os.DirEntry[str], path: str) -> str | None:
        """Move an entry to `path`, or return the folder of the tree that its own entries belong into."""
        if path == WORK:
            raise Fault("unsafe-archive", f"a package ships /{WORK}")
        place = f"{self.root}/{path}"
        folder = entry.is_dir(follow_symlinks=False)
        if not os.path.lexists(place):
            os.rename(entry.path, place)
            return None
        there_is_folder = os.path.isdir(place) and not os.path.islink(place)
        if folder:
            if there_is_folder:
                return path
            return self._behind_link(path)
        if there_is_folder:
            if entry.is_symlink():  # dpkg keeps the folder, too
                return None
            raise Fault("conflicting-packages", f"{path} is a folder in one package and a file in another")
        if path not in MERGED:
            self.overlaps.append(path)
        os.rename(entry.path, place)
        return None

    def _behind_link(self, path: str) -> str:
        """Return the folder behind the link at `path`, made if it is not there."""
        if not os.path.islink(f"{self.root}/{path}"):
            raise Fault("conflicting-packages", f"{path} is a folder in one package and a file in another")
        real = rooted.on_disk(self.root, path)
        try:
            os.makedirs(f"{self.root}/{real}", mode=0o755, exist_ok=True)
        except FileExistsError as error:
            raise Fault(
                "conflicting-packages", f"{path} is a folder in one package and a file in another"
            ) from error
        return real

    def finish(self) -> None:
        """Remove the links of the merged layout that nothing is behind, unless a package ships them."""
        for name in MERGED:
            if name not in self._shipped and not os.path.isdir(f"{self.root}/usr/{name}"):
                os.unlink(f"{self.root}/{name}")


def unpack(packages: Sequence[Mapping[str, str]], root: str, *, jobs: int, fix: bool) -> tuple[str, ...]:
    """Unpack packages (name, path, sha256) into the empty folder `root` and return the paths that overlap.

    Raises `Fault`.
    """
    work = f"{root}/{WORK}"
    os.mkdir(work)
    try:
        merge = Merge(root)
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
            by_size = sorted(range(len(packages)), key=lambda n: -os.path.getsize(packages[n]["path"]))
            done: dict[int, Future[dict[str, str] | None]] = {}
            for number in by_size:
                package = packages[number]
                folder = f"{work}/{number}"
                done[number] = pool.submit(_job, package["name"], package["path"], package["sha256"], folder)
            try:
                for number in range(len(packages)):
                    fault = done[number].result()
                    if fault is not None:
                        raise Fault(fault["reason"], fault["message"])
                    merge.add(f"{work}/{number}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        merge.finish()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if fix:
        fixups.apply(root)
    return tuple(sorted(set(merge.overlaps)))


def main() -> int:
    """Do the job that is given as JSON on the standard input; a fault goes to stdout as JSON, status 2."""
    os.umask(0o022)
    job = json.load(sys.stdin)
    try:
        overlaps = unpack(job["packages"], job["root"], jobs=job["jobs"], fix=job["fixups"])
    except Fault as fault:
        json.dump({"reason": fault.reason, "message": fault.message}, sys.stdout)
        return 2
    except OSError as error:
        where = error.filename or job["root"]
        json.dump({"reason": "unpack-failed", "message": f"{error.strerror}: {where}"}, sys.stdout)
        return 2
    json.dump({"overlaps": overlaps}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
