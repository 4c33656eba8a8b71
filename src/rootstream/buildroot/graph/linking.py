"""The folder of a BuildStream project whose files are many and large: links to where they are, not copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rootstream.errors import UserError, Where
from rootstream.host.content import Content
from rootstream.project import project

MOST_FILES = 200_000
_LEFT_OUT = frozenset({".git", ".svn", ".hg"})


def sync(folder: Path, written: Mapping[str, Content], linked: Mapping[str, Path]) -> None:
    """Make a folder hold what is written and, below FOLDER/linked, hard links (or copies) of files and folders.

    Symbolic links are kept as they are. Raises `UserError` too-many-files.
    """
    top = folder / "linked"
    project.sync(folder, written, keep=(".bst", top.name))
    wanted: dict[Path, Path] = {}
    for path, source in linked.items():
        for inner, file in files_of(source):
            wanted[top / path / inner] = file
        if len(wanted) > MOST_FILES:
            raise UserError("too-many-files", f"more than {MOST_FILES} files below it", where=Where(path=source))
    top.mkdir(exist_ok=True)
    for present in sorted(top.rglob("*"), reverse=True):
        if present.is_symlink() or present.is_file():
            if present not in wanted:
                present.unlink()
        elif not any(present.iterdir()):
            present.rmdir()
    for place, source in wanted.items():
        _link(source, place)


def files_of(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or the files of a folder, by their paths in it."""
    if not source.is_dir():
        yield "", source
        return
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(each for each in folders if each not in _LEFT_OUT)
        links = [each for each in folders if Path(folder, each).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(folder, name)
            yield str(path.relative_to(source)), path


def stamps(files: Iterable[Path]) -> dict[Path, tuple[int, ...] | None]:
    """Return what tells files from what they are later: inode, size and time, None for what is not there."""
    found: dict[Path, tuple[int, ...] | None] = {}
    for path in files:
        try:
            status = path.lstat()
        except OSError:
            found[path] = None
        else:
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _link(source: Path, place: Path) -> None:
    status = source.lstat()
    if os.path.lexists(place):
        there = place.lstat()
        if (there.st_ino, there.st_dev) == (status.st_ino, status.st_dev):
            return
        if source.is_symlink() and place.is_symlink() and source.readlink() == place.readlink():
            return
        place.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:  # another file system, or not ours to link
        shutil.copy2(source, place, follow_symlinks=False)
