"""Projects for kills: small ones, on which every long command takes seconds, and what must be true of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.buildroot import smalltree, test_rebuild
from tests.hostbase import make_base

CONF = "name: faults\nmin-version: 2.4\nelement-path: elements\n"
MESSAGE = b"all is well\r\n"
# For a PC's BIOS: write a text to the first serial port, then halt.
#   xor ax,ax; mov ds,ax; mov si,0x7c16; mov dx,0x3f8; cld; next: lodsb; test al,al; jz end; out dx,al; jmp next
#   end: hlt; jmp end
SECTOR = bytes.fromhex("31c08ed8be167cbaf803fcac84c07403eeebf8f4ebfd") + MESSAGE
DESCRIBED = "systems:\n  small: {root: busybox, images: [tar]}\n"
PATIENCE = 600.0  # seconds for a command that is not killed
_DRAFT = re.compile(r"\..+\.[a-z0-9_]{8}")
_WORK = re.compile(r"(checkout|update|collect)-.*|\.new-.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A project, the environment of its commands and the folders that they may leave something in."""

    folder: Path
    cache: Path
    temporary: Path
    environment: Mapping[str, str]

    def argv(self, *words: str) -> list[str]:
        """Return the command line of rootstream."""
        return [sys.executable, "-m", "rootstream", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.argv(*words),
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def left(self) -> list[str]:
        """Name what commands that are gone have left: files, folders, mounts, records."""
        out, work = self.folder / "out", self.folder / ".rootstream"
        found = [path for path in _in(out) if _DRAFT.fullmatch(path.name)]
        found += [path for path in _in(work) if _WORK.fullmatch(path.name)]
        found += [path for path in (*_in(self.folder), *_in(work / "state")) if _DRAFT.fullmatch(path.name)]
        found += _in(self.temporary)
        found += [path for path in _in(self.cache / "rootstream-runs") if not path.name.startswith(".")]
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return [str(path) for path in found] + [line for line in mounts if f" {self.cache}/" in line]

    def state(self, target: str) -> str:
        """Return the content that a result holds (`absent` without one), after a look that it is whole."""
        place = self.folder / "out" / target
        if not place.exists():
            return "absent"
        lines = (place / "SHA256SUMS").read_text().splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        there = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
        there = {name for name in there if not name.startswith("verify/")}
        assert there == {*sums, "SHA256SUMS", "manifest.json"}, there
        for name, digest in sums.items():
            assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest, name
        listed = json.loads((place / "manifest.json").read_text())["files"]
        images = {each["name"]: each["sha256"] for each in listed}
        assert {"sbom.cdx.json"} <= sums.keys() - images.keys() <= {"inventory.jsonl", "sbom.cdx.json"}
        assert images.items() <= sums.items()
        return (place / "variant").read_text().strip()

    def vary(self, variant: str) -> None:
        """Change what is built."""
        (self.folder / "files" / "variant").write_text(f"{variant}\n")


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _scene(folder: Path, cache: Path) -> Scene:
    temporary = folder.with_name(f"{folder.name}-tmp")
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "ROOTSTREAM_CACHE": str(cache), "TERM": "dumb"}
    return Scene(folder=folder, cache=cache, temporary=temporary, environment=environment)


def plain(base: Path) -> Scene:
    """Return a plain project: an element that takes a while in a sandbox, a disk that a PC starts from."""
    folder = base / "plain"
    (folder / "elements").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "project.conf").write_text(CONF)
    make_base(folder / "base")
    elements = {
        "base": "kind: import\nsources: [{kind: local, path: base}]\n",
        "files": "kind: import\nsources: [{kind: local, path: files}]\n",
        "image": "kind: manual\nbuild-depends: [base.bst, files.bst]\nconfig:\n  install-commands:\n"
        "  - mkdir -p %{install-root}\n  - sleep 1\n  - cp /variant /disk.img %{install-root}/\n"
        'public:\n  rootstream: {arch: x86_64, checks: [{console: "all is well"}]}\n',
    }
    for name, text in elements.items():
        (folder / "elements" / f"{name}.bst").write_text(text)
    disk = (SECTOR.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0")
    (folder / "files" / "disk.img").write_bytes(disk)
    scene = _scene(folder, base / "cache")
    scene.vary("0")
    return scene


def described(base: Path) -> Scene:
    """Return a project whose inputs are pinned and fetched from the mirrors of this host."""
    folder = base / "described"
    folder.mkdir(parents=True)
    (folder / "system.yaml").write_text(DESCRIBED)
    return _scene(folder, base / "cache")


def graph(base: Path) -> Scene:
    """Return a system that Buildroot's packages are built for one by one; what varies is the source of one."""
    folder = base / "graph"
    folder.mkdir(parents=True)
    test_rebuild.project(folder, smalltree.make(base / "graph-tree"), smalltree.DEFCONFIG)
    package = folder / "external" / "package" / "variant"
    package.mkdir()
    (package / "Config.in").write_text(test_rebuild.CONFIG.format(name="VARIANT", lower="variant"))
    rules = test_rebuild.PACKAGE.format(name="VARIANT", version=1, lower="variant", needs="library")
    rules = rules.replace("package/variant/source", "../files").replace("$(@D)/text", "$(@D)/variant", 1)
    rules = rules.replace(
        "$(BINARIES_DIR)/variant", "$(BINARIES_DIR)/variant\n\tcp $(@D)/variant $(BINARIES_DIR)/variant"
    )
    (package / "variant.mk").write_text(rules)
    place = "$BR2_EXTERNAL_TESTS_PATH/package/variant/Config.in"
    test_rebuild.append(folder / "external" / "Config.in", f'source "{place}"\n')
    test_rebuild.append(folder / "box_defconfig", "BR2_PACKAGE_VARIANT=y\n")
    text = (folder / "system.yaml").read_text().replace("  box:", "  image:")
    text = text.replace("external:", "graph: true\n        external:")
    (folder / "system.yaml").write_text("debian: {packages: [fakeroot]}\n" + text)
    (folder / "files").mkdir()
    scene = _scene(folder, base / "graph-cache")
    scene.vary("0")
    done = scene.run("update", "--missing")
    assert done.returncode == 0, done.stderr
    return scene


def has_mirror() -> bool:
    """Say whether this host has package mirrors, which pinning needs."""
    if shutil.which("apt-get") is None:
        return False
    done = subprocess.run(["apt-cache", "policy", "busybox"], capture_output=True, text=True, check=False)
    return "Candidate:" in done.stdout
