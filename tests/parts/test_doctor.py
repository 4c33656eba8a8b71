"""What `doctor` asks the kernel, on a file system that starts no programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rootstream.verbs import doctor

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are root's")
def test_buildroot_wants_to_start_what_it_builds(tmp_path: Path) -> None:
    assert doctor.workspaces(EXAMPLES / "buildroot") == EXAMPLES / "buildroot/.rootstream"
    script = f"""
import sys
from pathlib import Path
from rootstream.verbs import doctor
print(doctor._executable(Path("{tmp_path}/.rootstream")).met)
"""
    mount = f"mount -t tmpfs -o noexec none {tmp_path} && exec {sys.executable} -c '{script}'"
    met = []
    for argv in (["sh", "-c", mount], [sys.executable, "-c", script]):
        done = subprocess.run(["unshare", "-m", *argv], stdout=subprocess.PIPE, check=True, text=True)
        met.append(done.stdout.strip())
    assert met == ["False", "True"]
