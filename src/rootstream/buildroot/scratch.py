"""A copy of a workspace for commands that only read: it shows what is built, and takes all that they derive.

What Buildroot built is linked to; configuration, notes and Kconfig's programs are copied. As long as nothing is
built, Buildroot's own rules write only to what is copied.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

from rootstream.buildroot.generate import python_layer
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where

_BUILD = "build"
_CONFIGURED = "buildroot-config"  # below build/: what Buildroot's make writes when it reads a configuration
_KCONFIG = "kconfig"


def copied(space: Workspace, folder: Path) -> Workspace:
    """Return a workspace that stands for another, its folder made if need be. Raises `UserError` cannot-read."""
    copy = dataclasses.replace(space, folder=folder, origin=space.folder)
    if copy.output.is_dir():
        return copy
    try:
        copy.output.mkdir(parents=True)
        _link(space.output, copy.output, but=(_BUILD,))
        _link(space.output / _BUILD, copy.output / _BUILD, but=(_CONFIGURED,))
        for name in (".config", "local.mk"):
            _copy(space.output / name, copy.output / name)
        for path in _files(space.state):
            _copy(path, copy.state / path.relative_to(space.state))
        if (space.folder / _KCONFIG / "tree").is_file():
            shutil.copytree(space.folder / _KCONFIG, folder / _KCONFIG, symlinks=True)
        if python_layer.folder(space.folder).is_dir():
            python_layer.folder(folder).symlink_to(python_layer.folder(space.folder))
    except OSError as error:
        raise UserError(
            "cannot-read",
            f"cannot be read: {error.strerror}",
            where=Where(path=Path(error.filename or space.folder)),
        ) from error
    return copy


def of_package(space: Workspace, place: Path) -> Path:
    """Return the build folder of a package for Kconfig programs that write to it: a scratch workspace's own."""
    if space.origin is None:
        return place
    new = space.folder / "packages" / place.name
    if not new.is_dir():
        new.mkdir(parents=True)
        _link(place, new, but=("scripts", ".config"), hidden=True)
        _copy(place / ".config", new / ".config")
        if (place / "scripts").is_dir():
            shutil.copytree(place / "scripts", new / "scripts", symlinks=True)
    return new


def _link(folder: Path, new: Path, *, but: tuple[str, ...], hidden: bool = False) -> None:
    """Link to all that is in a folder. Files at the top of an output folder are Buildroot's own, made anew."""
    new.mkdir(exist_ok=True)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in but and (hidden or path.is_dir()):
            (new / path.name).symlink_to(path)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _copy(path: Path, new: Path) -> None:
    if path.is_file():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, new)
