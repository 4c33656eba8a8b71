"""Runs of `bst` that use one cache at the same time: who may expire its contents, and who has died.

Each run starts a buildbox-casd of its own. They share the files well, but one that began later knows nothing of
what an earlier one still needs and expires it at the cache's limit (the builds then see input/output errors). So
only a run that began alone expires; a run that joins does so without a limit, or waits if the limit is reached.
A `bst` that somebody started by hand on the same cache counts as one of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstream.engine import leftovers

FOLDER = "rootstream-runs"
MIXED = ".mixed"
PATH_LIMIT = 4096
PAUSE = 0.5  # seconds between two looks
# Bytes of the folder that TMPDIR names for a run: BuildStream's socket adds 48, and gRPC takes 107 with `unix:`
# before them, since an address has no more (unix(7)).
LONGEST = 54
SHORT = Path("/tmp")  # noqa: S108  (the folder in it is made for this run, with a name that nobody knows before)
MOST_RESERVED = 2 << 30
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to use the cache, for the run with this token, and a folder for its temporary files.

    `alone`: nobody else used the cache when the run began.
    """

    token: str
    temporary: Path
    alone: bool


@contextlib.contextmanager
def leased(cache: Path, *, quota: str, wait: Callable[[], None] | None) -> Iterator[Lease]:
    """Take part in the use of the cache until the end of the block; no process of the run outlives it.

    What dead runs left is cleared first. At the cache's limit, `wait` is called once and then others are waited
    for; without it the run joins in any case.
    """
    runs = cache / FOLDER
    runs.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(6)
    temporary = _temporary(token)
    # Ctrl-C can come anywhere: each step is undone whether or not it was reached
    with contextlib.ExitStack() as held:
        try:
            others = _enter(runs, cache, held, token=token, temporary=temporary, quota=quota, wait=wait)
            temporary.mkdir(mode=0o700)
            yield Lease(token=token, temporary=temporary, alone=not others)
        finally:
            leftovers.end(token, cache)
            shutil.rmtree(temporary, ignore_errors=True)
            with _locked(runs):
                (runs / token).unlink(missing_ok=True)
                if (runs / MIXED).exists() and not _living(runs, cache):
                    # each casd wrote the size that it knew of; without a number the next one counts
                    (cache / "cas" / "disk_usage").unlink(missing_ok=True)
                    (runs / MIXED).unlink()


def clear(cache: Path) -> None:
    """Clear what dead runs left in the cache: processes, mounts, temporary folders."""
    runs = cache / FOLDER
    if runs.is_dir():
        with _locked(runs):
            _living(runs, cache)
            leftovers.unmount(cache)


def _enter(
    runs: Path,
    cache: Path,
    held: contextlib.ExitStack,
    *,
    token: str,
    temporary: Path,
    quota: str,
    wait: Callable[[], None] | None,
) -> int:
    """Record a run as soon as it may begin and return how many others there are."""
    said = False
    while True:
        with _locked(runs):
            others = _living(runs, cache) + leftovers.strangers(cache)
            if not others or wait is None or not at_limit(cache, quota):
                _record(runs / token, temporary, held)
                if others:
                    (runs / MIXED).touch()
                else:
                    leftovers.tidy(cache)
                return others
        if not said:
            wait()
            said = True
        time.sleep(PAUSE)


def at_limit(cache: Path, quota: str) -> bool:
    """Whether the cache is so full that the next build may have to expire something."""
    disk = shutil.disk_usage(cache)
    if disk.free < reserve(disk.total):
        return True
    limit = quota_bytes(quota, disk.total)
    if limit is None:
        return False
    try:
        used = int((cache / "cas" / "disk_usage").read_text(encoding="ascii"))
    except (OSError, ValueError):
        used = _count(cache / "cas" / "objects")
    return used > limit * 0.9


def reserve(total: int) -> int:
    """Return how many bytes of a disk of this size stay free, whatever the cache's limit: 5%, at most 2 GiB.

    Of a large disk 5% are more than a build takes: it would be refused where there is room enough.
    """
    return min(total // 20, MOST_RESERVED)


def quota_bytes(quota: str, total: int) -> int | None:
    """Return a quota (`80G`, `50%`, `infinity`) in bytes for a disk of this size, None for no limit."""
    match = re.fullmatch(r"(\d{1,18})([KMGT]?)(%?)", quota.strip())
    if match is None:
        return None
    number = int(match[1])
    return total * number // 100 if match[3] else number * UNITS[match[2]]


def _count(objects: Path) -> int:
    total = 0
    for folder, _, names in os.walk(objects):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(folder, name).stat().st_size
    return total


@contextlib.contextmanager
def _locked(runs: Path) -> Iterator[None]:
    descriptor = os.open(runs / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _record(path: Path, temporary: Path, held: contextlib.ExitStack) -> None:
    """Write the record of a run and hold a lock on it as long as this process lives, or the block lasts."""
    file = held.enter_context(path.open("xb"))
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(os.fsencode(temporary))
    file.flush()


def _living(runs: Path, cache: Path) -> int:
    """Count the runs that live, and clear what the dead ones left: nobody holds the lock on their record."""
    living = 0
    for record in sorted(runs.iterdir()):
        if record.name.startswith("."):
            continue
        try:
            descriptor = os.open(record, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            living += 1
        else:
            leftovers.end(record.name, cache)
            _remove_temporary(Path(os.fsdecode(os.read(descriptor, PATH_LIMIT))), record.name)
            record.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return living


def _temporary(token: str) -> Path:
    """Return the folder of a run's temporary files: below TMPDIR, or /tmp where sockets want it short."""
    wanted = Path(tempfile.gettempdir(), f"rootstream-{token}")
    return wanted if len(os.fsencode(wanted)) <= LONGEST else SHORT / wanted.name


def _remove_temporary(folder: Path, token: str) -> None:
    if folder.name == f"rootstream-{token}" and folder.parent in (Path(tempfile.gettempdir()), SHORT):
        shutil.rmtree(folder, ignore_errors=True)
