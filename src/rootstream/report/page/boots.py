"""Boots of a system as `rootstream verify` has written them down, read like all that an export may bring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootstream.errors import UserError, Where
from rootstream.host import nofollow

PLACE = ("verify", "boot.json")
_MOST_BYTES = 16 << 20
_Text = Annotated[str, Field(max_length=65_536)]
_Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Times(_Part):
    kernel: _Seconds = None
    init: _Seconds = None
    login: _Seconds = None
    up: _Seconds = None


class _Check(_Part):
    name: _Text
    passed: bool
    elapsed: _Seconds = None
    detail: _Text = ""


class _Boot(_Part):
    kind: _Text
    passed: bool
    fault: _Text | None = None
    accelerator: _Text | None = None
    times: _Times
    checks: Annotated[tuple[_Check, ...], Field(max_length=10_000)] = ()


class _Boots(_Part):
    boots: Annotated[tuple[_Boot, ...], Field(max_length=1000)]


def data(folder: Path) -> dict[str, Any] | None:
    """Return the boots of an export, None if there are none. Raises `UserError` bad-boots, those of `nofollow`."""
    path = folder.joinpath(*PLACE)
    try:
        found = _Boots.model_validate_json(nofollow.read_bytes(folder.parent, path, most=_MOST_BYTES))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        message = f"is not what `rootstream verify` writes: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError("bad-boots", message[:300], where=Where(path=path), hint="Verify again.") from error
    return found.model_dump()
