"""Linux from every kind of source that a description knows, each built with a release of its own and booted."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import verified
from tests.trees import git, repository, tarball, unpacked

SYSTEM = """\
systems:
  box:
    root: busybox
    kernel: {{source: {source}, base: {base}}}
    layers: [{{root_login: {{password: empty}}}}]
    images: [kernel, initramfs]
    checks:
      - login: {{user: root}}
      - command: uname -r
        output: ^[0-9.]+{release}$
"""


@pytest.fixture
def archive(built: Path, tmp_path: Path) -> Path:
    """The tarball that examples/hello compiles its kernel from."""
    return tarball(built, "linux", tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def name_release(tree: Path, name: str) -> None:
    makefile = tree / "Makefile"
    text = makefile.read_text()
    assert "\nEXTRAVERSION =\n" in text
    makefile.write_text(text.replace("\nEXTRAVERSION =\n", f"\nEXTRAVERSION = {name}\n"))


def booted(project: Path, source: str, release: str, base: str = "tinyconfig") -> None:
    (project / "system.yaml").write_text(SYSTEM.format(source=source, release=release, base=base))
    rootstream("build", cwd=project, check=True)
    verified(project, "box")


def test_a_tarball(archive: Path, project: Path) -> None:
    booted(project, f'{{tar: {{url: "file://{archive}"}}}}', "")


def test_a_branch_of_a_repository(archive: Path, project: Path, tmp_path: Path) -> None:
    tree = unpacked(archive, tmp_path / "repository")
    name_release(tree, "-git")
    commit = repository(tree)
    # A later commit, on another branch, is not what is asked for.
    git(tree, "checkout", "--quiet", "-b", "other")
    (tree / "Makefile").unlink()
    git(tree, "commit", "--quiet", "-am", "two")
    booted(project, f'{{git: {{url: "file://{tree}", track: main}}}}', "-git")
    assert commit in (project / "system.lock").read_text()


def test_a_folder_of_the_project(archive: Path, project: Path, tmp_path: Path) -> None:
    tree = unpacked(archive, tmp_path / "unpacked")
    name_release(tree, "-folder")
    tree.rename(project / "linux")
    booted(project, "{local: linux}", "-folder")
