"""BusyBox and musl from every kind of source that a description knows: Git, a tarball, a folder of the project."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tests.conftest import Command
from tests.trees import git, repository, tarball, unpacked

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


def programs(project: Path) -> set[str]:
    with tarfile.open(project / "out" / "own" / "rootfs.tar") as root:
        return {Path(name).name for name in root.getnames()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_git_and_a_tarball(built: Path, project: Path, tmp_path: Path, run: Command) -> None:
    tree = unpacked(tarball(built, "busybox", tmp_path), tmp_path / "repository")
    commit = repository(tree)
    musl = tarball(built, "musl", tmp_path)
    text = SYSTEM.format(
        source=f'{{git: {{url: "file://{tree}", track: main}}}}', libc=f'{{tar: {{url: "file://{musl}"}}}}'
    )
    (project / "system.yaml").write_text(text)
    run("build", cwd=project, check=True)
    assert "busybox" in programs(project)
    assert commit in (project / "system.lock").read_text()
    first = (project / "out" / "own" / "SHA256SUMS").read_text()
    # The lock holds the commit: what is pushed later has no part in a build until `update`.
    (tree / "README").write_text("changed\n")
    git(tree, "commit", "--quiet", "-am", "two")
    run("build", cwd=project, check=True)
    assert (project / "out" / "own" / "SHA256SUMS").read_text() == first
    passed_on = tmp_path / "sources"
    run("sources", str(passed_on), cwd=project, check=True)
    assert (passed_on / "trees" / "busybox" / "README").read_text() != "changed\n"  # the commit of the lock
    assert (passed_on / "trees" / "musl" / "configure").is_file()
    run("update", cwd=project, check=True)
    assert commit not in (project / "system.lock").read_text()


def test_a_folder_of_the_project(built: Path, project: Path, tmp_path: Path, run: Command) -> None:
    source = unpacked(tarball(built, "busybox", tmp_path), tmp_path / "unpacked")
    source.rename(project / "busybox")
    (project / "system.yaml").write_text(SYSTEM.format(source="{local: busybox}", libc="debian"))
    run("build", cwd=project, check=True)
    assert "busybox" in programs(project)
    run("sources", str(tmp_path / "sources"), cwd=project, check=True)
    there = tmp_path / "sources" / "trees" / "busybox"
    assert contents(there) == contents(project / "busybox")
