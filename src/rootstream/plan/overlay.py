"""Folders of a project as deterministic tar archives, the form in which a layer reaches the sandbox.

Modes are those that Git keeps (755 and 644), owners are root: a clone on another machine gives the same bytes.
"""

from __future__ import annotations

import fnmatch
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO

from rootstream.errors import UserError, Where
from rootstream.host import content
from rootstream.host.content import Content

IGNORED = (".git", ".svn", ".hg", ".empty", "*~")


def _ignored(name: str, ignored: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)


def walk(folder: Path, ignored: tuple[str, ...] = IGNORED) -> Iterator[os.DirEntry[str]]:
    """Give all below a folder but what is ignored, sorted, folders before what they hold."""
    todo = [iter(_entries(folder))]
    while todo:
        entry = next(todo[-1], None)
        if entry is None:
            todo.pop()
        elif not _ignored(entry.name, ignored):
            yield entry
            if entry.is_dir(follow_symlinks=False):
                todo.append(iter(_entries(Path(entry.path))))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda each: each.name)


def _member(entry: os.DirEntry[str], folder: Path, epoch: int, prefix: str) -> tarfile.TarInfo:
    status = entry.stat(follow_symlinks=False)
    member = tarfile.TarInfo(prefix + str(Path(entry.path).relative_to(folder)))
    member.mtime = epoch
    if stat.S_ISDIR(status.st_mode):
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, str(Path(entry.path).readlink())
    elif stat.S_ISREG(status.st_mode):
        member.mode = 0o755 if status.st_mode & 0o100 else 0o644
        member.size = status.st_size
    else:
        raise UserError(
            "overlay-special-file",
            "not a file, folder or link",
            where=Where(path=Path(entry.path)),
            hint="Use a `devices` layer for device nodes and pipes.",
        )
    return member


def archive(folder: Path, *, epoch: int, ignored: tuple[str, ...] = IGNORED, prefix: str = "") -> Content:
    """Return a folder as a tar archive. Raises `UserError` overlay-special-file, overlay-unreadable."""

    def write(out: IO[bytes]) -> None:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for entry in walk(folder, ignored):
                member = _member(entry, folder, epoch, prefix)
                if member.isreg():
                    with Path(entry.path).open("rb") as file:
                        member.size = os.fstat(file.fileno()).st_size
                        tar.addfile(member, file)
                else:
                    tar.addfile(member)

    try:
        return content.written(write)
    except OSError as error:
        raise UserError(
            "overlay-unreadable",
            f"cannot be read: {error.strerror or error}",
            where=Where(path=Path(error.filename or folder)),
        ) from error


def archive_of(
    files: Mapping[str, tuple[int, bytes]],
    *,
    epoch: int,
    folders: tuple[str, ...] = (),
    links: Mapping[str, str] | None = None,
) -> bytes:
    """Return files, given as path to (mode, content), empty folders and symbolic links as a tar archive."""
    targets = links or {}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted({*files, *folders, *targets}):
            member = tarfile.TarInfo(path)
            member.mtime = epoch
            content = b""
            if path in files:
                member.mode, content = files[path]
                member.size = len(content)
            elif path in targets:
                member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, targets[path]
            else:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def collect(folder: Traversable, prefix: str, files: dict[str, tuple[int, bytes]]) -> None:
    """Put the files of a package's folder into `files`; scripts get the mode of a program."""
    for item in folder.iterdir():
        path = f"{prefix}{item.name}"
        if item.is_dir():
            collect(item, path + "/", files)
        else:
            content = item.read_bytes()
            files[path] = (0o755 if content.startswith(b"#!") else 0o644, content)
