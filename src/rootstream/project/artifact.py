"""What a sandbox left, looked at before any of it becomes a file of `out/`: plain files with names to be listed.

An artifact is written by whatever was built. A link in it leads to a file of this host once it is checked out.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstream.errors import UserError
from rootstream.sandbox.images.sparse import unpack_sparse
from rootstream.sandbox.program import Mistake

SPARSE = ".sparse"
# Of a folder below out/: what is written beside the files of an artifact.
RESERVED = frozenset(("SHA256SUMS", "manifest.json", "inventory.jsonl", "sbom.cdx.json", "report.html", "verify"))
INVENTORY = "inventory.jsonl"
MOST_INVENTORY = 1 << 30  # bytes
MOST_NOTES = 16 << 20  # bytes of one file of notes
LONGEST = 512  # bytes of a path: room is left for that of the project


def take(checkout: Path, folder: Path, target: str) -> tuple[str, ...]:
    """Turn a checkout of a target (its `images` folder, or all of it) into files of `folder`; return their names.

    Raises `UserError` export-special-file, export-bad-name, export-name-taken, export-damaged, OSError.
    """
    images = checkout / "images"
    base = images if _kind(images) is not None else checkout
    if _kind(base) != stat.S_IFDIR:
        raise _refused("export-special-file", target, "images", f"{_shown(base)}, and is not a folder")
    taken: dict[str, str] = {}
    for path in _files(base, target):
        own = str(path.relative_to(base))
        name = own if path.name == SPARSE else own.removesuffix(SPARSE)
        if name.split("/")[0] in RESERVED:
            raise _refused("export-name-taken", target, own, f"{name.split('/')[0]} is written by the export")
        if name in taken:
            raise _refused("export-name-taken", target, own, f"{taken[name]} would be exported as {name}, too")
        taken[name] = own
        place = folder / name
        if place.is_dir():
            raise _refused("export-name-taken", target, own, f"there is also a folder {name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        if own == name:
            shutil.move(path, place)  # out/ may be on another file system
        else:
            _unpack(path, place, own, target)
    return tuple(sorted(taken))


def _unpack(path: Path, place: Path, own: str, target: str) -> None:
    try:
        unpack_sparse(path, place)
    except Mistake as error:
        said = str(error).replace(str(path), own)
        raise _refused("export-damaged", target, own, said) from error
    path.unlink()


def _files(base: Path, target: str) -> Iterator[Path]:
    """Yield the files below a folder in the order of their names, each after a look at every step to it."""
    todo = [base]
    while todo:
        path = todo.pop()
        own = str(path.relative_to(base)) if path != base else "."
        kind = _kind(path)
        _require_name(own, target)
        if kind == stat.S_IFREG:
            yield path
        elif kind == stat.S_IFDIR:
            todo += sorted((path / name for name in os.listdir(path)), reverse=True)  # noqa: PTH208  (names only)
        else:
            raise _refused("export-special-file", target, own, f"{_shown(path)}, neither a file nor a folder")


def _shown(path: Path) -> str:
    kind = _kind(path)
    if kind == stat.S_IFLNK:
        return f"is a link to {str(path.readlink())!r}"
    return "is a file" if kind == stat.S_IFREG else "is a device, a named pipe or a socket"


def _require_name(own: str, target: str) -> None:
    """Refuse names that a line of SHA256SUMS, a manifest or a terminal cannot show as they are."""
    if not own.isprintable():  # not UTF-8 (surrogates), too
        raise _refused("export-bad-name", target, own, "has unprintable characters in its name")
    if len(own.encode()) > LONGEST:
        raise _refused("export-bad-name", target, own[:80] + "...", f"has a path of more than {LONGEST} bytes")


def _kind(path: Path) -> int | None:
    """Return what a path is, itself and not what it leads to; None if it is not there."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except FileNotFoundError:
        return None


def dropped(checkout: Path, target: str) -> tuple[Mapping[str, Any], ...]:
    """Return what a root leaves out, by pattern, as the build noted it. Raises `UserError` export-damaged."""
    found = _note(checkout, "dropped.json", target)
    if not all(isinstance(each, dict) for each in found):
        raise _refused("export-damaged", target, "notes/dropped.json", "is not a list of objects")
    return found


def warnings(checkout: Path, target: str) -> tuple[str, ...]:
    """Return what the build found missing in a root, and what images do not keep. Raises as `dropped` does."""
    if _kind(checkout / "notes") != stat.S_IFDIR:
        return ()
    names = sorted(os.listdir(checkout / "notes"))  # noqa: PTH208  (names only)
    found: list[str] = []
    for name in names:
        if name.startswith("warnings") and name.endswith(".json"):
            found += (each for each in _note(checkout, name, target))
            if not all(isinstance(each, str) for each in found):
                raise _refused("export-damaged", target, f"notes/{name}", "is not a list of strings")
    return tuple(found)


def take_inventory(checkout: Path, folder: Path, target: str) -> bool:
    """Move the list of a root's files to `folder`, if the build made one; say whether it did.

    Raises `UserError` export-special-file, export-damaged, OSError.
    """
    path = checkout / "notes" / INVENTORY
    if _kind(checkout / "notes") != stat.S_IFDIR or _kind(path) is None:
        return False
    if _kind(path) != stat.S_IFREG:
        raise _refused("export-special-file", target, f"notes/{INVENTORY}", "is not a regular file")
    if path.stat().st_size > MOST_INVENTORY:
        raise _refused("export-damaged", target, f"notes/{INVENTORY}", f"has more than {MOST_INVENTORY} bytes")
    shutil.move(path, folder / INVENTORY)
    return True


def _note(checkout: Path, name: str, target: str) -> tuple[Any, ...]:
    """Return the list that a note holds, nothing where there is none."""
    path = checkout / "notes" / name
    kinds = _kind(checkout / "notes"), _kind(path) if _kind(checkout / "notes") == stat.S_IFDIR else None
    if kinds[0] in (None, stat.S_IFREG) or (kinds[0] == stat.S_IFDIR and kinds[1] is None):
        return ()
    if kinds != (stat.S_IFDIR, stat.S_IFREG):
        raise _refused("export-special-file", target, f"notes/{name}", "is not a regular file")
    try:
        if path.stat().st_size > MOST_NOTES:
            raise _refused("export-damaged", target, f"notes/{name}", f"has more than {MOST_NOTES} bytes")
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _refused("export-damaged", target, f"notes/{name}", "is not JSON") from error
    if not isinstance(found, list):
        raise _refused("export-damaged", target, f"notes/{name}", "is not a list")
    return tuple(found)


def _refused(reason: str, target: str, own: str, what: str) -> UserError:
    return UserError(
        reason,
        f"the artifact of {target} cannot be exported: {own!r}: {what}",
        hint=f"The earlier contents of out/{target} are unchanged. Change the element that creates this file.",
    )
