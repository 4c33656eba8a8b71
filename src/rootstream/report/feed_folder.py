"""A folder of records as a feed, such as a checkout of the repository of the kernel's CNA: packed into one file.

Feeds are read and stored as files with a hash. The same records give the same names in order, without dates.
Nothing in the folder is followed that is a link, because a repository may contain links to anything.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from rootstream.errors import UserError, Where
from rootstream.report import feed_archive
from rootstream.report.feeds import HINT, MOST

PUBLISHED = Path("cve/published")
"""Where the kernel's CNA has its records; what else it has, rejected ones among it, is not looked at."""
_MOST_DEEP = 20


def pack(folder: Path, target: Path) -> None:
    """Write the records of a folder into an archive. Raises `UserError` cannot-read, bad-feed."""
    top = folder / PUBLISHED if (folder / PUBLISHED).is_dir() else folder
    base = top.resolve()
    count = size = 0
    try:
        with zipfile.ZipFile(target, "w") as archive:
            for path in _files(base, 0):
                name = f"{base.name}/{path.relative_to(base)}"
                if not feed_archive.is_record(name):
                    continue
                text = _read(path)
                count, size = count + 1, size + len(text)
                if len(text) > feed_archive.MOST_RECORD or count > feed_archive.MOST_RECORDS or size > MOST:
                    raise _fault(path, "is too much: a folder may have 1 GiB of records, of 16 MiB each")
                archive.writestr(_entry(name), text, compresslevel=1)
    except OSError as error:
        where = Where(path=Path(error.filename or folder))
        raise UserError("cannot-read", f"cannot be read: {error.strerror}", where=where) from error
    if not count:
        raise _fault(folder, "has no records: files with the suffix .json")


def _entry(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name.encode("utf-8", "backslashreplace").decode())
    found.compress_type = zipfile.ZIP_DEFLATED
    return found


def _files(folder: Path, above: int) -> Iterator[Path]:
    """Give the files in a folder, in order."""
    if above > _MOST_DEEP:
        raise _fault(folder, "is nested too deeply for a folder of records")
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda each: each.name)
    for each in found:
        if each.is_dir(follow_symlinks=False) and each.name != ".git":
            yield from _files(Path(each.path), above + 1)
        elif each.is_file(follow_symlinks=False):
            yield Path(each.path)


def _read(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _fault(path, "is no file")
        return file.read(feed_archive.MOST_RECORD + 1)


def _fault(path: Path, message: str) -> UserError:
    return UserError("bad-feed", message, where=Where(path=path), hint=HINT)
