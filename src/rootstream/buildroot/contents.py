"""A digest of files and folders of the project: their names, kinds, modes and contents."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

CHUNK = 1 << 20
IGNORED = frozenset({".git", ".svn", ".hg"})


def digest(paths: Iterable[Path]) -> str:
    """Return what stands for the present content of files and folders; what is missing counts as that.

    Only the executable bit of a mode counts, as for Git.
    """
    state = hashlib.sha256()
    for path in paths:
        _add(state, path, str(path))
    return state.hexdigest()


def _add(state: hashlib._Hash, path: Path, name: str) -> None:
    try:
        status = path.lstat() if path.is_symlink() else path.stat()
    except OSError:
        _note(state, "missing", name)
        return
    if stat.S_ISLNK(status.st_mode):
        _note(state, "link", name, str(path.readlink()))
    elif stat.S_ISDIR(status.st_mode):
        _note(state, "folder", name)
        for inner in sorted(each.name for each in path.iterdir()):
            if inner not in IGNORED:
                _add(state, path / inner, f"{name}/{inner}")
    elif stat.S_ISREG(status.st_mode):
        _note(state, "file", name, "x" if status.st_mode & 0o100 else "-", str(status.st_size))
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                state.update(chunk)
    else:
        _note(state, "special", name)


def _note(state: hashlib._Hash, *words: str) -> None:
    for word in words:
        data = os.fsencode(word)
        state.update(len(data).to_bytes(8, "big") + data)
