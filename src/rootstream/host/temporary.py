"""Folders for the time of one command. What a killed one left is removed by the next one that writes.

Each is locked (flock(2)) by the command that uses it: the kernel lets go of that however the command ends, so a
folder that can be locked has nobody. It gets its name only once it is locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rootstream.errors import UserError
from rootstream.host import process

_RANDOM = "[a-z0-9_]{8}"
_NEW = ".new-rootstream-"
_OURS = re.compile(rf"rootstream-(plan|config|kvm|run|doctor|publish|machine|prove|feeds)-{_RANDOM}")
_MINUTE = 60.0  # seconds
_PATIENCE = 600.0  # seconds to delete one folder


@contextlib.contextmanager
def folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder, in the one for temporary files unless there is a `parent`; it goes with the block."""
    above = parent or Path(tempfile.gettempdir())
    new = Path(tempfile.mkdtemp(prefix=_NEW, dir=above))
    handle = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    path = new
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = new.rename(above / f"{prefix}{new.name.removeprefix(_NEW)}")
        yield path
    finally:
        delete(path)
        os.close(handle)


def sweep(parent: Path, pattern: re.Pattern[str] = _OURS) -> None:
    """Remove folders that dead commands left in a folder: those of this user whose names match as a whole.

    What cannot be removed, or looked at, stays.
    """
    try:
        with os.scandir(parent) as entries:
            names = [each.name for each in entries if pattern.fullmatch(each.name) or _is_old_draft(each)]
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            _remove_if_dead(parent / name)


def sweep_files(parent: Path, pattern: re.Pattern[str]) -> None:
    """Remove files of a folder whose names match as a whole; who calls holds what they are written under."""
    with contextlib.suppress(OSError):
        for path in parent.iterdir():
            if pattern.fullmatch(path.name):
                path.unlink()


def _is_old_draft(entry: os.DirEntry[str]) -> bool:
    """Say whether a command was killed just before it gave a folder its name: that takes no minute."""
    return entry.name.startswith(_NEW) and time.time() - entry.stat(follow_symlinks=False).st_mtime > _MINUTE


def left_in(*prefixes: str) -> re.Pattern[str]:
    """Return the pattern of the names of folders that begin so."""
    return re.compile(f"(?:{'|'.join(map(re.escape, prefixes))}){_RANDOM}")


def _remove_if_dead(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: somebody uses it
            delete(path)
    finally:
        os.close(handle)


def delete(path: Path) -> None:
    """Delete a folder with all below it as far as possible, however deep; links in it are not followed."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
    except FileNotFoundError:
        return
    except RecursionError:  # deeper than Python's own way of deleting (before 3.13)
        with contextlib.suppress(UserError):
            process.run(["rm", "-rf", "--", str(path)], env=os.environ, timeout=_PATIENCE, check=False)
