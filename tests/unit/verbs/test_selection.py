"""What the command line changes of a description for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.roots import FromBuildroot
from rootstream.errors import UserError
from rootstream.project import project as projects
from rootstream.verbs import selection

BOX = """\
systems:
  box:
    root:
      buildroot:
        tree: {local: tree}
        override: {busybox: mine}
    images: [files]
  other:
    root: {busybox: {}}
    kernel: {}
    images: [initramfs]
"""


def overridden(folder: Path, *given: str, text: str = BOX) -> dict[str, str]:
    """Return the folders that packages of the first system are built from."""
    (folder / "project").mkdir()
    (folder / "project" / "tree").mkdir()
    (folder / "project" / "system.yaml").write_text(text)
    project = projects.find(folder / "project")
    found = selection.overridden(project, given, folder)
    root = found.read().systems[0].system.root
    assert isinstance(root, FromBuildroot)
    before = project.read().systems[0].system.root
    assert isinstance(before, FromBuildroot)
    assert before.buildroot.override == {"busybox": "mine"}
    return dict(root.buildroot.override)


def test_packages_are_built_from_folders_for_once(tmp_path: Path) -> None:
    found = overridden(tmp_path, "zlib=../zlib", "host-m4=/src/m4")
    assert found == {"busybox": "mine", "zlib": f"{tmp_path}/../zlib", "host-m4": "/src/m4"}


def test_a_folder_for_once_goes_before_that_of_the_description(tmp_path: Path) -> None:
    assert overridden(tmp_path, "busybox=another") == {"busybox": f"{tmp_path}/another"}


@pytest.mark.parametrize(
    "given", ["busybox", "busybox=", "=folder", "Busy Box=folder", "$(shell id)=folder", "a=x\ny"]
)
def test_what_is_no_package_and_folder(tmp_path: Path, given: str) -> None:
    with pytest.raises(UserError, match="--override") as caught:
        overridden(tmp_path, given)
    assert caught.value.reason == "bad-override"


def test_nothing_is_built_by_buildroot(tmp_path: Path) -> None:
    text = "systems: {other: {root: {busybox: {}}, kernel: {}, images: [initramfs]}}\n"
    with pytest.raises(UserError, match="no system of this project is built by Buildroot"):
        overridden(tmp_path, "busybox=folder", text=text)
