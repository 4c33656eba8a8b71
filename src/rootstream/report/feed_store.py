"""Feeds that a project keeps, so that an audit can be repeated without them being given again.

`.rootstream/feeds/` holds files by their SHA-256, and a list of what each is called and when it came. A newer file
of the same kind and name takes the place of an older one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootstream.errors import UserError, Where
from rootstream.host import nofollow, temporary
from rootstream.project.project import Project, lock_file
from rootstream.report.feeds import MOST, FeedFile, FeedName
from rootstream.report.page import audits

FOLDER = "feeds"
INDEX = "index.json"
_MOST_INDEX = 1 << 20
_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DRAFT = re.compile(r"\.[0-9a-f]{64}\.new|\..+\.[0-9a-f]{8}")  # of a feed; of what `nofollow` writes
_Text = Annotated[str, Field(min_length=1, max_length=4096)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: _Text
    file: _Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    stored: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class _Index(BaseModel):
    feeds: Annotated[tuple[_Entry, ...], Field(max_length=1000)] = ()


@contextlib.contextmanager
def held(project: Project) -> Iterator[None]:
    """Have what audits store for one command at a time, without what killed ones have left there.

    Raises `UserError` cannot-write, and those of `nofollow`.
    """
    with lock_file(project.work / "locks" / "audit", project.folder) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for name in (FOLDER, audits.FOLDER):
            if nofollow.check(project.folder, project.work / name):
                temporary.sweep_files(project.work / name, _DRAFT)
        temporary.sweep(Path(tempfile.gettempdir()))
        yield


def kept(project: Project) -> tuple[FeedFile, ...]:
    """Return the feeds that a project has. Raises `UserError` bad-feed-store, and those of `nofollow`."""
    return tuple(
        FeedFile(path=_folder(project) / each.sha256, name=each.file, stored=each.stored)
        for each in _index(project).feeds
        if nofollow.check(project.folder, _folder(project) / each.sha256)
    )


def require_whole(files: Sequence[FeedFile], names: Sequence[FeedName]) -> None:
    """Compare what was read of stored feeds with their hashes. Raises `UserError` bad-feed-store."""
    for file, name in zip(files, names, strict=True):
        if file.stored is not None and file.path.name != name.sha256:
            raise _fault(file.path, f"is not what was stored as {file.name}: its SHA-256 is {name.sha256}")


def keep(project: Project, paths: Sequence[Path], names: Sequence[FeedName], today: str) -> None:
    """Store feeds that were read from files, instead of older ones of their kind and name.

    Raises `UserError` feed-changed for a file that is no longer what was read, bad-feed-store, and those of
    `nofollow`.
    """
    entries = {(each.kind, each.file): each for each in _index(project).feeds}
    for path, name in zip(paths, names, strict=True):
        known = entries.get((name.kind, name.file))
        if (
            known is None
            or known.sha256 != name.sha256
            or not nofollow.check(project.folder, _place(project, known))
        ):
            _copy(project, path, name.sha256)
            entries[name.kind, name.file] = _Entry(
                kind=name.kind, file=name.file, sha256=name.sha256, stored=today
            )
    index = _Index(feeds=tuple(entries.values()))
    content = json.dumps(index.model_dump(), indent=1).encode() + b"\n"
    nofollow.write(project.folder, _folder(project) / INDEX, content)
    _drop(project, {each.sha256 for each in entries.values()})


def _folder(project: Project) -> Path:
    return project.work / FOLDER


def _place(project: Project, entry: _Entry) -> Path:
    return _folder(project) / entry.sha256


def _index(project: Project) -> _Index:
    path = _folder(project) / INDEX
    try:
        return _Index.model_validate_json(nofollow.read_bytes(project.folder, path, most=_MOST_INDEX))
    except FileNotFoundError:
        return _Index()
    except ValidationError as error:
        raise _fault(path, "is not a list of feeds") from error


def _copy(project: Project, path: Path, sha256: str) -> None:
    """Copy a file under its hash, whole or not at all."""
    draft = _folder(project) / f".{sha256}.new"
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with path.open("rb") as source, os.fdopen(nofollow.open_file(project.folder, draft, flags), "wb") as copy:
        done = 0
        while (data := source.read(_CHUNK)) and done <= MOST:
            digest.update(data)
            done += copy.write(data)
    if digest.hexdigest() != sha256:
        nofollow.remove(project.folder, draft)
        raise UserError(
            "feed-changed",
            "has changed while it was read",
            where=Where(path=path),
            hint="Run the command again once its download has ended.",
        )
    draft.replace(draft.with_name(sha256))


def _drop(project: Project, wanted: set[str]) -> None:
    """Delete files that are no longer listed."""
    for each in _folder(project).iterdir():
        name = each.name.removeprefix(".").removesuffix(".new")
        if _SHA256.fullmatch(name) and (name not in wanted or name != each.name):
            nofollow.remove(project.folder, each)


def _fault(path: Path, message: str) -> UserError:
    hint = f"Delete the folder {path.parent}, and give the feeds again: `--feed FILE`."
    return UserError("bad-feed-store", message, where=Where(path=path), hint=hint)
