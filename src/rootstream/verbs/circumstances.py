"""When an export was built, and from which commit of the project: noted in the project, never in the export.

An export has the same bytes whoever builds it, and whenever. `rootstream provenance` says what was noted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootstream.buildroot.sources import worktree
from rootstream.errors import UserError
from rootstream.events import Event, Exported, Reporter
from rootstream.host import nofollow
from rootstream.project import manifest
from rootstream.project.project import Project

MOST = 1 << 16  # bytes
_Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]


class Circumstances(BaseModel):
    """Of a build: begin and end (UTC), the commit, and whether all files of the project were as committed."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    manifest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    started: _Time
    finished: _Time
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")] | None = None
    clean: bool | None = None


def collecting(report: Reporter, exported: list[str]) -> Reporter:
    """Return a reporter that also collects the systems that are exported."""

    def tell(event: Event) -> None:
        if isinstance(event, Exported) and event.system not in exported:
            exported.append(event.system)
        report(event)

    return tell


def note(where: Project, targets: Iterable[str], began: float, ended: float, env: Mapping[str, str]) -> None:
    """Note the circumstances of exports that a build has just made; times are in seconds since 1970."""
    names = [*targets]
    try:
        head = worktree.head(where.folder, env) if names else None
    except UserError:  # a Git that does not answer: what is built is built
        head = None
    for target in names:
        found = Circumstances(
            manifest=_digest(where.out(target)),
            started=_time(began),
            finished=_time(ended),
            commit=head[0] if head else None,
            clean=head[1] if head else None,
        )
        nofollow.write(where.folder, _place(where, target), (found.model_dump_json() + "\n").encode())


def noted(where: Project, target: str) -> Circumstances | None:
    """Return what was noted of the export in out/; None for one that was built elsewhere, or before."""
    try:
        data = nofollow.read_bytes(where.folder, _place(where, target), most=MOST)
        found = Circumstances.model_validate_json(data)
    except (FileNotFoundError, ValidationError, json.JSONDecodeError):
        return None
    return found if found.manifest == _digest(where.out(target)) else None


def _place(where: Project, target: str) -> Path:
    return where.work / "state" / f"{target}.built.json"


def _digest(folder: Path) -> str:
    return hashlib.sha256(nofollow.read_bytes(folder.parent, folder / manifest.NAME)).hexdigest()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
