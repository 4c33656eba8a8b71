"""Byte code of the sandbox programs: it is found, and used without a look at the source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_programs_start_from_their_byte_code(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run([sys.executable, "-m", "rootstream.sandbox.bytecode"], env=env, check=False)
    assert made.returncode == 0
    names = {path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert {"argparse", "tarfile", "image", "assemble", "base_archive"} <= names
    argv = [sys.executable, "-v", "-m", "rootstream.sandbox.images.base_archive", "--help"]
    shown = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert f"code object from '{tmp_path}" in shown.stderr
    assert "usage: stem" in shown.stdout
