"""Move unpacked packages together into one tree with the merged /usr layout.

Links are followed as in a chroot, as dpkg does; where two packages hold the same file, the later one's stays.
"""
# Tens of thousands of entries: the plain functions take a third of the time of pathlib.
# ruff: noqa: PTH103, PTH104, PTH108, PTH112, PTH114, PTH211

from __future__ import annotations

import os

from rootstream.archives import chroot_paths
from rootstream.formats.faults import Fault

# Folders that are links into /usr in the merged layout; packages may still ship files under the old names.
MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
WORK = ".rootstream-unpacked"  # where the caller unpacks, in the tree's root


class Merge:
    """The tree that packages are moved into, one after the other; a later package's file replaces an earlier's."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.overlaps: list[str] = []
        self._shipped: set[str] = set()
        for name in MERGED:
            os.symlink(f"usr/{name}", f"{root}/{name}")

    def add(self, folder: str) -> None:
        """Move one unpacked package in; raises `Fault` conflicting-packages or unsafe-archive."""
        self._shipped.update(name for name in MERGED if os.path.islink(f"{folder}/{name}"))
        todo = [(folder, "")]
        while todo:
            source, target = todo.pop()
            with os.scandir(source) as entries:
                for entry in entries:
                    path = f"{target}/{entry.name}" if target else entry.name
                    below = self._move(entry, path)
                    if below is not None:
                        todo.append((entry.path, below))

    def _move(self, entry: os.DirEntry[str], path: str) -> str | None:
        """Move an entry to `path`, or return the folder of the tree that its own entries belong into."""
        if path == WORK:
            raise Fault("unsafe-archive", f"a package ships /{WORK}")
        place = f"{self.root}/{path}"
        folder = entry.is_dir(follow_symlinks=False)
        if not os.path.lexists(place):
            os.rename(entry.path, place)
            return None
        there_is_folder = os.path.isdir(place) and not os.path.islink(place)
        if folder:
            if there_is_folder:
                return path
            return self._behind_link(path)
        if there_is_folder:
            if entry.is_symlink():  # dpkg keeps the folder, too
                return None
            raise Fault("conflicting-packages", f"{path} is a folder in one package and a file in another")
        if path not in MERGED:
            self.overlaps.append(path)
        os.rename(entry.path, place)
        return None

    def _behind_link(self, path: str) -> str:
        """Return the folder behind the link at `path`, made if it is not there."""
        if not os.path.islink(f"{self.root}/{path}"):
            raise Fault("conflicting-packages", f"{path} is a folder in one package and a file in another")
        real = chroot_paths.on_disk(self.root, path)
        try:
            os.makedirs(f"{self.root}/{real}", mode=0o755, exist_ok=True)
        except FileExistsError as error:
            raise Fault(
                "conflicting-packages", f"{path} is a folder in one package and a file in another"
            ) from error
        return real

    def finish(self) -> None:
        """Remove the links of the merged layout that nothing is behind, unless a package ships them."""
        for name in MERGED:
            if name not in self._shipped and not os.path.isdir(f"{self.root}/usr/{name}"):
                os.unlink(f"{self.root}/{name}")
