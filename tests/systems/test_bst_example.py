"""examples/bst-image: a plain BuildStream project, by `bst` as its README says, and by Rootstream's verbs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.bstexample import TARGET, bst, copied
from tests.conftest import Command


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("bst"))


def test_by_bst_and_its_own_script(project: Path, tmp_path: Path) -> None:
    bst(project, tmp_path, "build", TARGET)
    bst(project, tmp_path, "artifact", "checkout", TARGET, "--directory", str(tmp_path / "image"))
    image = tmp_path / "image" / "sda.img"
    before = image.stat().st_mtime_ns
    with subprocess.Popen(
        ["./run-in-qemu.sh"],
        cwd=tmp_path / "image",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as qemu:
        assert qemu.stdout
        assert qemu.stdin
        seen = b""
        while b"Hello World!" not in seen and (chunk := os.read(qemu.stdout.fileno(), 4096)):
            seen += chunk
        qemu.stdin.write(b"\x01x")
        qemu.stdin.flush()
        qemu.communicate(timeout=60)
    assert b"Hello World!" in seen
    assert image.stat().st_mtime_ns == before


def test_by_rootstream(project: Path, run: Command) -> None:
    run("build", TARGET, cwd=project, check=True)
    assert (project / "out" / "image-x86_64" / "SHA256SUMS").exists()
    done = run("verify", TARGET, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("build", cwd=project)
    assert (done.returncode, "image-x86_64.bst" in done.stderr) == (2, True)
