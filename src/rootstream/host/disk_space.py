"""A disk that is full: which one it is, and what to do about that one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rootstream.errors import UserError, Where

FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_full(error: OSError) -> UserError | None:
    """Return the error of a write that found no space, None for any other."""
    if error.errno not in FULL:
        return None
    path = Path(os.fsdecode(error.filename)) if error.filename else None
    message = f"there is no space left for it: {os.strerror(error.errno)}" if path else os.strerror(error.errno)
    where = Where(path=path) if path else None
    return UserError("disk-full", message, where=where, hint="Free space on that disk; nothing else is affected.")


def fullest(folders: Mapping[str, Path]) -> str:
    """Return the name of the folder whose disk has the least space left; the first of those on one disk."""
    return min(folders, key=lambda name: _free(folders[name]))


def _free(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
