"""The store of downloaded files, named by SHA-256 and shared by all sources, projects and processes.

A file appears under its name only when it is complete and verified. Until then it is `<name>.part`, which is
locked while someone writes it and gone on with later.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rootstream.formats.records import Item


class Store:
    """A folder of files named by their SHA-256."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, item: Item) -> Path:
        """Return where a complete file is."""
        return self.root / item.sha256[:2] / item.sha256

    def has(self, item: Item) -> bool:
        """Tell whether a file is there, complete."""
        try:
            return self.path(item).stat().st_size == item.size
        except OSError:
            return False

    @contextmanager
    def partial(self, item: Item, wait: Callable[[], None]) -> Iterator[int | None]:
        """Give a descriptor of the unfinished file, locked; None when the file is complete by then.

        `wait` is called again and again while someone else is writing; it may raise to give up.
        """
        path = self.path(item)
        part = path.with_name(f"{path.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        while True:
            if self.has(item):
                yield None
                return
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    wait()
                    continue
                if _is_still(handle, part):
                    yield handle
                    return
            finally:
                os.close(handle)

    def complete(self, item: Item) -> None:
        """Give a verified file its name; whoever holds its lock may do so."""
        path = self.path(item)
        path.with_name(f"{path.name}.part").replace(path)


def _is_still(handle: int, part: Path) -> bool:
    """Tell whether the locked file still has its name: whoever had the lock may have completed it."""
    try:
        return os.fstat(handle).st_ino == part.stat().st_ino
    except FileNotFoundError:
        return False
