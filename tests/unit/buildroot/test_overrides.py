"""Packages that are built from a folder of the user's: the setting, the wrong ones, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rootstream.buildroot import info, outside, overrides
from rootstream.buildroot.generate import translate
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.errors import UserError
from rootstream.events import Event
from rootstream.project.project import find

TEXT = """\
systems:
  box:
    root:
      buildroot:
        tree: {local: /nowhere}
        override: {busybox: ../mine}
    images: [files]
"""
PACKAGES = {
    "busybox": {"type": "target", "version": "custom", "stamp_dir": "build/busybox-custom"},
    "own": {"type": "target", "version": "1", "stamp_dir": "build/own-1"},
}


def made(tmp_path: Path, text: str = TEXT) -> Workspace:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "mine").mkdir()
    (project / "system.yaml").write_text(text)
    where = find(project)
    space = workspace(where, load(where.description).systems[0], tmp_path / "tree", {})
    space.state.mkdir(parents=True)
    variables = {
        "busybox": {"BUSYBOX_OVERRIDE_SRCDIR": f"{tmp_path}/mine", "BUSYBOX_SITE": "https://example.org"},
        "own": {"OWN_OVERRIDE_SRCDIR": "/src/own", "OWN_SITE": "/src/own", "OWN_SITE_METHOD": "local"},
        info.NO_PACKAGE: {},
    }
    kept = {"format": info.FORMAT, "key": "", "asked": "", "packages": PACKAGES, "variables": variables}
    (space.state / info.NOTE).write_text(json.dumps(kept))
    return space


def test_it_becomes_a_local_mk_that_buildroot_is_told_of(tmp_path: Path) -> None:
    space = made(tmp_path)
    generated = translate.generate(space.described, space.project, space.generated)
    content = generated.files[translate.OVERRIDES].content.decode()
    assert content == f"BUSYBOX_OVERRIDE_SRCDIR = {tmp_path}/mine\n"
    (setting,) = (each for each in generated.settings if each.symbol == translate.OVERRIDE_FILE)
    assert (setting.value, setting.line) == (f'"{space.generated}/overrides"', 3)
    space.output.mkdir(parents=True)
    space.config.write_text(f"{setting.symbol}={setting.value}\n")
    space.generated.mkdir(parents=True)
    (space.generated / translate.OVERRIDES).write_text(content)
    assert outside.named(space) == (tmp_path / "mine",)


def test_it_is_told_and_of_no_other_package(tmp_path: Path) -> None:
    told: list[Event] = []
    overrides.tell(made(tmp_path), told.append)
    assert [str(getattr(each, "text", "")) for each in told] == [
        "busybox is built from ../mine as it is, not from a release"
    ]


def test_a_folder_that_is_not_there_is_an_error_with_its_line(tmp_path: Path) -> None:
    space = made(tmp_path, TEXT.replace("../mine", "../missing"))
    with pytest.raises(UserError, match="there is no folder") as caught:
        translate.generate(space.described, space.project, space.generated)
    assert caught.value.where is not None
    assert caught.value.where.line == 3


def test_a_package_that_is_not_built_is_an_error_with_its_line(tmp_path: Path) -> None:
    space = made(tmp_path, TEXT.replace("busybox:", "busibox:"))
    with pytest.raises(UserError, match="names busibox, which this configuration does not build") as caught:
        overrides.tell(space, lambda _: None)
    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.reason) == (3, "no-package")


@pytest.mark.parametrize("value", ["$(CONFIG_DIR)/local.mk", "$(BASE_DIR)/local.mk"])
def test_where_local_mk_is_may_be_written_with_variables(box: Workspace, value: str) -> None:
    box.config.write_text(f'BR2_PACKAGE_OVERRIDE_FILE="{value}"\n')
    assert outside.override_file(box) == box.output / "local.mk"
    box.config.write_text('BR2_PACKAGE_OVERRIDE_FILE="board/local.mk"\n')
    assert outside.override_file(box) == box.tree / "board" / "local.mk"
    box.config.write_text('BR2_PACKAGE_OVERRIDE_FILE=""\n')
    assert outside.override_file(box) is None
