"""An output folder of Buildroot, kept on disk, that gets what packages have installed in builds of their own.

    python3 -m rootstream.sandbox.buildroot.filling BUILT OUTPUT PACKAGES [--unpack NAME ...]

BUILT has a folder for each package with the result of its element (additions.py). PACKAGES is a JSON file: the key
of each element and its build folder, in the order they are built in. What the folder got from an element with that
key before is left as it is, with what make has done to it since; the rest is replaced, and what has no package any
more is deleted. The build folder of a package to `--unpack` is deleted, once, since only stamps are in it: make
then unpacks and compiles its source, and installs it over what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from rootstream.sandbox.buildroot import additions
from rootstream.sandbox.program import run_main

STATE = ".rootstream.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that is filled in: the key of its element, and its build folder below the output folder."""

    key: str
    build: str


@dataclass(slots=True, kw_only=True)
class State:
    """What an output folder has got: by path the key of the element that it is from, and by name the packages.

    `unpacked` has the key of those whose build folder is make's since then.
    """

    files: dict[str, str] = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)
    unpacked: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> State:
        """Return what was noted, or that there is nothing."""
        if not path.is_file():
            return cls()
        told = json.loads(path.read_text())
        packages = {name: Package(**each) for name, each in told.pop("packages").items()}
        return cls(packages=packages, **told)

    def write(self, path: Path) -> None:
        """Note it, whole or not at all."""
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(path)


def fill(built: Path, output: Path, packages: Mapping[str, Package], unpack: Collection[str] = ()) -> None:
    """Bring an output folder in step with what packages have installed."""
    note = output / STATE
    before = State.read(note)
    source = {path: name for name in packages for path in _files(built / name)}  # the last one wins, as with make
    wanted = {path: packages[name].key for path, name in source.items()}
    same = {path: key for path, key in before.files.items() if wanted.get(path) == key}
    kept = {name: each for name, each in before.packages.items() if packages.get(name) == each}
    unpacked = {name: key for name, key in before.unpacked.items() if name in kept}
    State(files=same, packages=kept, unpacked=unpacked).write(note)  # the rest is in doubt from here on
    for name in before.packages.keys() - kept.keys():
        _delete(output, before.packages[name].build)
    for path in before.files.keys() - wanted.keys():
        _remove(output, path)
    for path in wanted.keys() - same.keys():
        _copy(built / source[path], output, path)
    for name in packages:
        for path in _empty_folders(built / name):
            (output / path).mkdir(parents=True, exist_ok=True)
    additions.put_back(output)
    for name in unpack:
        if name in packages and unpacked.get(name) != packages[name].key:
            _delete(output, packages[name].build)
            unpacked[name] = packages[name].key
    State(files=wanted, packages=dict(packages), unpacked=unpacked).write(note)


def _files(top: Path) -> Iterator[str]:
    return (path for path, status in additions.walk(top) if not stat.S_ISDIR(status.st_mode))


def _empty_folders(top: Path) -> Iterator[str]:
    return (
        path
        for path, status in additions.walk(top)
        if stat.S_ISDIR(status.st_mode) and not any((top / path).iterdir())
    )


def _delete(output: Path, build: str) -> None:
    """Delete a build folder."""
    if build.startswith("build/"):
        shutil.rmtree(output / build, ignore_errors=True)


def _remove(output: Path, path: str) -> None:
    (output / path).unlink(missing_ok=True)
    for above in PurePosixPath(path).parents:
        if len(above.parts) < 2 or not (output / above).is_dir() or any((output / above).iterdir()):  # noqa: PLR2004
            break
        (output / above).rmdir()


def _copy(built: Path, output: Path, path: str) -> None:
    place = output / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif os.path.lexists(place):  # a new file: make may have made hard links of the old one
        place.unlink()
    shutil.copy2(built / path, place, follow_symlinks=False)


def main(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    packages = {name: Package(**each) for name, each in json.loads(options.packages.read_text()).items()}
    fill(options.built, options.output, packages, options.unpack)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="filling")
    for name in ("built", "output", "packages"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--unpack", action="append", default=[])
    raise SystemExit(run_main(main, parser))
