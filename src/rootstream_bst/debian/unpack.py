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

from rootstream.archives import deb
from rootstream.formats.faults import Fault
from rootstream_bst.debian import dpkg, fixups, ordering
from rootstream_bst.debian.merge import WORK, Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A package in the store."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackResult:
    """What a worker gives back: a fault as its reason and message, or, for a database, what the package is."""

    fault: tuple[str, str] | None = None
    unpacked: dpkg.UnpackedPackage | None = None


def _unpack_one(archive: Archive, folder: str, choice: dpkg.DatabaseChoice | None) -> UnpackResult:
    """Unpack one package in a worker; with `choice` also read what dpkg's database says of it."""
    os.umask(0o022)
    path = Path(archive.path)
    try:
        Path(folder).mkdir()
        deb.check_hash(path, archive.sha256)
        if choice is not None:
            return UnpackResult(unpacked=_noted(archive, folder, choice))
        deb.unpack(path, folder)
    except Fault as fault:
        return UnpackResult(fault=(fault.reason, f"{archive.name}: {fault.message}"))
    except OSError as error:
        return UnpackResult(
            fault=("unpack-failed", f"{archive.name}: {error.filename or archive.path}: {error.strerror}")
        )
    return UnpackResult()


def _noted(archive: Archive, folder: str, choice: dpkg.DatabaseChoice) -> dpkg.UnpackedPackage:
    path, contents = Path(archive.path), dpkg.Contents()
    control = dpkg.checked(deb.control(path), archive.name)
    deb.unpack(path, folder, lambda member: dpkg.note(contents, member, choice))
    control = {"md5sums": dpkg.md5sums(contents, folder), **control} if "md5sums" not in control else control
    return dpkg.UnpackedPackage(control=control, contents=contents, conffiles=dpkg.conffiles(control, folder))


def _merged(
    archives: Sequence[Archive],
    work: str,
    merge: Merge,
    pool: ProcessPoolExecutor,
    choice: dpkg.DatabaseChoice | None,
) -> list[dpkg.UnpackedPackage]:
    """Unpack with the largest first, and move together in the order given."""
    largest_first = sorted(range(len(archives)), key=lambda n: -Path(archives[n].path).stat().st_size)
    done: dict[int, Future[UnpackResult]] = {
        number: pool.submit(_unpack_one, archives[number], f"{work}/{number}", choice) for number in largest_first
    }
    unpacked = []
    for number in range(len(archives)):
        result = done[number].result()
        if result.fault is not None:
            raise Fault(*result.fault)
        if result.unpacked is None:
            merge.add(f"{work}/{number}")
        else:
            unpacked.append(result.unpacked)
    return _database(archives, work, merge, unpacked) if choice is not None else []


def _database(
    archives: Sequence[Archive], work: str, merge: Merge, unpacked: Sequence[dpkg.UnpackedPackage]
) -> list[dpkg.UnpackedPackage]:
    """Move the packages together but those that only dpkg can put in place; these are left for it as files."""
    later = dpkg.diverting(unpacked)
    noted = []
    for number, package in enumerate(unpacked):
        if number not in later:
            merge.add(f"{work}/{number}")
            noted.append(package)
            continue
        place = Path(merge.root, dpkg.PLACE, "debs")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archives[number].path, place / f"{archives[number].name}.deb")
    return noted


def unpack(
    archives: Sequence[Archive], root: str, *, jobs: int, fix: bool, database: dpkg.DatabaseChoice | None = None
) -> tuple[str, ...]:
    """Unpack packages into the empty folder `root` and return the paths that several of them hold.

    With `database`, which says what to leave out, dpkg's database is made too. Raises `Fault`.
    """
    work = f"{root}/{WORK}"
    Path(work).mkdir()
    try:
        merge = Merge(root)
        with ProcessPoolExecutor(max_workers=jobs, mp_context=multiprocessing.get_context("fork")) as pool:
            try:
                noted = _merged(archives, work, merge, pool, database)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        merge.finish()
        if database is not None:
            dpkg.write(root, noted, ordering.first(noted))
    except BrokenProcessPool as error:
        raise Fault("unpack-failed", "an unpacking process was killed; the host may be out of memory") from error
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
        told = job.get("database")
        database = told and dpkg.DatabaseChoice(exclude=tuple(told["exclude"]), include=tuple(told["include"]))
        overlaps = unpack(archives, job["root"], jobs=job["jobs"], fix=job["fixups"], database=database)
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
