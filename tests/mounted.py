"""File systems of images as the kernel of this machine reads them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def mounted(image: Path, folder: Path, kind: str, *, offset: int = 0) -> Iterator[Path]:
    """Give a new folder where a file system, of an image or from `offset` on in a disk, is mounted to be read."""
    folder.mkdir()
    options = f"loop,ro,offset={offset}"
    subprocess.run(["mount", "-o", options, "-t", kind, str(image), str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def rows(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return what each path of a mounted file system is."""
    found: dict[str, tuple[object, ...]] = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "lost+found"]
        for path in (Path(top), *(Path(top, name) for name in (*folders, *names))):
            info = path.lstat()
            content: object = info.st_rdev
            if stat.S_ISREG(info.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                content = str(path.readlink())
            links = 0 if stat.S_ISDIR(info.st_mode) else info.st_nlink
            attributes = tuple(
                (name, os.getxattr(path, name, follow_symlinks=False))
                for name in sorted(os.listxattr(path, follow_symlinks=False))
            )
            place = str(path.relative_to(folder))
            found[place] = (info.st_mode, info.st_uid, info.st_gid, info.st_mtime, links, attributes, content)
    return found
