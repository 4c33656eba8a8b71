"""Where builds of packages find their inputs: the same paths on every machine, so that results can be shared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rootstream.buildroot.workspace import Workspace

ROOT = "/buildroot"
TREE = f"{ROOT}/tree"
EXTERNAL = f"{ROOT}/external"
OUTPUT = f"{ROOT}/output"
SOURCE = f"{ROOT}/source"
"""The element's own files: configuration, downloads."""
DOWNLOADS = f"{SOURCE}/dl"
PROJECT = f"{ROOT}/project"
OUTSIDE = f"{ROOT}/outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPlaces:
    """Folders of this machine and where they are in the sandbox."""

    pairs: tuple[tuple[str, str], ...]

    def inside(self, text: str) -> str:
        """Return a text with the paths of the sandbox for those of this machine."""
        return _replaced(text, dict(self.pairs))

    def here(self, text: str) -> str:
        """Return a text with the paths of this machine for those of the sandbox."""
        return _replaced(text, {there: here for here, there in self.pairs})


def of(space: Workspace, outside: Iterable[Path]) -> SandboxPlaces:
    """Return the places of a system; `outside` is what its configuration names beyond project and trees."""
    pairs = [(space.project, PROJECT)]
    for number, path in enumerate(space.externals):
        if path not in space.own_trees or not path.is_relative_to(space.project):
            pairs.append((space.original(path), f"{EXTERNAL}/{number}"))
    pairs += [(path, f"{OUTSIDE}/{number}/{path.name}") for number, path in enumerate(outside)]
    pairs += [(space.caches.downloads, DOWNLOADS), (space.tree, TREE), (space.original(space.output), OUTPUT)]
    return SandboxPlaces(pairs=tuple((str(here), there) for here, there in pairs))


def _replaced(text: str, pairs: dict[str, str]) -> str:
    """Replace paths, the longest first, as whole names: /srv/box is no part of /srv/boxes."""
    return _pattern(tuple(pairs)).sub(lambda match: pairs[match[1]], text)


@cache
def _pattern(paths: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(old) for old in sorted(paths, key=len, reverse=True))
    return re.compile(rf"({names})(?![\w.-])")
