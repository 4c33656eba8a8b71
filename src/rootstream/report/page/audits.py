"""The last audit of a system, kept for its page: a page is about a build, an audit about a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project import manifest
from rootstream.project.project import Project

FOLDER = "audits"
_MOST_BYTES = 256 << 20
_Text = Annotated[str, Field(max_length=65_536)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Feed(_Part):
    kind: _Text
    file: _Text
    sha256: _Text
    newest: _Text | None = None


class _Decision(_Part):
    status: _Text = ""
    reason: _Text
    author: _Text
    date: _Text = ""
    until: _Text | None = None


class _Found(_Part):
    id: _Text
    component: _Text
    version: _Text | None = None
    severity: _Text
    exploited: bool
    fixed: _Text | None = None
    because: _Text
    decision: _Decision | None = None
    exception: _Decision | None = None
    fails: bool


class _Doubt(_Part):
    component: _Text
    reason: _Text


class _Audit(_Part):
    date: _Text
    feeds: Annotated[tuple[_Feed, ...], Field(max_length=1000)]
    vulnerabilities: Annotated[tuple[_Found, ...], Field(max_length=1_000_000)]
    not_certain: Annotated[tuple[_Doubt, ...], Field(max_length=1_000_000)]


class _Kept(_Part):
    manifest: _Text
    audit: _Audit


def keep(project: Project, target: str, found: Mapping[str, Any]) -> None:
    """Keep the result of an audit (its JSON) for the page. Raises those of `nofollow`."""
    kept = {"manifest": _mark(project.out(target)), "audit": found}
    nofollow.write(project.folder, _path(project, target), json.dumps(kept).encode() + b"\n")


def data(project: Project, target: str) -> dict[str, Any] | None:
    """Return the last audit of a system, None if there was none. Raises `UserError` bad-audit."""
    path = _path(project, target)
    try:
        kept = _Kept.model_validate_json(nofollow.read_bytes(project.folder, path, most=_MOST_BYTES))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        message = f"is no result of an audit: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError("bad-audit", message[:300], where=Where(path=path), hint="Audit again.") from error
    stale = None
    if kept.manifest != _mark(project.out(target)):
        stale = f"This audit is of an earlier build. Audit this one: rootstream audit {target}"
    return {**kept.audit.model_dump(), "stale": stale}


def _path(project: Project, target: str) -> Path:
    return project.work / FOLDER / f"{target}.json"


def _mark(folder: Path) -> str:
    path = folder / manifest.NAME
    return hashlib.sha256(nofollow.read_bytes(folder.parent, path, most=manifest.MOST)).hexdigest()
