"""Unpack a set of Debian packages into one merged tree: a program that the plugin starts, needing only Python.

Every package is unpacked by itself, several at once, into a folder of its own; the folders are then moved
together in the order of the set, so the result does not depend on which was ready first.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from rootstream_bst import deb, fixups
from rootstream_bst.faults import Fault
from rootstream_bst.merge import WORK, Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A package in the store."""

    name: str
    path: str
    sha256: str


def _unpack_one(archive: Archive, folder: str) -> tuple[str, str] | None:
    """Unpack one package in a worker; a fault comes back as its reason and message."""
    os.umask(0o022)
    try:
        Path(folder).mkdir()
        deb.check_hash(Path(archive.path), archive.sha256)
        deb.unpack(Path(archive.path), folder)
    except Fault as fault:
        return fault.reason, f"{archive.name}: {fault.message}"
    except OSError as error:
        return "unpack-failed", f"{archive.name}: {error.filename or archive.path}: {error.strerror}"
    return None


def _merged(archives: Sequence[Archive], work: str, merge: Merge, pool: ProcessPoolExecutor) -> None:
    """Unpack with the largest first, and move together in the order given."""
    largest_first = sorted(range(len(archives)), key=lambda n: -Path(archives[n].path).stat().st_size)
    done: dict[int, Future[tuple[str, str] | None]] = {
        number: pool.submit(_unpack_one, archives[number], f"{work}/{number}") for number in largest_first
    }
    for number in range(len(archives)):
        fault = done[number].result()
        if fault is not None:
            raise Fault(*fault)
        merge.add(f"{work}/{number}")


def unpack(archives: Sequence[Archive], root: str, *, jobs: int, fix: bool) -> tuple[str, ...]:
    """Unpack packages into the empty folder `root` and return the paths that several of them hold.

    Raises `Fault`.
    """
    work = f"{root}/{WORK}"
    Path(work).mkdir()
    try:
        merge = Merge(root)
        with ProcessPoolExecutor(max_workers=jobs, mp_context=multiprocessing.get_context("fork")) as pool:
            try:
                _merged(archives, work, merge, pool)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        merge.finish()
    except BrokenProcessPool as error:
        raise Fault(
            "unpack-failed", "an unpacking process was killed; the machine may be out of memory"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if fix:
        fixups.apply(Path(root))
    return tuple(sorted(set(merge.overlaps)))


def main() -> int:
    """Do the job that is given as JSON on the standard input; a fault goes to stdout as JSON, status 2."""
    os.umask(0o022)
    job = json.load(sys.stdin)
    try:
        archives = [Archive(**archive) for archive in job["packages"]]
        overlaps = unpack(archives, job["root"], jobs=job["jobs"], fix=job["fixups"])
    except Fault as fault:
        json.dump({"reason": fault.reason, "message": fault.message}, sys.stdout)
        return 2
    except OSError as error:
        where = error.filename or job["root"]
        json.dump({"reason": "unpack-failed", "message": f"{where}: {error.strerror}"}, sys.stdout)
        return 2
    json.dump({"overlaps": overlaps}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
