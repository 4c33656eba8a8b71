"""What packages have installed, by the lists that Buildroot keeps of them in their build folders (pkg-generic.mk).

A list is what changed between a package's configuration and its installation. Buildroot overwrites it with nothing
when a package only installs again, so each is kept in a second file as soon as it is complete, and put back; also
in the files that Buildroot joins all lists in (`make graph-size` and scripts of boards read them).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rootstream.buildroot.workspace import Workspace

# How the names of Buildroot's lists end, by the folder that they are about.
PLACES = {"target": "", "staging": "-staging", "host": "-host", "images": "-images"}
JOINED = ("target", "staging", "host")  # places whose lists Buildroot joins in its Makefile
SHARED = ("staging", "host")  # never emptied: a package that goes has to be taken out of them
# Indices that many packages write an entry into, and that no build reads.
_INDEX = re.compile(r"(^|/)(share/info/dir|perllocal\.pod|[^/]+\.pyc)$")

Claims = Mapping[str, Mapping[str, frozenset[str]]]


def folders(space: Workspace) -> Iterator[Path]:
    """Return the build folders of packages."""
    build = space.output / "build"
    return (each for each in sorted(build.iterdir()) if each.is_dir()) if build.is_dir() else iter(())


def _list(folder: Path, place: str) -> Path:
    return folder / f".files-list{PLACES[place]}.txt"


def _kept(folder: Path, place: str) -> Path:
    return folder / f".rootstream-files{PLACES[place]}.txt"


def _lines(path: Path) -> dict[str, str]:
    """Return the lines of a list by the path that each names."""
    try:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    return {line.partition(",")[2].removeprefix("./"): line for line in lines if "," in line}


def claims(space: Workspace) -> dict[str, dict[str, frozenset[str]]]:
    """Return, for each place, the paths that each build folder's package has installed there."""
    found: dict[str, dict[str, frozenset[str]]] = {place: {} for place in PLACES}
    for folder in folders(space):
        for place, own in found.items():
            paths = frozenset({*_lines(_list(folder, place)), *_lines(_kept(folder, place))})
            if paths:
                own[folder.name] = paths
    return found


def unknown(space: Workspace) -> frozenset[str]:
    """Return the build folders whose package has installed into host/ or staging/ and nobody knows what."""
    return frozenset(
        folder.name
        for folder in folders(space)
        if any((folder / f".stamp_{step}_installed").exists() for step in ("staging", "host"))
        and not any(_kept(folder, place).exists() or _lines(_list(folder, place)) for place in PLACES)
    )


def keep(space: Workspace) -> None:
    """Keep the lists of all packages that are installed, and put back those that were overwritten with nothing."""
    there = [folder for folder in folders(space) if _is_installed(folder)]
    windows = {folder: window for folder in there if (window := _window(folder))}
    for folder in there:
        begin, end = windows.get(folder, (0, 0))
        within = [each for each, (at, _) in windows.items() if begin < at < end]
        for place in PLACES:
            own, kept = _lines(_list(folder, place)), _lines(_kept(folder, place))
            if own.keys() - kept.keys():
                # what packages that were built meanwhile have installed is theirs
                others = {path for each in within for path in _lines(_list(each, place))}
                own = kept | {path: line for path, line in own.items() if path not in others}
            else:
                own = kept
            text = "".join(f"{line}\n" for line in own.values())
            for path in (_kept(folder, place), _list(folder, place)):
                _write(path, text)
    _join(space)


def _join(space: Workspace) -> None:
    """Write again what Buildroot has joined of the lists of all packages, in its order."""
    ordered = sorted(folders(space), key=lambda folder: f"{folder}/")
    for place in JOINED:
        joined = space.output / "build" / f"packages-file-list{PLACES[place]}.txt"
        if os.path.lexists(joined):  # a build that did not come to its end has none
            lines = (line for folder in ordered for line in _lines(_list(folder, place)).values())
            _write(joined, "".join(f"{line}\n" for line in lines))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text("utf-8", "surrogateescape") != text:
        path.unlink(missing_ok=True)  # never through a link of the package's
        path.write_text(text, "utf-8", "surrogateescape")


def _is_installed(folder: Path) -> bool:
    return (folder / ".stamp_installed").exists() or (folder / ".stamp_host_installed").exists()


def _window(folder: Path) -> tuple[int, int] | None:
    """Return when a package was configured and built: others come between where it was configured ahead."""
    try:
        configured, built = ((folder / f".stamp_{step}").stat().st_mtime_ns for step in ("configured", "built"))
    except OSError:
        return None
    return configured, built


def forget(folder: Path) -> None:
    """Forget what a package has installed: it was taken away, and is installed again after a configuration."""
    for place in PLACES:
        _list(folder, place).unlink(missing_ok=True)
        _kept(folder, place).unlink(missing_ok=True)


def sharing(found: Claims, going: Iterable[str]) -> dict[str, str]:
    """Return the build folders that must install again because files of theirs go with those of `going`.

    Each with the one that it shares a file with. Which of several packages wrote a file last decides its content:
    all that have written it install again, in the order of a build from clean. Pure.
    """
    owners: dict[tuple[str, str], set[str]] = {}
    for place in SHARED:
        for name, paths in found.get(place, {}).items():
            for path in paths:
                if not _INDEX.search(path):
                    owners.setdefault((place, path), set()).add(name)
    begin = set(going)
    again: dict[str, str] = {}
    waiting = sorted(begin)
    while waiting:
        name = waiting.pop(0)
        for place in SHARED:
            for path in found.get(place, {}).get(name, ()):
                for other in sorted(owners.get((place, path), set()) - begin - again.keys()):
                    again[other] = name
                    waiting.append(other)
    return again
