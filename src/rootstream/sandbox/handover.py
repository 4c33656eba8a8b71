"""What a plan hands to a program in the sandbox: frozen dataclasses, as JSON.

The description was validated when it was read; here only the form is compared, which tells a file of another
version of Rootstream. Fields that have their default are left out, so that a new one changes no old cache key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rootstream.sandbox.program import Mistake

Data = TypeVar("Data")
FORMAT = 1


def dump(data: Any) -> bytes:  # noqa: ANN401  (a dataclass)
    """Return the file for a program that `load` reads: the same bytes for the same data."""
    return (json.dumps({"format": FORMAT, **_fields_of(data)}, indent=1, sort_keys=True) + "\n").encode()


def load(kind: type[Data], path: Path) -> Data:
    """Return what `dump` wrote. Raises `Mistake` for anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Mistake(f"{path}: not readable JSON: {error}") from error
    if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
        raise Mistake(f"{path}: was not written by this version of Rootstream; expected format {FORMAT}")
    return data_of(kind, value)


def data_of(kind: type[Data], value: object) -> Data:
    """Return a dataclass from its fields as JSON has them. Raises `Mistake` naming the first that does not fit."""
    made: Data = _read(kind, value, kind.__name__)
    return made


def _fields_of(data: Any) -> dict[str, object]:  # noqa: ANN401
    found = {each.name: (each, getattr(data, each.name)) for each in fields(data)}
    return {name: _plain(value) for name, (each, value) in found.items() if value != _default(each)}


def _default(each: Field[Any]) -> object:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _fields_of(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _read(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401  (whatever the annotation says)
    if get_origin(hint) in (Union, UnionType):
        options = get_args(hint)
        if value is None and NoneType in options:
            return None
        hint = next((each for each in options if type(value) is each), options[0])
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _record(hint, value, where)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_read(get_args(hint)[0], each, f"{where}[{number}]") for number, each in enumerate(value))
    if get_origin(hint) is Mapping and isinstance(value, dict):
        return {key: _read(get_args(hint)[1], each, f"{where}.{key}") for key, each in value.items()}
    if hint is bytes and isinstance(value, str):
        return base64.b64decode(value)
    if (value not in get_args(hint)) if get_origin(hint) is Literal else (type(value) is not hint):
        raise Mistake(f"{where}: {value!r} is not what this version of Rootstream writes")
    return value


def _record(kind: Any, value: dict[str, object], where: str) -> Any:  # noqa: ANN401
    hints = get_type_hints(kind)
    needed = {each.name for each in fields(kind) if each.default is each.default_factory is MISSING}
    if not needed <= value.keys() <= hints.keys():
        wrong = sorted((needed - value.keys()) | (value.keys() - hints.keys()))
        raise Mistake(f"{where}: {', '.join(wrong)}: unknown or missing in what this version of Rootstream writes")
    return kind(**{name: _read(hints[name], each, f"{where}.{name}") for name, each in value.items()})
