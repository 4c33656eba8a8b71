"""What a clone may have brought where Rootstream keeps its own: looked at before any command opens it.

BuildStream, QEMU and make are given paths below `.rootstream` and `out`, and follow what they find there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rootstream.errors import UserError, Where
from rootstream.host import nofollow

WORKSPACES = "buildroot"
SERVED = ".netboot"  # where `serve` kept its state before, with links of its own; nothing in it is read
# Of Buildroot's output folder, whose own links are many: what is opened, emptied or exported.
OUTPUT = (".config", "build", "host", "images", "target", "per-package", "graphs", "legal-info")
# Below state/ and logs/ of a workspace: a pipe and a link that are only ever removed and made anew.
REPLACED = frozenset(("gate", "latest"))
STATE = (".bst", ".bst2", "project.refs", "junction.refs")  # what BuildStream writes into a project of its own
WORKSPACES_OF_BST = ".bst2/workspaces.yml"
_CLOSE = "A clone could contain that. Close it (`bst workspace close`), and open it below the project's folder."
ELSEWHERE = "Delete the link; use `--out DIR` or ROOTSTREAM_OUT to keep results on another disk."
OURS = "Delete it: Rootstream creates it again."


def look(folder: Path, *, plain: bool, lock: Path, work: Path, results: Path | None) -> None:
    """Refuse links, special files and files of others where Rootstream or BuildStream write in a project.

    `results` is where results go if that is not the project's `out`. Raises `UserError` link-in-project,
    special-file, foreign-owner.
    """
    nofollow.check(folder, lock)
    _look_at_work(folder, work)
    if plain:
        for name in STATE:
            nofollow.check_below(folder, folder / name)
        _look_at_workspaces(folder, folder / WORKSPACES_OF_BST)
    base, out = (results, None) if results else (folder, folder / "out")
    if out is not None:
        nofollow.check(base, out, hint=ELSEWHERE)
    for path in _entries(out or base):
        nofollow.check(base, path, hint=OURS)
        if path.name == SERVED:
            for entry in _entries(path):
                nofollow.check(base, entry, hint=OURS)
        elif not path.name.startswith(".") or out is not None:
            nofollow.check_below(base, path, hint=OURS)


def _look_at_workspaces(folder: Path, file: Path) -> None:
    """Refuse workspaces of BuildStream out of the project: an element is built from what is in such a folder."""
    try:
        data = YAML(typ="safe").load(nofollow.read_bytes(folder, file, most=1 << 20).decode())
        paths = [str(each["path"]) for each in (data.get("workspaces") or {}).values()]
    except FileNotFoundError:
        return
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            "bad-workspaces", "is not a list of workspaces", where=Where(path=file), hint=_CLOSE
        ) from error
    for path in paths:
        if "\0" in path or not (folder / path).resolve().is_relative_to(folder.resolve()):
            message = f"an element is built from {path!r}, which is outside of the project's folder"
            raise UserError("outside-project", message, where=Where(path=file), hint=_CLOSE)


def _look_at_work(folder: Path, work: Path) -> None:
    nofollow.check_below(folder, work, skip=frozenset((WORKSPACES,)), hint=OURS)
    for space in _entries(work / WORKSPACES):
        nofollow.check(folder, space, hint=OURS)
        for path in _entries(space):
            nofollow.check(folder, path, hint=OURS)
        for name in ("state", "logs"):
            nofollow.check_below(folder, space / name, but=REPLACED, hint=OURS)
        for name in OUTPUT:
            nofollow.check(folder, space / "output" / name, hint=OURS)
        for package in _entries(space / "output" / "build"):
            nofollow.check(folder, package, hint=OURS)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, nothing where there is none; `folder` itself is checked already."""
    try:
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode):
            yield from sorted(Path(entry.path) for entry in os.scandir(folder))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError("cannot-read", f"cannot be read: {error.strerror}", where=Where(path=folder)) from error


def require_own(file: Path, start: Path) -> None:
    """Refuse a project that is found above the folder of a command and that somebody else has put there.

    Raises `UserError` foreign-project.
    """
    trusted = {os.geteuid(), start.stat().st_uid}
    if file.parent != start:
        for path in (file, file.parent):
            if path.lstat().st_uid not in trusted:
                raise UserError(
                    "foreign-project",
                    f"this project belongs to another user ({path.lstat().st_uid}), and is above {start}",
                    where=Where(path=file),
                    hint=f"If this is the project that you want: `--project {file.parent}`.",
                )


def require_inside(file: Path) -> None:
    """Refuse a description that is a link out of its project. Raises `UserError` outside-project."""
    real = file.resolve()
    if not real.is_relative_to(file.parent.resolve()):
        raise UserError(
            "outside-project",
            f"is a link out of the project's folder, to {str(real)!r}",
            where=Where(path=file),
            hint="Copy it into the project: nothing else is read.",
        )
