"""Lay out a Debian source package: a program that the plugin starts, needing Python and, for patches, `patch`.

The same tree as `dpkg-source -x` makes: upstream's archive without its top folder, further archives in folders
of their own, Debian's folder and its series of patches.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rootstream.archives import chroot_paths, compression, tar_stream
from rootstream.archives.deb import check_hash
from rootstream.archives.tree import UnpackedTree
from rootstream.fetch.process import tail
from rootstream.formats.faults import Fault
from rootstream_bst.debian.merge import WORK

PATCH_TIMEOUT = 600  # seconds for one patch
MAX_DIFF = 1 << 30  # bytes of an unpacked diff
_TARGET = re.compile(rb"^(?:---|\+\+\+|rename (?:from|to)|copy (?:from|to)) ([^\t\n\r]+)", re.MULTILINE)
_DEPTH = re.compile(r"-p(\d)")


def _unpack(archive: Mapping[str, str], folder: Path) -> None:
    folder.mkdir()
    with Path(archive["path"]).open("rb") as file:
        blocks = compression.blocks(file.read, archive["suffix"])
        tar_stream.members(tar_stream.Stream(blocks), UnpackedTree(str(folder)).take)


def _place(archive: Mapping[str, str], work: Path, target: Path) -> None:
    """Unpack an archive, without the one folder that everything is in, as `target`."""
    _unpack(archive, work)
    entries = list(work.iterdir())
    top = entries[0] if len(entries) == 1 and _is_folder(entries[0]) else work
    target.mkdir(exist_ok=True)
    for entry in list(top.iterdir()):
        entry.rename(target / entry.name)
    shutil.rmtree(work)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_targets(root: Path, text: bytes, depth: int, name: str) -> None:
    """Refuse a patch for a file outside of the tree."""
    for match in _TARGET.finditer(text):
        target = match[1].split(b"\t")[0].strip().decode("utf-8", "surrogateescape")
        if target == "/dev/null":
            continue
        pieces = target.split("/")
        if target.startswith("/") or ".." in pieces:
            raise Fault("unsafe-patch", f"{name} is for {target}, outside of the tree")
        chroot_paths.on_disk(str(root), "/".join(pieces[depth:-1]))


def _patch(root: Path, text: bytes, depth: int, name: str) -> None:
    """Apply one patch with the host's `patch`, exactly (no fuzz), as dpkg-source does."""
    program = shutil.which("patch")
    if program is None:
        raise Fault("program-missing", "applying Debian's patches needs the program patch; install it")
    _check_targets(root, text, depth, name)
    argv = [program, f"-p{depth}", "-s", "-t", "-N", "-F0", "-E", "-u", "-r", "-", "--no-backup-if-mismatch"]
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PATCH_GET": "0"}
    done = subprocess.run(
        argv, cwd=root, env=env, input=text, capture_output=True, timeout=PATCH_TIMEOUT, check=False
    )
    if done.returncode != 0:
        said = tail((done.stdout + done.stderr).decode("utf-8", "replace"))
        raise Fault("patch-failed", f"{name} does not apply", detail=said)


def series(text: str) -> tuple[tuple[str, int], ...]:
    """Return (name, leading folders to strip) of a quilt series; raises `Fault` unsafe-patch."""
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        depths = [match[1] for word in words[1:] if (match := _DEPTH.fullmatch(word))]
        if words[0].startswith("/") or ".." in words[0].split("/"):
            raise Fault("unsafe-patch", f"the series names {words[0]}, outside of debian/patches")
        found.append((words[0], int(depths[0]) if depths else 1))
    return tuple(found)


def _apply_series(root: Path) -> None:
    folder = root / chroot_paths.on_disk(str(root), "debian/patches")
    for name in ("debian.series", "series"):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            break
    else:
        return
    for patch, depth in series(path.read_text(encoding="utf-8", errors="replace")):
        real = root / chroot_paths.on_disk(str(root), f"debian/patches/{patch}")
        if not real.is_file():
            raise Fault("patch-failed", f"the series names {patch}, which is not there")
        _patch(root, real.read_bytes(), depth, f"debian/patches/{patch}")


def _diff(archive: Mapping[str, str]) -> bytes:
    content = bytearray()
    with Path(archive["path"]).open("rb") as file:
        for block in compression.blocks(file.read, archive["suffix"]):
            content += block
            if len(content) > MAX_DIFF:
                raise Fault("unsafe-archive", f"the diff unpacks to more than {MAX_DIFF} bytes")
    return bytes(content)


def lay_out(root: Path, job: Mapping[str, Any]) -> None:
    """Make the tree in the empty folder `root`; raises `Fault`."""
    work = root / WORK
    _place(job["orig"], work, root)
    for component in job["components"]:
        target = root / component["component"]
        _remove(target)
        _place(component, work, target)
    if job["debian"]:
        _remove(root / "debian")
        _unpack(job["debian"], work)
        if _is_folder(work / "debian"):
            (work / "debian").rename(root / "debian")
        shutil.rmtree(work)
    if job["diff"]:
        _patch(root, _diff(job["diff"]), 1, "the package's diff")
    if job["debian"] or job["diff"]:
        _apply_series(root)


def main() -> int:
    """Do the job that is given as JSON on the standard input; a fault goes to stdout as JSON, status 2."""
    os.umask(0o022)
    job = json.load(sys.stdin)
    try:
        for archive in (job["orig"], *job["components"], job["debian"], job["diff"]):
            if archive:
                check_hash(Path(archive["path"]), archive["sha256"])
        lay_out(Path(job["root"]), job)
    except Fault as fault:
        json.dump({"reason": fault.reason, "message": fault.message, "detail": fault.detail}, sys.stdout)
        return 2
    except (OSError, subprocess.TimeoutExpired) as error:
        json.dump({"reason": "unpack-failed", "message": str(error)}, sys.stdout)
        return 2
    json.dump({}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
