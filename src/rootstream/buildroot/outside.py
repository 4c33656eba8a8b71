"""What decides a build and is in neither the project nor Buildroot's trees: local.mk and the folders it names."""

from __future__ import annotations

import re
from pathlib import Path

from rootstream.buildroot import contents, keys
from rootstream.buildroot.workspace import Workspace
from rootstream.sandbox.kconfig_fragment import config_values

_OVERRIDE = re.compile(r"\s*[A-Z0-9_]+_OVERRIDE_SRCDIR\s*[:?]?=\s*(/\S+)\s*")


def outside(space: Workspace) -> tuple[Path, ...]:
    """Return what decides a build and is in neither the project nor its trees: local.mk and its folders."""
    values = config_values(space.config.read_text("utf-8", "surrogateescape"), "")
    named = values.get("BR2_PACKAGE_OVERRIDE_FILE", '""')[1:-1].replace(
        "$(CONFIG_DIR)", str(space.original(space.output))
    )
    found = [Path(named)] if named.startswith("/") else []
    if found and found[0].is_file():
        for line in found[0].read_text("utf-8", "replace").splitlines():
            match = _OVERRIDE.fullmatch(line)
            if match:
                found.append(Path(match[1]))
    return tuple(found)


def outside_digest(space: Workspace) -> str:
    """Return what stands for the present content of all that is outside."""
    found = outside(space) if space.config.is_file() else ()
    return keys.digest([digest_of(space, path) for path in found])


def digest_of(space: Workspace, path: Path) -> str:
    """Return what stands for a file, or for a folder, of which a note is kept: it may be a whole kernel."""
    if not path.is_dir():
        return contents.digest([path], space.original)
    note = space.state / "folders" / f"{keys.digest(str(space.original(path)))}.json"
    return contents.together(contents.listing(path, note, skip=(".git",)))
