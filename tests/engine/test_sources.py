"""BusyBox and musl from every kind of source that a description knows: Git, a tarball, a folder of the project."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.conftest import Command, extracted

from rootstream.engine import Engine
from rootstream.engine.settings import configuration, settings_from

pytestmark = pytest.mark.engine

SYSTEM = """\
systems:
  own:
    root:
      busybox:
        source: {source}
        libc_source: {libc}
    images: [tar]
"""


def tarball(built: Path, kind: str, folder: Path) -> Path:
    """Return the tarball that an element of a built project is compiled from."""
    plan = built / ".rootstream" / "plan"
    states = Engine.of(os.environ).show(plan, ("system-hello.bst",))
    name = next(state.name for state in states if state.name.startswith(f"{kind}-"))
    conf = folder / "buildstream.conf"
    conf.write_text(configuration(settings_from(os.environ), mark=None))
    words = ["source", "checkout", "--deps", "none", "--directory", str(folder / kind), name]
    argv = [sys.executable, "-m", "buildstream", "--config", str(conf), "--no-interactive", *words]
    subprocess.run(argv, cwd=plan, check=True, capture_output=True)
    return next((folder / kind).rglob("source.tar"))


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        extracted(packed, folder)
    (top,) = folder.iterdir()
    return top


def git(folder: Path, *words: str) -> str:
    given = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(argv, cwd=folder, env=given, check=True, capture_output=True, text=True).stdout.strip()


def programs(project: Path) -> set[str]:
    with tarfile.open(project / "out" / "own" / "rootfs.tar") as root:
        return {Path(name).name for name in root.getnames()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_git_and_a_tarball(built: Path, project: Path, tmp_path: Path, run: Command) -> None:
    repository = unpacked(tarball(built, "busybox", tmp_path), tmp_path / "repository")
    git(repository, "init", "--quiet", "--initial-branch", "main")
    git(repository, "add", "--force", ".")
    git(repository, "commit", "--quiet", "-m", "one")
    commit = git(repository, "rev-parse", "HEAD")
    musl = tarball(built, "musl", tmp_path)
    text = SYSTEM.format(
        source=f'{{git: {{url: "file://{repository}", track: main}}}}', libc=f'{{tar: {{url: "file://{musl}"}}}}'
    )
    (project / "system.yaml").write_text(text)
    run("build", cwd=project, check=True)
    assert "busybox" in programs(project)
    assert commit in (project / "system.lock").read_text()
    first = (project / "out" / "own" / "SHA256SUMS").read_text()
    # The lock holds the commit: what is pushed later has no part in a build until `update`.
    (repository / "README").write_text("changed\n")
    git(repository, "commit", "--quiet", "-am", "two")
    run("build", cwd=project, check=True)
    assert (project / "out" / "own" / "SHA256SUMS").read_text() == first
    run("update", cwd=project, check=True)
    assert commit not in (project / "system.lock").read_text()


def test_a_folder_of_the_project(built: Path, project: Path, tmp_path: Path, run: Command) -> None:
    source = unpacked(tarball(built, "busybox", tmp_path), tmp_path / "unpacked")
    source.rename(project / "busybox")
    (project / "system.yaml").write_text(SYSTEM.format(source="{local: busybox}", libc="debian"))
    run("build", cwd=project, check=True)
    assert "busybox" in programs(project)
