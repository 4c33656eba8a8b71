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


def archived(path: Path) -> dict[str, bytes]:
    """Return the files of an archive without the folder that all are in, if there is one."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                found[member.name.removeprefix("./")] = file.read()
    tops = {name.partition("/")[0] for name in found}
    return {name.partition("/")[2]: content for name, content in found.items()} if len(tops) == 1 else found


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
    assert (passed_on / "trees" / "busybox" / "tree" / "README").read_text() != "changed\n"  # the lock's commit
    assert "configure" in archived(passed_on / "trees" / "musl" / "source.tar")
    run("update", cwd=project, check=True)
    assert commit not in (project / "system.lock").read_text()


def test_a_folder_of_the_project(built: Path, project: Path, tmp_path: Path, run: Command) -> None:
    source = unpacked(tarball(built, "busybox", tmp_path), tmp_path / "unpacked")
    source.rename(project / "busybox")
    (project / "system.yaml").write_text(SYSTEM.format(source="{local: busybox}", libc="debian"))
    run("build", cwd=project, check=True)
    assert "busybox" in programs(project)
    run("sources", str(tmp_path / "sources"), cwd=project, check=True)
    there = archived(tmp_path / "sources" / "trees" / "busybox" / "source.tar")
    assert len(there) > 500
    assert there == contents(project / "busybox")
