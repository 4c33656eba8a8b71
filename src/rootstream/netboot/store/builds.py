"""The builds that machines boot: each complete and never changed, the current one of a system a pointer.

A build is a folder of hard links to files that are kept by content, so that builds share what they have in common.
It is put in place by one rename, and becomes current by another: who asks meanwhile gets the old or the new one.
"""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project import artifact, manifest
from rootstream.project.manifest import ExportedFile as File
from rootstream.project.manifest import Manifest

CURRENT = "current"
NOTE = "build.json"
CONTENTS = ".contents"  # the folder of a build with what its export says of itself; it is not served
ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
KINDS = ("kernel", "initramfs", "capsule", "uki")
_CHUNK = 1 << 20
_FICLONE = 0x40049409  # <linux/fs.h>
_PREFERRED = ("bzImage", "Image", "vmlinuz", "zImage", "uImage", "vmlinux")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of a system: `made` in seconds since 1970, `args` are the kernel arguments of its `machine:`."""

    target: str
    id: str
    made: float
    arch: str
    args: str
    files: tuple[File, ...]

    def file(self, kind: str) -> File | None:
        """Return the file to boot of a kind; of several kernels the one that boot loaders like best."""
        found = [each for each in self.files if each.kind == kind]
        order = {name: number for number, name in enumerate(_PREFERRED)}
        return min(found, key=lambda each: (order.get(each.name.partition(".")[0], 99), each.name), default=None)


class Builds:
    """The builds below a folder. Errors of the disk are `UserError` cannot-write."""

    def __init__(self, folder: Path, content: Path) -> None:
        self.folder = folder
        self.content = content

    def record(self, target: str, exported: Path, *, args: str) -> Build | None:
        """Keep what was exported and make it current; None if there is nothing in it that boots over a network.

        `exported` is a folder with a manifest.json. An export that is the current build already gives that one.
        Raises `UserError` cannot-write, export-changed, and those of `manifest.read`.
        """
        found = manifest.read(exported)
        files = tuple(each for each in found.files if each.kind in KINDS)
        if not any(each.kind in ("kernel", "capsule", "uki") for each in files):
            return None
        try:
            with self._locked():
                return self._record(target, found, files, args=args)
        except OSError as error:
            raise UserError(
                "cannot-write",
                f"the build could not be kept for machines that boot over the network: {error.strerror}",
                where=Where(path=self.folder),
                hint="They still boot the earlier one. Free disk space or fix the permissions, then build again.",
            ) from error

    def _record(self, target: str, exported: Manifest, files: tuple[File, ...], *, args: str) -> Build:
        current = self.current(target)
        if current and (current.files, current.args) == (files, args):
            return current
        made = time.time()
        text = json.dumps([[each.name, each.sha256] for each in files] + [[args]])
        newest = next(iter(self.of(target)), None)
        name = f"{_stamp(made, newest)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        build = Build(target=target, id=name, made=made, arch=exported.arch, args=args, files=files)
        self.content.mkdir(parents=True, exist_ok=True)
        place = self.folder / target
        place.mkdir(parents=True, exist_ok=True)
        self._sweep(place)
        with tempfile.TemporaryDirectory(dir=place, prefix=".new-") as scratch:
            new = Path(scratch) / "build"
            new.mkdir(mode=0o755)
            for each in files:
                (new / each.name).parent.mkdir(parents=True, exist_ok=True)
                os.link(self._kept(exported, each), new / each.name)
            (new / NOTE).write_text(json.dumps(_note(build), indent=1) + "\n")
            _keep_contents(exported.folder, new / CONTENTS)
            _flush(new)
            new.rename(place / name)
        self._point(target, name)
        return build

    def _kept(self, exported: Manifest, file: File) -> Path:
        """Return the file of that content in the store; it is copied there unless it is there."""
        place = self.content / file.sha256
        if place.exists():
            return place
        source = exported.path(file)
        with (
            tempfile.NamedTemporaryFile(dir=self.content, prefix=".new-") as out,
            open(exported.open(file), "rb") as data,  # noqa: PTH123  (a descriptor)
        ):
            if not _cloned(data.fileno(), out.fileno()):
                shutil.copyfileobj(data, out, _CHUNK)
            out.flush()
            out.seek(0)
            if hashlib.file_digest(out, "sha256").hexdigest() != file.sha256:
                raise UserError(
                    "export-changed",
                    f"{source.name} differs from what was exported: something changed it",
                    where=Where(path=source),
                    hint="Delete the folder and build again.",
                )
            os.fchmod(out.fileno(), 0o444)
            os.fsync(out.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(out.name, place)
        return place

    def _point(self, target: str, name: str) -> None:
        place = self.folder / target
        new = place / f".{CURRENT}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(name)
        new.rename(place / CURRENT)
        _flush(place)

    def targets(self) -> tuple[str, ...]:
        """Return the systems that there are builds of."""
        try:
            return tuple(sorted(each.name for each in self.folder.iterdir() if not each.name.startswith(".")))
        except FileNotFoundError:
            return ()

    def of(self, target: str) -> tuple[Build, ...]:
        """Return the builds of a system, the newest first."""
        try:
            names = sorted((each.name for each in (self.folder / target).iterdir()), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        found = (self.get(target, name) for name in names if ID.fullmatch(name))
        return tuple(build for build in found if build)

    def get(self, target: str, name: str) -> Build | None:
        """Return a build by its id, or None if it is not there."""
        if not ID.fullmatch(name):
            return None
        note = self.folder / target / name / NOTE
        try:
            data = json.loads(note.read_text())
            return Build(
                target=target,
                id=name,
                made=float(data["made"]),
                arch=str(data["arch"]),
                args=str(data["args"]),
                files=manifest.entries(note, data["files"]),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError):
            return None

    def current(self, target: str) -> Build | None:
        """Return the build that machines get which are not pinned to another."""
        try:
            name = (self.folder / target / CURRENT).readlink().name
        except OSError:
            return None
        return self.get(target, name)

    def path(self, build: Build, file: File) -> Path:
        """Return where a file of a build is."""
        return self.folder / build.target / build.id / file.name

    def contents(self, target: str, name: str) -> Path:
        """Return the folder with what the export of a build said of itself; those of older versions have none."""
        return self.folder / target / name / CONTENTS

    def select(self, target: str, name: str | None) -> Build:
        """Make a build current: the one of that id, or the one before the current. Returns it.

        Raises `UserError` unknown-build.
        """
        with self._locked():
            known = self.of(target)
            if name is None:
                current = self.current(target)
                older = [each for each in known if current and each.id < current.id]
                chosen = older[0] if older else None
            else:
                chosen = next((each for each in known if each.id == name), None)
            if chosen is None:
                what = f"no build {name!r} of {target}" if name else f"no build of {target} before the current one"
                have = ", ".join(each.id for each in known) or "none"
                raise UserError("unknown-build", what, hint=f"Builds of it: {have}.")
            self._point(target, chosen.id)
            return chosen

    def prune(self, target: str, keep: int, protected: Collection[str] = ()) -> tuple[str, ...]:
        """Delete all but the newest `keep` builds, the current one and those protected; return what went."""
        with self._locked():
            current = self.current(target)
            held = {*protected, *([current.id] if current else [])}
            gone = [each for each in self.of(target)[keep:] if each.id not in held]
            for each in gone:
                aside = self.folder / target / f".old-{each.id}"
                (self.folder / target / each.id).rename(aside)
                shutil.rmtree(aside, ignore_errors=True)
            if gone:
                self._sweep(self.folder / target)
            return tuple(each.id for each in gone)

    def _sweep(self, place: Path) -> None:
        """Delete what no build has: of builds that went, or of a process that was killed."""
        for pattern in (".new-*", ".old-*"):
            for path in place.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
        for path in self.content.iterdir():
            if path.name.startswith(".") or path.stat().st_nlink == 1:
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the store; readers need no lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _stamp(made: float, newest: Build | None) -> str:
    """Return the beginning of an id: the time, but always after that of the newest build, in their order."""
    if newest is not None:
        last = calendar.timegm(time.strptime(newest.id[:15], "%Y%m%d-%H%M%S"))
        made = max(made, last + 1)
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(made))


def _keep_contents(exported: Path, place: Path) -> None:
    place.mkdir(mode=0o700)
    for name in (manifest.NAME, artifact.INVENTORY):
        if nofollow.check(exported.parent, exported / name):
            shutil.copyfile(exported / name, place / name)


def _note(build: Build) -> dict[str, Any]:
    files = [
        {"name": each.name, "kind": each.kind, "size": each.size, "sha256": each.sha256} for each in build.files
    ]
    return {"target": build.target, "made": build.made, "arch": build.arch, "args": build.args, "files": files}


def _cloned(source: int, target: int) -> bool:
    """Share the blocks of a file, where the file system can."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
