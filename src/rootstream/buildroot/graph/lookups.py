"""Files that packages look for without naming them: noted when a package is built, and staged from then on.

A file that is not in a package's sandbox does not exist for it. Where its rules or programs look for one that
exists outside, in the tree or in the project, they would give another result there: `-include`, `[ -f FILE ]`.
Folders do not count: make opens those that it looks for files in, and a package has only those with files for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rootstream.archives import digests
from rootstream.buildroot.graph.places import EXTERNAL, OUTSIDE, PROJECT, TREE, SandboxPlaces
from rootstream.buildroot.workspace import Workspace
from rootstream.project.lock import write_atomically

NOTE, LAST = "looked-for.json", "looked-for-last.json"
# What is never in a sandbox: history, results, what an older build has left in the tree.
_NEVER = frozenset((".git", ".svn", ".hg", ".gitignore", "__pycache__", ".rootstream"))
_NEVER_AT_TOP = frozenset(("out", "output", "dl", ".config", ".config.old", "Config.in", "Config.in.legacy"))


def there(space: Workspace, places: SandboxPlaces, missed: Mapping[str, list[str]]) -> dict[str, tuple[Path, ...]]:
    """Return which of the paths of the sandbox that packages looked for in vain exist here."""
    found = {name: tuple(_existing(space, places, paths)) for name, paths in missed.items()}
    return {name: paths for name, paths in found.items() if paths}


def _existing(space: Workspace, places: SandboxPlaces, paths: list[str]) -> Iterator[Path]:
    tops = (space.tree, space.project, *space.externals)
    for path in paths:
        if not path.startswith((f"{TREE}/", f"{EXTERNAL}/", f"{PROJECT}/", f"{OUTSIDE}/")):
            continue
        here = Path(places.here(path))
        top = next((each for each in tops if here.is_relative_to(each)), here.parent)
        parts = here.relative_to(top).parts
        wanted = _NEVER.isdisjoint(parts) and not _NEVER_AT_TOP.intersection(parts[:1])
        if wanted and os.path.lexists(here) and not here.is_dir():
            yield here


def known(space: Workspace) -> dict[str, tuple[Path, ...]]:
    """Return the files that packages were found to look for, as far as they exist; of the images by no name."""
    try:
        data = json.loads((space.state / NOTE).read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return {}
    found = {name: tuple(Path(each) for each in paths if os.path.lexists(each)) for name, paths in data.items()}
    return {name: paths for name, paths in found.items() if paths}


def keep(space: Workspace, found: Mapping[str, tuple[Path, ...]]) -> list[tuple[str, Path]]:
    """Note what packages look for; return what is new, by package."""
    before = known(space)
    new = [(name, path) for name, paths in found.items() for path in paths if path not in before.get(name, ())]
    if new:
        names = before.keys() | found.keys()
        every = {name: sorted({*map(str, before.get(name, ())), *map(str, found.get(name, ()))}) for name in names}
        write_atomically(space.state / NOTE, json.dumps(every).encode("utf-8", "surrogateescape"))
    return new


def finish(space: Workspace, places: SandboxPlaces, missed: Mapping[str, list[str]]) -> None:
    """Note what a build has looked for: files that are not there, and what is in the others."""
    looked = {places.here(path) for paths in missed.values() for path in paths}
    data = {"missing": sorted(path for path in looked if not os.path.lexists(path)), "digest": _digest(space)}
    write_atomically(space.state / LAST, json.dumps(data).encode("utf-8", "surrogateescape"))


def is_as_before(space: Workspace) -> bool:
    """Say whether all that the last build looked for without naming it is as it was."""
    try:
        data = json.loads((space.state / LAST).read_text("utf-8", "surrogateescape"))
        appeared = any(os.path.lexists(path) for path in data["missing"])
        return not appeared and data["digest"] == _digest(space)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(space: Workspace) -> str:
    return digests.digest(sorted({path for paths in known(space).values() for path in paths}))
