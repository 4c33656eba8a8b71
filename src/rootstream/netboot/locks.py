"""Files that stand for something that only one process may do, and that is over when this process is gone."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from rootstream.project.project import lock_file

_TRIES, _PAUSE = 10, 0.02  # whoever only looks holds it for a moment


@contextlib.contextmanager
def hold(path: Path) -> Iterator[int | None]:
    """Hold a file and give its descriptor; None if another process holds it. Raises `UserError` cannot-write."""
    with lock_file(path) as handle:
        yield handle if _taken(handle) else None


def _taken(handle: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def is_held(path: Path) -> bool:
    """Say whether another process holds a file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
