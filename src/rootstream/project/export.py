"""Finished images into `out/`: sparse, checksummed, described, and put in place all at once.

Whoever looks into `out/SYSTEM/` finds the old complete result or the new complete one, never a mixture.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rootstream import events
from rootstream.errors import UserError, Where
from rootstream.formats import units
from rootstream.host import nofollow, temporary
from rootstream.project import artifact, manifest
from rootstream.project.placeholders import Secret, mark
from rootstream.project.project import Project, read_state
from rootstream.project.secret_injection import fill

AT_FDCWD = -100
RENAME_EXCHANGE = 2
CHUNK = 1 << 20
DESCRIBING = (artifact.INVENTORY, "sbom.cdx.json")  # what an export may have beside its images


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the manifest says of a result beside its files, and the secrets to put into these so many `times`.

    `noted` is kept in the project, to say later what changed (changes.py). Of a result that is `private`, with
    secrets in it, only the owner may read the files.
    """

    target: str
    arch: str
    digest: str
    kinds: Mapping[str, str]
    inputs: tuple[Mapping[str, Any], ...]
    elements: tuple[Mapping[str, str], ...]
    version: str
    epoch: int | None = None
    dropped: tuple[Mapping[str, Any], ...] = ()
    secrets: tuple[Secret, ...] = ()
    times: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)
    private: bool = False
    contents: Mapping[str, Any] = field(default_factory=dict)
    describe: Callable[[Mapping[str, Any], Path | None], Mapping[str, bytes]] | None = None
    """Makes further files of the manifest and the list of the root's files, if there is one."""
    judge: Callable[[Path, Path | None], tuple[str, ...]] | None = None
    """Looks at the new files and the folder of the export before; gives warnings, or raises `UserError` to keep
    the latter."""

    @property
    def mark(self) -> str:
        """What stands for the result, secrets included; the manifest has `digest`, which tells nothing of them."""
        return mark(self.digest, self.secrets)


def checksums(paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of files, several at a time. An interruption ends it at once, however large they are."""
    stopped = threading.Event()
    with ThreadPoolExecutor() as pool:
        try:
            return list(pool.map(lambda path: checksum(path, stopped), paths))
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def checksum(path: Path, stopped: threading.Event | None = None) -> str:
    """Return the SHA-256 of a file; holes are not read. Once it is `stopped` the result is of no use."""
    state = hashlib.sha256()
    zeros = bytes(CHUNK)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size and not (stopped and stopped.is_set()):
            data = _next_data(file.fileno(), at, size)
            while at < data and not (stopped and stopped.is_set()):
                count = min(CHUNK, data - at)
                state.update(zeros if count == CHUNK else bytes(count))
                at += count
            if data <= at < size:
                file.seek(at)
                chunk = file.read(min(CHUNK, size - at))
                state.update(chunk)
                at += len(chunk)
    return state.hexdigest()


def _next_data(descriptor: int, at: int, size: int) -> int:
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else at


def stored(path: Path) -> int:
    """Return the bytes that a file occupies on the disk."""
    return path.stat().st_blocks * 512


def _manifest(folder: Path, sums: Mapping[str, str], facts: Facts) -> dict[str, Any]:
    files = [
        {
            "name": name,
            "kind": facts.kinds.get(name, "file"),
            "size": (folder / name).stat().st_size,
            "sha256": digest,
        }
        for name, digest in sums.items()
    ]
    data = {
        "version": 1,
        "system": facts.target,
        "arch": facts.arch,
        "rootstream": facts.version,
        "plan": facts.digest,
        "epoch": facts.epoch,
        "files": files,
        "elements": list(facts.elements),
        "inputs": list(facts.inputs),
        "dropped": list(facts.dropped) or None,
        "contents": dict(facts.contents) or None,
    }
    return {key: value for key, value in data.items() if value is not None}


def describe(folder: Path, names: Sequence[str], facts: Facts) -> None:
    """Write SHA256SUMS, manifest.json and what is made of it for the files of a folder."""
    sums = dict(zip(names, checksums([folder / name for name in names]), strict=True))
    data = _manifest(folder, sums, facts)
    (folder / manifest.NAME).write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    beside = [folder / artifact.INVENTORY] if (folder / artifact.INVENTORY).exists() else []
    for name, content in (facts.describe(data, beside[0] if beside else None) if facts.describe else {}).items():
        (folder / name).write_bytes(content)
        beside.append(folder / name)
    sums |= {path.name: digest for path, digest in zip(beside, checksums(beside), strict=True)}
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), "utf-8")


def exchange(new: Path, place: Path) -> None:
    """Put a folder in place of another in one step; afterwards `new` holds the old one, if there was one.

    Uses renameat2(2) with RENAME_EXCHANGE; a file system without it gets two renames.
    """
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        new.rename(place)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(place), RENAME_EXCHANGE)
    if done == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(code, os.strerror(code), str(place))
    aside = new.with_name(new.name + ".old")
    place.rename(aside)
    new.rename(place)
    aside.rename(new)


def results_folder(project: Project) -> Path:
    """Return the folder of all results, which is there. Raises `UserError` cannot-write, link-in-project."""
    if project.elsewhere is None:
        nofollow.make_folder(project.folder, project.results)
    else:
        project.elsewhere.mkdir(parents=True, exist_ok=True)
    return project.results


def export(project: Project, checkout: Path, facts: Facts, report: events.Reporter) -> Path:
    """Put the checked-out images of a target into out/. Raises `UserError` cannot-write, secret-not-placed."""
    place = project.out(facts.target)
    try:
        with temporary.folder(f".{facts.target}.", results_folder(project)) as scratch:
            new = scratch / "new"
            new.mkdir(mode=0o755)
            names = artifact.take(checkout, new, facts.target)
            artifact.take_inventory(checkout, new, facts.target)
            told = artifact.warnings(checkout, facts.target)
            for name, times in facts.times.items():
                fill(new / name, facts.secrets, times)
            describe(new, names, replace(facts, dropped=artifact.dropped(checkout, facts.target)))
            if facts.judge is not None:
                told = (*told, *facts.judge(new, place if place.is_dir() else None))
            if facts.private:
                close(new)
            exchange(new, place)
            _keep_previous(project, facts.target, new)
    except OSError as error:
        raise UserError(
            "cannot-write",
            f"the result could not be written: {error.strerror}",
            where=Where(path=place),
            hint="The earlier results are unchanged. Free disk space or fix the permissions, then build again.",
        ) from error
    remember(project, facts)
    for text in told:
        report(events.Notice(level="warning", text=f"{facts.target}: {text}"))
    for path in results(place):
        size = path.stat().st_size
        report(events.Exported(system=facts.target, path=path, size=size, stored=stored(path)))
    return place


def previous(project: Project, target: str) -> Path:
    """Return the folder that says what was in the export before the last one; it is not there before a second."""
    return project.work / "previous" / target


def _keep_previous(project: Project, target: str, old: Path) -> None:
    """Keep what an export that was replaced says of itself; one that is the same replaces nothing."""
    now = project.out(target) / manifest.NAME
    before = old / manifest.NAME
    if before.is_symlink() or not before.is_file() or before.read_bytes() == now.read_bytes():
        return
    place = previous(project, target)
    nofollow.remove(project.folder, place)
    nofollow.make_folder(project.folder, place)
    for name in (artifact.INVENTORY, manifest.NAME):
        if (old / name).is_file() and not (old / name).is_symlink():
            shutil.move(old / name, place / name)


def results(place: Path) -> tuple[Path, ...]:
    """Return the image files of an export, in the manifest's order.

    Raises `UserError` bad-manifest, not-ours, no-file, and FileNotFoundError without a manifest.
    """
    found = manifest.read(place)
    return tuple(found.path(entry) for entry in found.files)


def _fingerprint(place: Path) -> dict[str, list[int]]:
    names = [str(path.relative_to(place)) for path in results(place)] + ["SHA256SUMS", "manifest.json"]
    names += [name for name in DESCRIBING if nofollow.check(place.parent, place / name)]
    found = {}
    for name in names:
        status = (place / name).stat()
        found[name] = [status.st_size, status.st_mtime_ns, status.st_ino]
    return found


def close(folder: Path) -> None:
    """Let only the owner read a folder and the files below it. Raises `UserError` cannot-write."""
    try:
        _close(folder)
    except OSError as error:
        raise UserError("cannot-write", f"cannot be closed: {error.strerror}", where=Where(path=folder)) from error


def is_open(folder: Path) -> bool:
    """Say whether others than the owner may look into a folder."""
    return folder.stat().st_mode & 0o077 != 0


def _close(folder: Path) -> None:
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def remember(project: Project, facts: Facts) -> None:
    """Note what an export was made from, to find out later that there is nothing to do, or what changed."""
    state = {"digest": facts.mark, "files": _fingerprint(project.out(facts.target)), "noted": dict(facts.noted)}
    path = project.work / "state" / f"{facts.target}.json"
    mode = 0o600 if facts.private else 0o644  # digests of short secrets can be guessed from
    nofollow.write(project.folder, path, (json.dumps(state) + "\n").encode(), mode)


def forget(project: Project, target: str) -> None:
    """Take back what `remember` noted: the next build looks at everything again."""
    nofollow.remove(project.folder, project.work / "state" / f"{target}.json")


def is_current(project: Project, target: str, digest: str) -> bool:
    """Say whether out/ holds exactly what a plan with this digest gives, untouched since it was exported."""
    state = read_state(project, target)
    if state.get("digest") != digest:
        return False
    try:
        return state.get("files") == _fingerprint(project.out(target))
    except (UserError, OSError):
        return False


def line(path: Path, base: Path) -> str:
    """Return a line for people: the path from `base`, the size, and what the file occupies if that is less."""
    shown = path.relative_to(base) if path.is_relative_to(base) else path
    size = path.stat().st_size
    sparse = f", {units.size(stored(path))} on disk" if stored(path) < size * 0.9 else ""
    return f"{shown}  {units.size(size)}{sparse}"
