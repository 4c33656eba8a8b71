"""One lock gives the same bytes elsewhere: everything of examples/hello is compiled twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.conftest import Command

NAMES = ("hello", "hello@uefi", "hello@live")


def sums(folder: Path) -> str:
    return (folder / "SHA256SUMS").read_text()


def test_one_lock_gives_the_same_bytes_elsewhere(built: Path, hello: Path, run: Command, tmp_path: Path) -> None:
    """Build everything again: other folder, cold cache, other umask, time zone and locale."""
    (hello / "overlay" / "usr" / "bin" / "hello").touch()
    previous = os.umask(0o077)
    try:
        environment = {"ROOTSTREAM_CACHE": str(tmp_path / "cache"), "TZ": "Asia/Tokyo", "LANG": "C", "LC_ALL": "C"}
        run("build", *NAMES, cwd=hello, env=environment, check=True)
    finally:
        os.umask(previous)
    run("build", *NAMES, cwd=built, check=True)
    for name in NAMES:
        assert sums(hello / "out" / name) == sums(built / "out" / name)
        manifests = [(folder / "out" / name / "manifest.json").read_text() for folder in (built, hello)]
        assert manifests[0] == manifests[1]
    shutil.rmtree(tmp_path / "cache")
