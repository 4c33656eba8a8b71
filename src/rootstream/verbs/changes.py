"""What decides a result, part by part, as digests: noted at an export, and compared to say why a build is due."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstream.description.files import paths_of
from rootstream.description.model import Debian, Described
from rootstream.errors import UserError
from rootstream.plan.inputs import DERIVED, VCS
from rootstream.project import lock, manifest

SHOWN = 8
# Words of a system that decide nothing of what is built.
_BESIDE = ("description", "machine", "checks")


def noted(described: Described, debian: Debian, folder: Path, versions: Iterable[str]) -> dict[str, str]:
    """Return a digest for every option and file of a system and for the versions of the tools, by its name."""
    system = described.system.model_dump(mode="json", exclude=set(_BESIDE), exclude_unset=True)
    found = {f"option {name}": _digest(json.dumps(value)) for name, value in _options("", system)}
    found["option debian"] = _digest(json.dumps(debian.model_dump(mode="json")))
    for path in paths_of(described.system):
        found |= {f"file {name}": value for name, value in _files(folder, Path(os.path.normpath(path)))}
    found["the version of Rootstream or BuildStream"] = _digest("\0".join(versions))
    return found


def _digest(content: str | bytes) -> str:
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:16]


def _options(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  (JSON)
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _options(f"{prefix}.{name}" if prefix else name, inner)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        # Kinds of layers and images are named, so that one more of them moves no other.
        seen = Counter[str]()
        for inner in value:
            kind = next(iter(inner)) if isinstance(inner, dict) and len(inner) == 1 else ""
            name, content = (f"{prefix}.{kind}", inner[kind]) if kind else (prefix, inner)
            number = f"[{seen[kind]}]" if seen[kind] or not kind else ""
            seen[kind] += 1
            yield from _options(f"{name}{number}", content)
    else:
        yield prefix, value


def _files(folder: Path, path: Path) -> Iterator[tuple[str, str]]:
    place = folder / path
    if place.is_symlink():
        yield str(path), _digest(str(place.readlink()))
    elif place.is_dir():
        for inner in sorted(each.name for each in place.iterdir()):
            if inner not in VCS and not (path == Path() and inner in DERIVED):
                yield from _files(folder, path / inner)
    elif place.is_file():
        with place.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        yield str(path), _digest(f"{place.stat().st_mode & 0o111 != 0} {content}")


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of what differs, each with what happened to it."""
    return tuple(
        f"{name} {'is new' if name not in before else 'was removed' if name not in after else 'changed'}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def of_inputs(exported: Path, inputs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what differs between the inputs that an export's manifest names and those that would be used now."""
    try:
        before = _inputs(manifest.read(exported).data["inputs"])
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return ()
    return lock.changes(before, _inputs(inputs))


def _inputs(found: Iterable[Mapping[str, Any]]) -> lock.Lock:
    entries = ((json.dumps(each["source"], sort_keys=True, separators=(",", ":")), each["ref"]) for each in found)
    return lock.Lock(refs=dict(entries))


def some(names: Iterable[str]) -> str:
    """Return the first of some names, and how many more there are."""
    every = tuple(names)
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more} more" if more > 0 else "")
