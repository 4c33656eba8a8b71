"""What keeps every build from working on a host is seen by building something, whatever forbids it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rootstream.engine import Engine, tryout

pytestmark = pytest.mark.engine

ASK = """
import json, os
from dataclasses import asdict
from rootstream.engine import Engine
from rootstream.engine.host_requirements import host_needs
engine = Engine.of(os.environ)
print(json.dumps([asdict(need) for need in host_needs(engine.settings, os.environ)]))
"""


def missing(*words: str) -> dict[str, str]:
    """Return what is required and missing on this host with less in it, by the words of bubblewrap."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("no bubblewrap here")
    frame = (bwrap, "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--die-with-parent")
    done = subprocess.run([*frame, *words, sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {need["name"]: need["found"] for need in found if not need["met"] and need["weight"] == "required"}


def test_something_is_built_here() -> None:
    engine = Engine.of(os.environ)
    assert tryout.fault(engine.settings, engine.env) is None


def test_a_container_without_fuse() -> None:
    found = missing("--dev", "/dev")
    assert found["/dev/fuse"] == "not there"
    assert found["a build"] == "cannot be tested: /dev/fuse"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has what is taken away here")
def test_a_container_that_may_not_mount() -> None:
    """Nothing that is looked at one by one is missing, or something is; that a build fails is said in any case."""
    assert "a build" in missing("--cap-drop", "ALL", "--bind", "/dev/null", "/usr/bin/fusermount3")


def test_a_host_that_cannot_be_written_to() -> None:
    assert "cache folder" in missing("--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108


def test_the_program_of_the_sandbox_ends_well(tmp_path: Path) -> None:
    program = tmp_path / "sh"
    program.write_bytes(tryout.program())
    program.chmod(0o755)
    assert subprocess.run([program], check=False).returncode == 0
