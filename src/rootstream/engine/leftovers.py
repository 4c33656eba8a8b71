"""What a run of `bst` that was killed leaves behind: processes, mounts, temporary folders.

The processes of a run are known by its mark in their environment, see `/proc/<pid>/environ` in proc(5).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from rootstream import process

VARIABLE = b"ROOTSTREAM_ENGINE_RUN="
PATIENCE = 8.0  # seconds between SIGTERM and SIGKILL
PATH_LIMIT = 4096


def clear(runs: Path, cache: Path) -> None:
    """End and remove what runs left whose owner is dead: nobody holds the lock on their record any more."""
    for record in sorted(runs.iterdir()):
        try:
            descriptor = os.open(record, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary = Path(os.fsdecode(os.read(descriptor, PATH_LIMIT)))
        except BlockingIOError:
            continue
        else:
            end(record.name, cache)
            if temporary.name.startswith(f"rootstream-{record.name}-") and temporary.parent == Path(
                tempfile.gettempdir()
            ):
                shutil.rmtree(temporary, ignore_errors=True)
            record.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def end(token: str, cache: Path) -> None:
    """End every process of the run with this mark, and unmount what their death left mounted."""
    left = members(token)
    if not left:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + PATIENCE
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left = members(token)
    unmount(cache)


def members(token: str) -> tuple[int, ...]:
    """Return the processes, other than zombies, that carry the run's mark."""
    wanted = VARIABLE + token.encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # empty for zombies and kernel threads; not ours: EACCES
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return tuple(found)


def unmount(cache: Path) -> None:
    """Unmount FUSE mounts below the cache whose server is dead: each access fails with ENOTCONN."""
    with contextlib.suppress(OSError):
        for line in (
            Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        ):
            _source, target, kind = line.split(" ")[:3]
            place = Path(target.replace("\\040", " ").replace("\\134", "\\"))
            if kind.startswith("fuse") and place.is_relative_to(cache) and _dead(place):
                process.run(["fusermount3", "-u", "-z", str(place)], env=os.environ, timeout=20, check=False)


def _dead(mount: Path) -> bool:
    try:
        mount.stat()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False
