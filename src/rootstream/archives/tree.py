"""Write the members of one archive into an empty folder, never outside it.

The folder is the writer's own, so what it has written is all there is: links are known without asking the disk.
Modes are reduced to what BuildStream's store keeps, the executable bit.
"""
# Tens of thousands of entries: the plain functions take a third of the time of pathlib.
# ruff: noqa: PTH102, PTH108, PTH211

from __future__ import annotations

import os
from collections.abc import Iterator

from rootstream.archives import chroot_paths
from rootstream.archives.tar_stream import Member, MemberKind
from rootstream.formats.faults import Fault

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class UnpackedTree:
    """A folder being filled from an archive; `strip` leading components of every name are left out."""

    def __init__(self, root: str, *, strip: int = 0) -> None:
        self.root = root
        self._strip = strip
        self._folders = {""}
        self._files: set[str] = set()
        self._links: dict[str, str] = {}
        self._parents: dict[tuple[str, ...], str] = {}

    def take(self, member: Member, content: Iterator[memoryview]) -> None:
        """Write one member; raises `Fault` unsafe-archive."""
        pieces = chroot_paths.parts(member.name)[self._strip :]
        if not pieces:
            return
        if member.kind is MemberKind.DIRECTORY:
            self._folder(chroot_paths.walk(pieces, self._links.get))
            return
        if member.kind is MemberKind.OTHER:
            return
        path = self._place(pieces)
        if member.kind is MemberKind.FILE:
            self._file(path, member, content)
        elif member.kind is MemberKind.SYMLINK:
            self._symlink(path, member)
        else:
            self._hardlink(path, member)

    def _place(self, pieces: list[str]) -> str:
        """Return the path for a new entry: its folder made, what was there before removed."""
        key = tuple(pieces[:-1])
        parent = self._parents.get(key)
        if parent is None:
            parent = chroot_paths.walk(pieces[:-1], self._links.get)
            self._folder(parent)
            self._parents[key] = parent
        path = f"{parent}/{pieces[-1]}" if parent else pieces[-1]
        if path in self._folders:
            raise Fault("unsafe-archive", f"{path} is both a folder and something else")
        if path in self._files or path in self._links:
            os.unlink(f"{self.root}/{path}")
            self._files.discard(path)
            if self._links.pop(path, None) is not None:
                self._parents.clear()
        return path

    def _folder(self, path: str) -> None:
        missing = []
        while path not in self._folders:
            if path in self._files:
                raise Fault("unsafe-archive", f"{path} is both a folder and a file")
            missing.append(path)
            path = path.rpartition("/")[0]
        for folder in reversed(missing):
            os.mkdir(f"{self.root}/{folder}", 0o755)
            self._folders.add(folder)

    def _file(self, path: str, member: Member, content: Iterator[memoryview]) -> None:
        handle = os.open(f"{self.root}/{path}", _NEW, 0o755 if member.executable else 0o644)
        self._files.add(path)
        try:
            for piece in content:
                view = piece
                while view:
                    view = view[os.write(handle, view) :]
        finally:
            os.close(handle)

    def _symlink(self, path: str, member: Member) -> None:
        if not member.target or "\0" in member.target or len(member.target) >= chroot_paths.MAX_NAME:
            raise Fault("unsafe-archive", f"{path} is a symbolic link with a malformed target")
        try:
            member.target.encode()
        except UnicodeEncodeError as error:
            raise Fault("unsafe-archive", f"{path} is a symbolic link with a target that is not UTF-8") from error
        os.symlink(member.target, f"{self.root}/{path}")
        self._links[path] = member.target
        self._parents.clear()

    def _hardlink(self, path: str, member: Member) -> None:
        pieces = chroot_paths.parts(member.target)[self._strip :]
        parent = chroot_paths.walk(pieces[:-1], self._links.get) if pieces else ""
        target = f"{parent}/{pieces[-1]}" if parent else "".join(pieces[-1:])
        if target in self._links:
            os.symlink(self._links[target], f"{self.root}/{path}")
            self._links[path] = self._links[target]
            self._parents.clear()
        elif target in self._files:
            os.link(f"{self.root}/{target}", f"{self.root}/{path}", follow_symlinks=False)
            self._files.add(path)
        else:
            raise Fault(
                "unsafe-archive", f"{path} is a hard link to {target}, which does not precede it in the archive"
            )
