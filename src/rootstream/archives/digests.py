"""A digest of files and folders: their names, kinds, modes and contents."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

CHUNK = 1 << 20
IGNORED = frozenset({".git", ".svn", ".hg"})


def _itself(path: Path) -> Path:
    return path


def digest(paths: Iterable[Path], named: Callable[[Path], Path] = _itself) -> str:
    """Return what stands for the present content of files and folders; what is missing counts as that.

    Only the executable bit of a mode counts, as for Git. `named` gives the name under which a path counts.
    """
    state = hashlib.sha256()
    for path in paths:
        _add(state, path, str(named(path)))
    return state.hexdigest()


def _add(state: hashlib._Hash, path: Path, name: str) -> None:
    try:
        status = path.lstat() if path.is_symlink() else path.stat()
    except OSError:
        _note(state, "missing", name)
        return
    if stat.S_ISLNK(status.st_mode):
        _note(state, "link", name, str(path.readlink()))
    elif stat.S_ISDIR(status.st_mode):
        _note(state, "folder", name)
        for inner in sorted(each.name for each in path.iterdir()):
            if inner not in IGNORED:
                _add(state, path / inner, f"{name}/{inner}")
    elif stat.S_ISREG(status.st_mode):
        _note(state, "file", name, "x" if status.st_mode & 0o100 else "-", str(status.st_size))
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                state.update(chunk)
    else:
        _note(state, "special", name)


def _note(state: hashlib._Hash, *words: str) -> None:
    for word in words:
        data = os.fsencode(word)
        state.update(len(data).to_bytes(8, "big") + data)


def listing(folder: Path, note: Path, skip: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the digest of every file below a folder, by its path in it; `skip` are names at its top.

    What was read is noted in `note`: a file is read again only where its size, time, inode or mode changed.
    """
    known = _read_note(note)
    kept: dict[str, list[int | str]] = {}
    fresh = False
    for name, status in sorted(_walk(folder, "", skip)):
        stamp = [status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode]
        old = known.get(name)
        if old is not None and old[:4] == stamp:
            kept[name] = old
        else:
            kept[name], fresh = [*stamp, _file_digest(folder / name, status)], True
    if fresh or len(kept) != len(known):
        note.parent.mkdir(parents=True, exist_ok=True)
        new = note.with_name(f".{note.name}.{os.getpid()}")
        new.write_text(json.dumps(kept), "utf-8", "surrogateescape")
        new.replace(note)
    return {name: str(values[4]) for name, values in kept.items()}


def copied(folder: Path, to: Path, skip: tuple[str, ...] = ()) -> dict[str, str]:
    """Copy what `listing` lists into another folder and return the listing of that. Special files are left out."""
    for name, status in _walk(folder, "", skip):
        source, place = folder / name, to / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(status.st_mode):
            place.symlink_to(source.readlink())
        elif stat.S_ISREG(status.st_mode):
            shutil.copyfile(source, place, follow_symlinks=False)
            place.chmod(0o755 if status.st_mode & 0o100 else 0o644)
    return {name: _file_digest(to / name, status) for name, status in sorted(_walk(to, "", ()))}


def together(found: Mapping[str, str]) -> str:
    """Return one digest of a listing."""
    state = hashlib.sha256()
    for name, value in found.items():
        state.update(f"{name}\0{value}\n".encode("utf-8", "surrogateescape"))
    return state.hexdigest()


def _read_note(note: Path) -> dict[str, list[int | str]]:
    try:
        data = json.loads(note.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _walk(folder: Path, prefix: str, skip: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if name not in skip:
                    yield from _walk(Path(entry.path), f"{name}/", skip)
            elif not name.endswith(".pyc"):
                yield name, entry.stat(follow_symlinks=False)


def _file_digest(path: Path, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return f"link {path.readlink()}"
    if not stat.S_ISREG(status.st_mode):
        return "special"
    with path.open("rb") as file:
        return ("x" if status.st_mode & 0o100 else "-") + hashlib.file_digest(file, "sha256").hexdigest()
