"""What a run of `bst` can leave behind when it is killed: processes and mounts.

The processes of a run are known by its token in their environment, see `/proc/<pid>/environ` in proc(5): its casd
has a process group of its own and outlives it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import threading
import time
from pathlib import Path

from rootstream.errors import UserError
from rootstream.host import process

VARIABLE = "ROOTSTREAM_ENGINE_RUN"
ANSWER = 3.0  # seconds for the server of a mount
PATIENCE = 8.0  # seconds between SIGTERM and SIGKILL


def end(token: str, cache: Path) -> None:
    """End every process of the run with this token, and unmount what their death left mounted."""
    left = members(token)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline = time.monotonic() + PATIENCE
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left = members(token)
    unmount(cache)


def kill(token: str) -> None:
    """Kill every process of a run at once: a casd that waits for a server does not end when it is told to."""
    for pid in members(token):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def members(token: str) -> tuple[int, ...]:
    """Return the processes, other than zombies and this one, that carry the run's token."""
    wanted = f"{VARIABLE}={token}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            # empty for zombies and kernel threads; not ours: EACCES
            if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return tuple(found)


def strangers(cache: Path) -> int:
    """Count the runs of `bst` that use the cache and were not started by us: by hand, say, in the plan.

    Each is known by its casd, whose last word is the cache, and whose parent is `bst` as long as that lives.
    """
    place = os.fsencode(cache.resolve())
    found = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile, or not ours
            argv = _argv(entry.name)
            if not argv or not argv[0].endswith(b"buildbox-casd") or os.path.realpath(argv[-1]) != place:
                continue
            ours = f"{VARIABLE}=".encode() in Path(entry.path, "environ").read_bytes()
            found += not ours and any(
                b"bst" in word or b"buildstream" in word for word in _argv(_parent(entry.name))
            )
    return found


def _argv(pid: str) -> list[bytes]:
    return Path("/proc", pid, "cmdline").read_bytes().split(b"\0")[:-1]


def _parent(pid: str) -> str:
    """Return the parent of a process: the second field after its name, which may hold anything (proc(5))."""
    return Path("/proc", pid, "stat").read_text(errors="replace").rpartition(")")[2].split()[1]


def unmount(cache: Path) -> None:
    """Unmount FUSE mounts below the cache whose server is dead.

    statvfs(3) asks the server each time, where stat(2) may be answered from what the kernel remembers.
    """
    for place in _mounts():
        if place.is_relative_to(cache.resolve()) and _dead(place):
            with contextlib.suppress(UserError):
                process.run(["fusermount3", "-u", "-z", str(place)], env=os.environ, timeout=20, check=False)


def tidy(cache: Path) -> None:
    """Remove temporary files that killed processes left in a cache that nobody uses now."""
    for socket in cache.glob("casserver-*.sock"):
        socket.unlink(missing_ok=True)
    for stage in cache.glob("cas/staging/*"):
        # never by its content: that could be a mount that still works
        with contextlib.suppress(OSError):
            stage.rmdir()
    for path in (*cache.glob("cas/tmp/*"), *cache.glob("tmp/*")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _mounts() -> list[Path]:
    text = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    fields = (line.split(" ") for line in text.splitlines())
    return [
        Path(target.replace("\\040", " ").replace("\\134", "\\"))
        for _, target, kind, *_ in fields
        if kind.startswith("fuse")
    ]


def _dead(mount: Path) -> bool:
    found: list[int | None] = []

    def ask() -> None:
        try:
            os.statvfs(mount)
        except OSError as error:
            found.append(error.errno)

    # a server that lives and does not answer would be waited for, so not here
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER)
    return bool(found) and found[0] in (errno.ENOTCONN, errno.EIO, errno.ECONNABORTED)
