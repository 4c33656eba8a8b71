"""Pinning the inputs of some systems of a project, where those of others cannot be reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Command

pytestmark = pytest.mark.engine

SYSTEMS = """
systems:
  near:
    root: busybox
    images: [tar]
    variants:
      far:
        root: {busybox: {libc_source: {git: {url: "file:///nowhere/musl.git"}}}}
"""


def test_a_system_is_pinned_and_built_alone(tmp_path: Path, run: Command, built: Path) -> None:
    assert built.exists()
    (tmp_path / "system.yaml").write_text(SYSTEMS)
    run("build", cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "near" / "rootfs.tar").exists()
    assert not (tmp_path / "out" / "near@far").exists()
    before = (tmp_path / "system.lock").read_bytes()

    refused = run("build", "near@far", cwd=tmp_path)
    assert refused.returncode == 2
    assert "rootstream update --missing near@far" in refused.stderr

    failed = run("update", "--missing", "near@far", cwd=tmp_path)
    assert failed.returncode == 2
    assert (tmp_path / "system.lock").read_bytes() == before

    done = run("update", "--missing", "near", cwd=tmp_path, check=True)
    assert "up to date" in done.stdout + done.stderr
