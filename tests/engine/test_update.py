"""Pinning the inputs of some systems of a project, where those of others cannot be reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Command

from rootstream.project.lock import Lock, read, write

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

    for verb in ("build", "fetch", "verify"):
        refused = run(verb, "--locked", "near@far", cwd=tmp_path)
        assert refused.returncode == 2
        assert "has no entry for git file:///nowhere/musl.git" in refused.stderr
    failed = run("build", "near@far", cwd=tmp_path)
    assert failed.returncode == 2
    assert "has no entry" not in failed.stderr
    failed = run("update", "--missing", "near@far", cwd=tmp_path)
    assert failed.returncode == 2
    assert (tmp_path / "system.lock").read_bytes() == before

    done = run("update", "--missing", "near", cwd=tmp_path, check=True)
    assert "up to date" in done.stdout + done.stderr


def test_what_the_lock_lacks_is_pinned_by_the_build_that_needs_it(
    tmp_path: Path, run: Command, lock: Path
) -> None:
    (tmp_path / "system.yaml").write_text(SYSTEMS)
    known = read(lock)
    assert known is not None
    sources = [request for request in known.refs if "busybox" in request]
    fewer = Lock(refs={request: ref for request, ref in known.refs.items() if request not in sources})
    write(fewer, tmp_path / "system.lock")
    before = (tmp_path / "system.lock").read_bytes()

    refused = run("build", "--locked", cwd=tmp_path)
    assert refused.returncode == 2
    assert "busybox" in refused.stderr
    assert (tmp_path / "system.lock").read_bytes() == before

    done = run("build", cwd=tmp_path, env={"CI": "true"}, check=True)
    assert "new: source package busybox" in done.stderr
    after = read(tmp_path / "system.lock")
    assert after is not None
    assert after.refs.keys() == known.refs.keys()
    assert {request: after.refs[request] for request in fewer.refs} == fewer.refs
