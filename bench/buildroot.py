"""A Buildroot system built by Rootstream beside the same tree and configuration driven by plain make, in one run.

    ROOTSTREAM_BUILDROOT=TREE python bench/buildroot.py PROJECT [SYSTEM] [--cold] [--rounds N]

PROJECT is a folder with a system.yaml whose SYSTEM has `root: {buildroot: {tree: {local: TREE}}}`. Downloads are
there before anything is timed.

- cold (`--cold`): from an empty workspace to the images; in seconds, and in seconds of CPU, which other work
  disturbs less
- nothing to do: the build again, and `rootstream config check`
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot import confined
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.project.project import Project, find


@dataclass(frozen=True)
class Took:
    """How long a command took: seconds, and seconds of CPU with all that it started."""

    wall: float
    cpu: float


def timed(argv: tuple[str, ...], cwd: Path, env: dict[str, str]) -> Took:
    """Run a command and return how long it took."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(time.monotonic() - begun, cpu)


def rootstream(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "rootstream", *words)


def space_of(project: Project, system: str | None) -> Workspace:
    description = load(project.description)
    described = next(each for each in description.systems if system in (None, each.target))
    tree = Path(os.environ["ROOTSTREAM_BUILDROOT"])
    return workspace(project, described, tree)


def plain(space: Workspace, output: Path) -> tuple[str, ...]:
    """Return the command of a user who drives the same configuration by hand."""
    return tuple(f"O={output}" if word.startswith("O=") else word for word in confined.make(space))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("system", nargs="?")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not os.environ.get("ROOTSTREAM_BUILDROOT"):
        sys.exit("set ROOTSTREAM_BUILDROOT to the Buildroot tree that the system names")
    project = find(options.project)
    space = space_of(project, options.system)
    target = space.described.target
    # What a user has who did nothing else: the first build makes downloads and configuration.
    timed(rootstream("build", target), project.folder, dict(os.environ))
    with tempfile.TemporaryDirectory(prefix="bench-buildroot-") as scratch:
        output = Path(scratch) / "output"
        output.mkdir()
        shutil.copy(space.config, output / ".config")
        env = space.environment()
        if options.cold:
            shutil.rmtree(space.output)
            shutil.rmtree(space.state)
            shutil.rmtree(project.out(target))
            ours = timed(rootstream("build", target), project.folder, dict(os.environ))
            theirs = timed(plain(space, output), project.folder, env)
            for what, one, other in (("s", ours.wall, theirs.wall), ("s of CPU", ours.cpu, theirs.cpu)):
                print(
                    f"cold: rootstream {one:.1f} {what}, make {other:.1f} {what}: {one / other:.3f} x", flush=True
                )
        else:
            timed(plain(space, output), project.folder, env)
        nothing, check, make = [], [], []
        for _ in range(options.rounds):
            nothing.append(timed(rootstream("build", target), project.folder, dict(os.environ)).wall)
            check.append(timed(rootstream("config", "check", target), project.folder, dict(os.environ)).wall)
            make.append(timed(plain(space, output), project.folder, env).wall)
        one, other = statistics.median(nothing), statistics.median(make)
        print(f"nothing to do: rootstream {one:.2f} s, make {other:.2f} s: {other / one:.1f} x faster")
        print(f"config check: {statistics.median(check):.2f} s")


if __name__ == "__main__":
    main()
