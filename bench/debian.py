"""A Debian ramdisk of 14 packages, configured, compressed by zstd, in turns: ours, mmdebstrap's, mkosi's: seconds.

All begin with the packages downloaded. Ours unpacks, configures and packs them anew each time (another language
is asked for, which no package has), with its tools and kernel built before; the others use the host's tools.
mkosi is run from a checkout of its source (`--mkosi DIR`), as root or with user name spaces; for a changed overlay
also with `Incremental=yes`, where it keeps the tree with its packages installed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rootstream.fetch import mirrors
from rootstream.fetch.transport import Transport

SUITE = "trixie"
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
    "zstd",
)
SYSTEM = """\
systems:
  ramdisk:
    root: {{debian: {{suite: {suite}, packages: [{packages}], locales: [{language}]}}}}
    kernel: {{debian: {{package: linux-image-cloud-amd64, modules: []}}}}
    layers: [{{overlay: overlay}}]
    images: [{{initramfs: {{compression: zstd, level: 3}}}}]
"""
SOURCES = "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MKOSI = """\
[Distribution]
Distribution=debian
Release={suite}
Architecture=x86-64
[Output]
Format=cpio
CompressOutput=zstd
CompressLevel=3
[Content]
Bootable=no
WithDocs=no
WithRecommends=no
Packages={packages}
ExtraTrees=overlay
[Build]
SandboxTrees=sandbox
PackageCacheDirectory=cache
CacheDirectory=images
Incremental={incremental}
"""
MKOSIS = {"mkosi": "no", "mkosi-incremental": "yes"}


class Bench:
    """A folder for each way of making the ramdisk."""

    def __init__(self, folder: Path, mkosi: Path | None) -> None:
        self.folder, self.checkout = folder, mkosi
        with Transport() as web:
            self.mirror = mirrors.for_suite(SUITE, mirrors.find([]), web.exists).url
        self.new = not (folder / "ours").is_dir()
        if self.new:
            self._lay_out()

    def _lay_out(self) -> None:
        folder = self.folder
        for name in ("ours", *MKOSIS):
            (folder / name / "overlay" / "etc").mkdir(parents=True)
            self.change(name)
        self.describe("aa")
        for name, incremental in MKOSIS.items():
            place = folder / name
            text = MKOSI.format(suite=SUITE, packages=" ".join(PACKAGES), incremental=incremental)
            (place / "mkosi.conf").write_text(text)
            listing = place / "sandbox/etc/apt/sources.list.d/mkosi.sources"
            listing.parent.mkdir(parents=True)
            listing.write_text(SOURCES.format(mirror=self.mirror, suite=SUITE, keyring=KEYRING))
            for kept in ("cache", "images"):
                (place / kept).mkdir()

    def prepare(self) -> None:
        """Build everything once, so that all packages are downloaded."""
        self.ours()
        if shutil.which("mmdebstrap"):
            self.mmdebstrap(first=True)
        for name in MKOSIS if self.checkout else ():
            self.mkosi(name, first=True)

    def describe(self, language: str) -> None:
        """Write our description; another language makes everything be done again."""
        text = SYSTEM.format(suite=SUITE, packages=", ".join(PACKAGES), language=language)
        (self.folder / "ours" / "system.yaml").write_text(text)

    def change(self, name: str) -> None:
        """Change one file of an overlay."""
        (self.folder / name / "overlay" / "etc" / "motd").write_text(f"{random.random()}\n")  # noqa: S311

    def run(self, name: str, *argv: str, **env: str) -> float:
        """Run a program in a folder and return its seconds."""
        began = time.monotonic()
        done = subprocess.run(
            argv,
            cwd=self.folder / name,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(argv[:4])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return time.monotonic() - began

    def ours(self) -> float:
        """Build our ramdisk."""
        return self.run("ours", sys.executable, "-m", "rootstream", "build")

    def mkosi(self, name: str = "mkosi", *, first: bool = False) -> float:
        """Build mkosi's; the first time it fetches indexes and packages."""
        words = ["/usr/bin/python3", "-m", "mkosi", "--force"]
        words += [] if first else ["--cache-only=always"]
        return self.run(name, *words, "build", PYTHONPATH=str(self.checkout))

    def mmdebstrap(self, *, first: bool = False) -> float:
        """Make the same root by mmdebstrap, as a compressed tar; the first time its packages are kept."""
        debs = self.folder / "debs"
        words = ["mmdebstrap", "--variant=essential", f"--include={','.join(PACKAGES)}", "--architectures=amd64"]
        words += [f"--mode={'root' if os.geteuid() == 0 else 'unshare'}", "--aptopt=APT::Install-Recommends false"]
        words += ["--skip=download/empty", "--skip=essential/unlink"]
        words += ["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
        if first:
            debs.mkdir()
            words += [f'--customize-hook=cp "$1"/var/cache/apt/archives/*.deb {debs}', "--skip=cleanup/apt"]
        else:
            archives = '"$1/var/cache/apt/archives"'
            words.append(f"--setup-hook=mkdir -p {archives}; cp -l {debs}/*.deb {archives}")
        pack = f"{' '.join(map(_quoted, words))} {SUITE} - {self.mirror} | zstd -q -3 -T0 -f -o root.tar.zst"
        return self.run("mkosi", "bash", "-c", f"set -o pipefail; {pack}")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way, a list for its rounds; the first, which downloads, is not in them."""
    if bench.new:
        bench.prepare()
    ways = ["ours, from packages", "ours, overlay changed", "ours, nothing changed"]
    ways += ["mmdebstrap"] if shutil.which("mmdebstrap") else []
    if bench.checkout:
        ways += ["mkosi, from packages", "mkosi, overlay changed", "mkosi, overlay, incremental"]
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        bench.describe("".join(random.choices(string.ascii_lowercase, k=3)))  # noqa: S311
        taken["ours, from packages"].append(bench.ours())
        bench.change("ours")
        taken["ours, overlay changed"].append(bench.ours())
        taken["ours, nothing changed"].append(bench.ours())
        if "mmdebstrap" in taken:
            taken["mmdebstrap"].append(bench.mmdebstrap())
        if bench.checkout:
            taken["mkosi, from packages"].append(bench.mkosi())
            bench.change("mkosi")
            taken["mkosi, overlay changed"].append(bench.mkosi())
            bench.change("mkosi-incremental")
            taken["mkosi, overlay, incremental"].append(bench.mkosi("mkosi-incremental"))
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mkosi", type=Path, help="a checkout of mkosi's source")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="where 3 GiB have room")
    parser.add_argument("--keep", type=Path, help="a folder to use and leave there: the next run need not prepare")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="debian-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        os.chmod(folder, 0o755)  # noqa: S103, PTH101  (apt's download user reads in it)
        taken = measure(Bench(folder.resolve(), options.mkosi and options.mkosi.resolve()), options.rounds)
    if options.json:
        print(json.dumps(taken))
        return 0
    for way, seconds in taken.items() if options.rounds else ():
        print(f"{way:28} {statistics.median(seconds):7.1f} s   ({', '.join(f'{each:.1f}' for each in seconds)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
