"""A Debian package set from the archive to an unpacked tree, our way and mmdebstrap's, in turns: seconds.

mmdebstrap runs with `--variant=extract`: resolve on an empty status, download, unpack, no maintainer scripts,
which is what the `debian_packages` source does. Needs mmdebstrap, apt and the host's mirror of Debian.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rootstream.fetch import download, mirrors
from rootstream.fetch.store import Store
from rootstream.fetch.transport import Transport
from rootstream.formats.faults import Fault
from rootstream_bst.debian import apt, unpack

BASE = """
gcc make bc flex bison libelf-dev libssl-dev perl cpio e2fsprogs dosfstools mtools syslinux syslinux-common
xz-utils zstd gzip bzip2 musl-tools linux-libc-dev rsync kmod fdisk util-linux bash coreutils sed grep gawk
findutils diffutils patch tar file python3 libc6-dev binutils busybox-static u-boot-tools dash base-files
base-passwd debianutils hostname libc-bin mawk login ncurses-bin ncurses-base sysvinit-utils perl-base pkgconf
m4
"""
ARCHITECTURE = "amd64"
BST_PROJECT = """\
name: bench
min-version: 2.5
plugins:
- origin: pip
  package-name: rootstream
  sources: [debian_packages]
"""
WHAT = """\
from nothing    indexes, resolving, downloading the packages, unpacking
packages there  indexes, resolving, unpacking; the packages are in our store, or linked into mmdebstrap's cache
bst, from lock  `bst source fetch` of a tracked element whose packages are in the store: start of bst, verifying,
                unpacking, import into BuildStream's store; mmdebstrap has no lock: its side is the row above
CPU is user and system time of all processes, but for BuildStream's server, which outlives them.
Ours verifies every package by SHA-256 and applies the fix-ups for a build sandbox; mmdebstrap keeps owners and
time stamps, and its own clean-up is skipped."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="trixie")
    parser.add_argument("--packages", nargs="+", default=BASE.split())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="where 3 GiB have room")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--ours", nargs=2, metavar=("STORE", "ROOT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        ours(options.suite, options.packages, *map(Path, options.ours))
        return 0
    if shutil.which("mmdebstrap") is None:
        print("mmdebstrap is not installed", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=options.work, prefix="package-set-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103, PTH101  (apt's download user reads in it)
        try:
            figures = measure(options, Path(folder))
        except Fault as fault:
            print(fault.message, file=sys.stderr)
            return 2
    report(figures, as_json=options.json)
    return 0


def archive(suite: str) -> apt.Archive:
    return apt.Archive(
        suites=(suite,),
        components=("main",),
        architecture=ARCHITECTURE,
        mirrors=mirrors.find([]),
        keyring=apt.keyring(""),
    )


def ours(suite: str, packages: list[str], folder: Path, root: Path) -> None:
    """Do what the source does when it tracks, fetches and stages."""
    store = Store(folder)
    where = archive(suite)
    with apt.opened(where) as opened:
        found = opened.resolve(packages, recommends=False)
    items = [package.item for package in found]
    download.fetch(
        items, mirrors.find([]), store, progress=lambda _: None, warn=lambda text: print(text, file=sys.stderr)
    )
    archives = [
        unpack.Archive(name=package.name, path=str(store.path(package.item)), sha256=package.item.sha256)
        for package in found
    ]
    root.mkdir()
    unpack.unpack(archives, str(root), jobs=min(len(os.sched_getaffinity(0)), 8), fix=True)


class Taken(NamedTuple):
    """Seconds by the clock, and of CPU."""

    wall: float
    cpu: float


class Bench:
    """Both sides with their folders."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.suite, self.packages, self.folder = options.suite, options.packages, folder
        self.store, self.cache, self.debs = folder / "store", folder / "cache", folder / "debs"
        with Transport() as web:
            self.mirror = mirrors.for_suite(self.suite, mirrors.find([]), web.exists).url

    def run(self, argv: list[str], **env: str) -> Taken:
        """Run a side to its end and return what it took."""
        began, before = time.monotonic(), os.times()
        done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Fault("side-failed", f"{argv[0]} failed:\n{done.stderr[-2000:]}")
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Taken(time.monotonic() - began, cpu)

    def clear(self, *paths: Path) -> None:
        """Remove folders, and let the disk come to rest."""
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
        os.sync()

    def ours(self, *, there: bool) -> Taken:
        """Run our side in a process of its own."""
        self.clear(self.cache, self.folder / "ours", *(() if there else (self.store,)))
        argv = [
            sys.executable,
            __file__,
            "--suite",
            self.suite,
            "--ours",
            str(self.store),
            str(self.folder / "ours"),
        ]
        return self.run([*argv, "--packages", *self.packages], XDG_CACHE_HOME=str(self.cache))

    def theirs(self, *, there: bool) -> Taken:
        """Run mmdebstrap, and keep its packages for the next time."""
        root = self.folder / "theirs"
        self.clear(root)
        mode = "root" if os.geteuid() == 0 else "unshare"
        argv = [
            "mmdebstrap",
            f"--mode={mode}",
            "--variant=extract",
            "--skip=cleanup",
            f"--architectures={ARCHITECTURE}",
        ]
        if there:
            hook = f'mkdir -p "$1/var/cache/apt/archives"; cp -l "{self.debs}"/*.deb "$1/var/cache/apt/archives"'
            argv.append(f"--setup-hook={hook}")
        argv += [f"--include={','.join(self.packages)}", self.suite, str(root), self.mirror]
        taken = self.run(argv)
        if not there:
            self.clear(self.debs)
            shutil.copytree(
                root / "var/cache/apt/archives", self.debs, ignore=shutil.ignore_patterns("partial", "lock")
            )
        return taken

    def prepare_bst(self) -> None:
        """Make a project, track and fetch."""
        project = self.folder / "project"
        project.mkdir()
        (project / "project.conf").write_text(BST_PROJECT)
        (project / "set.bst").write_text(
            f"kind: import\nsources:\n- kind: debian_packages\n  suites: [{self.suite}]\n"
            f"  architecture: {ARCHITECTURE}\n  packages: [{', '.join(self.packages)}]\n"
        )
        self._bst("track")
        self._bst("fetch")

    def _bst(self, verb: str) -> Taken:
        argv = [sys.executable, "-m", "buildstream", "--no-interactive", "-C", str(self.folder / "project")]
        return self.run([*argv, "source", verb, "set.bst"], XDG_CACHE_HOME=str(self.folder / "bst"))

    def bst(self) -> Taken:
        """Fetch through bst with nothing but the packages there."""
        kept = self.folder / "bst/buildstream/sources"
        self.clear(*(path for path in kept.parent.iterdir() if path != kept))
        return self._bst("fetch")

    def same_set(self) -> int:
        """Return the number of packages; raises `Fault` when the two sides took different ones."""
        theirs = len(list((self.folder / "theirs/var/cache/apt/archives").glob("*.deb")))
        stored = sum(1 for path in self.store.rglob("*") if path.is_file())
        if theirs != stored:
            raise Fault("different-sets", f"ours took {stored} packages, mmdebstrap {theirs}")
        return stored


def measure(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    bench = Bench(options, folder)
    bench.prepare_bst()
    rows: dict[str, tuple[Callable[[], Taken], Callable[[], Taken]]] = {
        "from nothing": (lambda: bench.ours(there=False), lambda: bench.theirs(there=False)),
        "packages there": (lambda: bench.ours(there=True), lambda: bench.theirs(there=True)),
    }
    taken: dict[str, tuple[list[Taken], list[Taken]]] = {name: ([], []) for name in rows}
    through_bst: list[Taken] = []
    for _ in range(options.rounds):
        for name, (one, other) in rows.items():
            taken[name][0].append(one())
            taken[name][1].append(other())
            bench.same_set()
        through_bst.append(bench.bst())
    taken["bst, from lock"] = (through_bst, taken["packages there"][1])
    figures = {
        name: {
            "ours": statistics.median(one.wall for one in left),
            "ours_cpu": statistics.median(one.cpu for one in left),
            "mmdebstrap": statistics.median(one.wall for one in right),
            "mmdebstrap_cpu": statistics.median(one.cpu for one in right),
        }
        for name, (left, right) in taken.items()
    }
    figures["set"] = {"packages": bench.same_set(), "rounds": options.rounds}
    return figures


def report(figures: dict[str, dict[str, float]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    size = figures.pop("set")
    print(f"{size['packages']:.0f} packages, seconds, medians of {size['rounds']:.0f} rounds")
    print(f"\n{'':<16}{'ours':>8}{'CPU':>8}{'mmdebstrap':>12}{'CPU':>8}{'ratio':>8}")
    for name, row in figures.items():
        sides = (
            f"{row['ours']:>8.1f}{row['ours_cpu']:>8.1f}{row['mmdebstrap']:>12.1f}{row['mmdebstrap_cpu']:>8.1f}"
        )
        print(f"{name:<16}{sides}{row['mmdebstrap'] / row['ours']:>7.1f}x")
    print(f"\n{WHAT}")


if __name__ == "__main__":
    sys.exit(main())
