"""Configurations of kernels and BusyBox from source: where a change belongs, and what a session is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rootstream.description.model import Described, Description, System
from rootstream.errors import UserError
from rootstream.events import ignore
from rootstream.plan import base, inputs, make, programs
from rootstream.plan.kernel import config_sandbox
from rootstream.plan.model import Plan
from rootstream.sandbox.kconfig import config_edit
from rootstream.verbs import native_config
from rootstream.verbs.kconfig_run import KconfigState, missing_kind
from rootstream.verbs.native_config import menu_changes, places

YAML = """\
systems:
  box:
    root: {busybox: {fragments: [bb.config]}}
    kernel: {base: {file: full.config}, fragments: [linux.config]}
    images: [kernel, initramfs]
    variants:
      debug:
        add: {kernel: {fragments: [debug.config]}}
"""
OTHER = """\
  other:
    root: busybox
    kernel: {}
    images: [initramfs]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("bb", "full", "linux", "debug"):
        (tmp_path / f"{name}.config").write_text("")
    (tmp_path / "system.yaml").write_text(YAML)
    return tmp_path


def found(
    folder: Path, system: str | None = None, variant: str | None = None, create: str | None = None
) -> native_config.NativeConfig:
    opened = native_config.found(folder, system, variant, create, ignore)
    assert opened is not None
    return opened


def place(opened: native_config.NativeConfig, kind: str, to: str | None = None) -> tuple[str, bool]:
    chosen = opened._place(kind, to)
    return chosen.path, chosen.whole


def test_the_only_system_is_meant_and_its_files_are_known(folder: Path) -> None:
    opened = found(folder)
    assert opened.described.target == "box"
    assert place(opened, "busybox") == ("bb.config", False)
    assert [each.path for each in places(opened.described, "linux")] == ["full.config", "linux.config"]
    assert place(opened, "linux", "full.config") == ("full.config", True)
    for to, reason in ((None, "several-files"), ("bb.config", "not-a-config-file")):
        with pytest.raises(UserError) as caught:
            place(opened, "linux", to)
        assert caught.value.reason == reason


def test_a_variant_writes_its_own_files_only(folder: Path) -> None:
    for opened in (found(folder, "box@debug"), found(folder, None, "debug"), found(folder, "box", "debug")):
        assert opened.described.target == "box@debug"
        assert place(opened, "linux") == ("debug.config", False)
        with pytest.raises(UserError) as caught:
            place(opened, "busybox")
        assert caught.value.reason == "no-config-file"


def test_among_several_systems_one_is_named(folder: Path) -> None:
    (folder / "system.yaml").write_text(YAML + OTHER)
    with pytest.raises(UserError) as caught:
        found(folder)
    assert caught.value.reason == "several-systems"
    assert found(folder, "other").described.target == "other"
    with pytest.raises(UserError) as caught:
        found(folder, "othr")
    assert caught.value.reason == "unknown-system"
    with pytest.raises(UserError) as caught:
        found(folder, "other", create="new")
    assert caught.value.reason == "only-buildroot"


def test_a_system_of_buildroot_is_another_matter(folder: Path) -> None:
    (folder / "system.yaml").write_text(
        "systems:\n  node:\n    root: {buildroot: {tree: {local: br}}}\n    images: [files]\n"
    )
    (folder / "br").mkdir()
    assert native_config.found(folder, None, None, None, ignore) is None
    assert native_config.found(folder, "node", None, None, ignore) is None


def test_verbs_of_an_output_folder_are_refused(folder: Path) -> None:
    opened = found(folder)
    for refused in (lambda: opened.save(None), opened.discard, opened.minimize):
        with pytest.raises(UserError) as caught:
            refused()
        assert caught.value.reason == "not-buildroot"


@pytest.mark.parametrize("kind", ["linux", "busybox", "buildroot", "uboot"])
def test_a_configuration_that_a_system_does_not_have(kind: str) -> None:
    words: dict[str, Any] = {
        "root": {"debian": {}},
        "kernel": {"debian": "linux-image-amd64"},
        "images": ("kernel",),
    }
    described = Described(name="box", variant=None, system=System.model_validate(words))
    assert missing_kind(described, kind, Path("system.yaml")).reason == "no-configuration"


def test_the_changes_of_a_menu() -> None:
    before = KconfigState(
        values={"NET": "y", "USB": "n", "HID": "y", "BITS": "32"}, minimal={"NET": "y", "HID": "y", "GONE": "y"}
    )
    after = KconfigState(
        values={"NET": "y", "USB": "y", "HID": "n", "BITS": "64"}, minimal={"NET": "y", "USB": "y"}
    )
    assert menu_changes(before, after, whole=False) == {"USB": "y", "HID": "n", "GONE": None}
    assert menu_changes(before, after, whole=True) == {"USB": "y", "HID": None, "GONE": None}
    assert menu_changes(before, before, whole=False) == {}


def planned(folder: Path) -> tuple[Plan, Description, make.Outputs]:
    opened = found(folder)
    description = opened.description
    plan, outputs = make.plan(description, inputs.gather(description, folder), None)
    return plan, description, outputs["box"]


@pytest.mark.parametrize("kind", ["linux", "busybox"])
def test_a_session_has_the_pinned_tree_and_no_build_of_ours(folder: Path, kind: str) -> None:
    plan, description, outputs = planned(folder)
    configured = outputs.configured[kind]
    for menus in (False, True):
        made, element = config_sandbox.session(plan, configured, description.debian, menus=menus)
        tool = {f"tool-{config_sandbox.NCURSES}.bst"} if menus else set()
        assert {each.element for each in element.builds_with} == {base.NAME} | tool
        assert set(made.elements) == {base.NAME, element.name} | tool
        wanted = {source.request() for source in plan.elements[configured.element].sources if source.locked}
        assert {source.request() for source in element.sources} == wanted
    script = config_sandbox.script(plan, configured)
    assert "tar -xf" in script
    assert "configure" not in script


def test_a_change_of_the_sessions_program_builds_nothing_again() -> None:
    path = f"{programs.module(programs.CONFIG_EDIT).replace('.', '/')}.py"
    assert path in programs.for_config_edit()
    assert not any(each.endswith(path) for each in programs.elements()[1])


def test_a_terminal_that_the_sandbox_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "screen").touch()
    monkeypatch.setattr(config_edit, "TERMINFO", (str(tmp_path),))
    assert config_edit.terminal("screen") == "screen"
    for name in ("strange", "", "../s/screen"):
        assert config_edit.terminal(name) == "xterm"
