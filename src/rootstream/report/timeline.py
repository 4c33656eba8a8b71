"""The record of a system's last build: what was pulled, fetched and built, when, and what had to wait for what.

A record comes from the project's own folder of derived files, but is read like everything that a clone may bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project.project import Project

FORMAT = 1
FOLDER = "builds"
MOST = 100_000  # actions that are noted
_MOST_BYTES = 64 << 20
_Text = Annotated[str, Field(max_length=4096)]
_Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Action(BaseModel):
    """Something that was done with an element, from `begin` to `end` in seconds since the build began."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    element: _Text
    action: _Text
    begin: _Seconds
    end: _Seconds
    result: _Text


class Record(BaseModel):
    """A build: `began` in ISO 8601, `elements` with what each is built from (nothing, if that is not known)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1]
    system: _Text
    began: _Text
    elapsed: _Seconds
    elements: Annotated[dict[_Text, tuple[_Text, ...]], Field(max_length=MOST)]
    actions: Annotated[tuple[Action, ...], Field(max_length=MOST)]


def path_of(project: Project, target: str) -> Path:
    """Return where the record of a system's last build is."""
    return project.work / FOLDER / f"{target}.json"


def read(project: Project, target: str) -> Record | None:
    """Return the record of a system's last build, None if there is none. Raises `UserError` bad-record."""
    path = path_of(project, target)
    try:
        return Record.model_validate_json(nofollow.read_bytes(project.folder, path, most=_MOST_BYTES))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        message = f"is no record of a build: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        hint = "Delete it: the next build writes a new one."
        raise UserError("bad-record", message[:300], where=Where(path=path), hint=hint) from error


def critical_path(elements: Mapping[str, tuple[str, ...]], actions: tuple[Action, ...]) -> tuple[str, ...]:
    """Return the elements that the end of a build had to wait for, the first one first.

    It leads from the element that ended last to that of its dependencies which ended last, and so on.
    """
    ended: dict[str, float] = {}
    for each in actions:
        if each.action != "push":
            ended[each.element] = max(ended.get(each.element, 0.0), each.end)
    here = max(ended, key=lambda name: (ended[name], name), default=None)
    found: list[str] = []
    while here is not None and here not in found:
        found.append(here)
        waited = [name for name in elements.get(here, ()) if name in ended]
        here = max(waited, key=lambda name: (ended[name], name), default=None)
    return tuple(reversed(found))
