"""A Buildroot system built package by package (`graph: true`) beside plain make with the same configuration.

    ROOTSTREAM_BUILDROOT=TREE python bench/buildroot_graph.py PROJECT SYSTEM --overlay FILE [--rounds N]

PROJECT is a folder with a system.yaml whose SYSTEM has `root: {buildroot: {tree: {local: TREE}, graph: true}}`,
FILE a file of an overlay in it. Everything happens in copies of project and tree. Downloads, and the base that
packages are built in, are there before anything is timed. Make runs on the host, as a user would, without ccache.

- everything: all packages and the images
- nothing: the build again
- overlay: after a change of FILE
- fresh clone: another folder with the same cache, beside everything by make
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from buildroot import plain, rootstream, space_of, timed

from rootstream.buildroot.workspace import Workspace
from rootstream.project.project import find

LEFT_OUT = shutil.ignore_patterns("out", ".rootstream", ".git")


def copied(project: Path, place: Path, tree: tuple[str, str], *, graph: bool) -> Path:
    """Return a copy of a project, built package by package or in a workspace, with another tree."""
    shutil.copytree(project, place, symlinks=True, ignore=LEFT_OUT)
    text = (place / "system.yaml").read_text().replace(*tree)
    (place / "system.yaml").write_text(text if graph else text.replace("graph: true", "graph: false"))
    return place


def prepared(workspace: Path, system: str, scratch: Path) -> tuple[Workspace, Path]:
    """Return a configured workspace and a folder for make, with the same configuration."""
    timed(rootstream("fetch", system), workspace, dict(os.environ))
    space = space_of(find(workspace), system)
    output = scratch / "output"
    output.mkdir()
    shutil.copy(space.config, output / ".config")
    return space, output


def told(what: str, ours: float, theirs: float) -> None:
    """Print two times and their ratio."""
    print(f"{what}: by packages {ours:.1f} s, by make {theirs:.1f} s: {theirs / ours:.2f} x", flush=True)


def changed(files: tuple[Path, ...], rounds: int, command: Callable[[], float]) -> float:
    """Return the median of how long a command takes after a change of files."""
    times = []
    for number in range(rounds):
        for file in files:
            with file.open("a") as end:
                end.write(f"{number}\n")
        times.append(command())
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("system")
    parser.add_argument("--overlay", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not os.environ.get("ROOTSTREAM_BUILDROOT"):
        sys.exit("set ROOTSTREAM_BUILDROOT to the Buildroot tree that the system names")
    original, project, system = os.environ["ROOTSTREAM_BUILDROOT"], options.project.resolve(), options.system
    inside = options.overlay.resolve().relative_to(project)
    with tempfile.TemporaryDirectory(prefix="bench-graph-") as name:
        scratch = Path(name)
        tree = scratch / "tree"
        shutil.copytree(original, tree, symlinks=True, ignore=LEFT_OUT)
        os.environ["ROOTSTREAM_BUILDROOT"] = str(tree)
        env = dict(os.environ)
        ours = copied(project, scratch / "ours", (original, str(tree)), graph=True)
        theirs = copied(project, scratch / "theirs", (original, str(tree)), graph=False)
        space, output = prepared(theirs, system, scratch)
        # fetches, and builds the base; then nothing of it is in the cache any more but that
        timed(rootstream("build", system), ours, env)
        with (tree / "package" / "Makefile.in").open("a") as file:
            file.write(f"# {name}\n")

        def by_packages(folder: Path = ours) -> float:
            return float(timed(rootstream("build", system), folder, env).wall)

        def by_make() -> float:
            return float(timed(plain(space, output), theirs, space.environment()).wall)

        everything = by_make()
        told("everything", by_packages(), everything)
        nothing = [(by_packages(), by_make()) for _ in range(options.rounds)]
        told("nothing", *(statistics.median(each) for each in zip(*nothing, strict=True)))
        files = (ours / inside, theirs / inside)
        told(
            "overlay",
            changed(files, options.rounds, by_packages),
            changed(files, options.rounds, by_make),
        )
        clone = scratch / "clone"
        shutil.copytree(ours, clone, symlinks=True, ignore=LEFT_OUT)
        told("fresh clone", by_packages(clone), everything)


if __name__ == "__main__":
    main()
