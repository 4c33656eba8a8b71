"""What is noted of a workspace before make runs: the keys of its packages, and what else decides its build."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rootstream.buildroot import confined, mounts
from rootstream.buildroot.build.keys import Key, KeyParts
from rootstream.buildroot.workspace import Workspace
from rootstream.project.lock import write_atomically

NOTE = "packages.json"
FORMAT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is read beside what the description names: paths, whether any file of the project; and digests."""

    paths: tuple[str, ...] = ()
    project: bool = False
    digest: str = ""
    files: str = ""


@dataclass(slots=True, kw_only=True)
class Known:
    """What was noted before the last make."""

    keys: dict[str, Key] = field(default_factory=dict)
    builds: dict[str, str] = field(default_factory=dict)
    inputs: str = ""
    outside: Outside = Outside()


def read(space: Workspace) -> Known | None:
    """Return what was noted before the last make, if anything was."""
    try:
        data = json.loads((space.state / NOTE).read_text("utf-8"))
        # what root has unpacked outside of the sandbox belongs to users that it does not have
        foreign = os.geteuid() == 0 and not data.get("confined") and not confined.is_off(space.env)
        if data["format"] != FORMAT or foreign:
            return None
        return Known(
            keys={
                name: Key(base=told["base"], kconfig=told["kconfig"], parts=_parts(told.get("parts", {})))
                for name, told in data["keys"].items()
            },
            builds=dict(data["builds"]),
            inputs=data["inputs"],
            outside=Outside(**{**data["outside"], "paths": tuple(data["outside"]["paths"])}),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def visible(space: Workspace) -> tuple[Path, ...]:
    """Return what rules of packages read outside of the project and may be shown, as noted for the last make."""
    known, home = read(space), Path(space.env.get("HOME") or Path.home())
    found = map(Path, known.outside.paths) if known else ()
    return tuple(path for path in found if mounts.is_allowed(path, home))


def _parts(told: Mapping[str, Any]) -> KeyParts:
    return KeyParts(**{**told, "dependencies": tuple(told.get("dependencies", ()))})


def write(space: Workspace, known: Known) -> None:
    """Note what everything is made from that is in the output folder from now on."""
    data = {
        "format": FORMAT,
        "confined": not confined.is_off(space.env),
        "keys": {name: asdict(key) for name, key in known.keys.items()},
        "builds": known.builds,
        "inputs": known.inputs,
        "outside": asdict(known.outside),
    }
    space.state.mkdir(parents=True, exist_ok=True)
    write_atomically(space.state / NOTE, json.dumps(data, indent=0).encode())
