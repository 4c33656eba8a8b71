"""What is in target/ after a build, and what someone has put there since: found, named and kept, never lost."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rootstream.buildroot.workspace import Workspace
from rootstream.project.lock import write_atomically

NOTE = "target.json"
SHOWN = 20
Stamp = list[int | str]


def folder(space: Workspace) -> Path:
    """Return Buildroot's target folder."""
    return space.output / "target"


def _walk(place: Path, prefix: str = "") -> Iterator[tuple[str, Stamp]]:
    with os.scandir(place) as entries:
        for entry in entries:
            name = prefix + entry.name
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                yield name, ["link", str(Path(entry.path).readlink())]
            elif stat.S_ISDIR(status.st_mode):
                yield from _walk(Path(entry.path), f"{name}/")
            else:
                yield name, [status.st_size, status.st_mtime_ns, status.st_mode]


def note(space: Workspace, by_hand: tuple[str, ...] = ()) -> None:
    """Remember what is in target/ now: the result of a build, and what of it was put there by hand."""
    place = folder(space)
    found = dict(_walk(place)) if place.is_dir() else {}
    hand = sorted({*by_hand, *_read(space)["by_hand"]} & found.keys())
    space.state.mkdir(parents=True, exist_ok=True)
    data = {"files": found, "by_hand": hand}
    write_atomically(space.state / NOTE, json.dumps(data).encode("utf-8", "surrogateescape"))


def forget(space: Workspace) -> None:
    """Forget what was in target/: it is being made again."""
    (space.state / NOTE).unlink(missing_ok=True)


def _read(space: Workspace) -> dict[str, Any]:
    try:
        data = json.loads((space.state / NOTE).read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        data = None
    return (
        data if isinstance(data, dict) and {"files", "by_hand"} <= data.keys() else {"files": None, "by_hand": []}
    )


def strangers(space: Workspace) -> tuple[str, ...]:
    """Return the files of target/ that are new or changed since the last build, by their path in it."""
    known = _read(space)["files"]
    place = folder(space)
    if known is None or not place.is_dir():
        return ()
    return tuple(sorted(name for name, stamp in _walk(place) if known.get(name) != stamp))


def by_hand(space: Workspace) -> tuple[str, ...]:
    """Return all files of target/ that were put there by hand, before or since the last build."""
    there = (name for name in _read(space)["by_hand"] if os.path.lexists(folder(space) / name))
    return tuple(sorted({*strangers(space), *there}))


def keep(space: Workspace, names: tuple[str, ...]) -> Path | None:
    """Copy files of target/ to a place where nothing deletes them; return it."""
    if not names:
        return None
    kept = space.folder / "found" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for name in names:
        source, place = folder(space) / name, kept / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            place.unlink(missing_ok=True)
            place.symlink_to(source.readlink())
        elif source.is_file():
            shutil.copy2(source, place)
    return kept


def message(space: Workspace, names: tuple[str, ...]) -> str:
    """Return what to tell the user about files that were put into target/ by hand."""
    shown = ", ".join(f"/{name}" for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"{space.described.target}: changed by hand in {folder(space)}: {shown}{more}. They will be in the "
        "next image, but are lost when target/ is recreated. Use an overlay, or `packages:`, to keep them."
    )
