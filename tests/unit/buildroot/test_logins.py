"""A Buildroot system that nobody can log in to is told, and only where that is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot.config import logins
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.workspace import workspace
from rootstream.formats.kconfig.fragment import Request
from rootstream.project import project
from tests.loading import read

ASKS = {"BR2_TARGET_GENERIC_GETTY": "y", "BR2_INIT_BUSYBOX": "y"}
SSH = {**ASKS, "BR2_PACKAGE_DROPBEAR": "y"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDE me"
USER = "- users: [{name: me, password: empty}]"


def told(folder: Path, result: dict[str, str], layers: str = "", *, own: bool = False) -> list[str]:
    words = "{root: {buildroot: {tree: {local: tree}}}, images: [files], layers: [LAYERS]}"
    (described,) = read(
        folder, f"systems: {{box: {words.replace('LAYERS', layers.removeprefix('- '))}}}\n"
    ).systems
    space = workspace(project.find(folder), described, folder / "tree", {"HOME": "/home/me"})
    request = Request(symbol="BR2_TARGET_ENABLE_ROOT_LOGIN", value="n", file="box_defconfig", line=1, prefix="")
    composed = Composed(
        asked=(),
        requests={request.symbol: request} if own else {},
        settings={},
        result=result,
        text="",
        said="",
        problems=(),
        changed=False,
    )
    return [each.kind for each in logins.problems(space, composed)]


@pytest.mark.parametrize("result", [ASKS, SSH])
def test_a_console_that_nobody_gets_past(tmp_path: Path, result: dict[str, str]) -> None:
    assert told(tmp_path, result) == ["nobody-can-log-in"]
    assert told(tmp_path, result, "- hostname: box") == ["nobody-can-log-in"]
    assert told(tmp_path, result, "- users: [{name: me, password: locked}]") == ["nobody-can-log-in"]


def test_who_can_log_in(tmp_path: Path) -> None:
    (tmp_path / "me.pub").write_text(f"{KEY}\n")
    assert not told(tmp_path, {**ASKS, "BR2_TARGET_ENABLE_ROOT_LOGIN": "y"})
    assert not told(tmp_path, ASKS, USER)
    keys = "- users: [{name: me, authorized_keys: [me.pub]}]"
    assert not told(tmp_path, SSH, keys)
    assert told(tmp_path, ASKS, keys) == ["nobody-can-log-in"]


def test_who_says_so_wants_it(tmp_path: Path) -> None:
    assert not told(tmp_path, ASKS, "- root_login: {password: locked}")
    assert not told(tmp_path, ASKS, own=True)


def test_where_nothing_asks(tmp_path: Path) -> None:
    assert not told(tmp_path, {"BR2_INIT_BUSYBOX": "y"})
    assert not told(tmp_path, {"BR2_TARGET_GENERIC_GETTY": "y", "BR2_INIT_NONE": "y"})


@pytest.mark.parametrize(
    "symbol", ["BR2_ROOTFS_POST_BUILD_SCRIPT", "BR2_ROOTFS_USERS_TABLES", "BR2_ROOTFS_SKELETON_CUSTOM_PATH"]
)
def test_where_the_user_may_have_let_somebody_in(tmp_path: Path, symbol: str) -> None:
    assert not told(tmp_path, {**ASKS, symbol: '"$(BR2_EXTERNAL_X_PATH)/own"'})
    generated = tmp_path / ".rootstream/buildroot/box/external/tables/users"
    assert told(tmp_path, {**ASKS, symbol: f'"{generated}"'}) == ["nobody-can-log-in"]


@pytest.mark.parametrize(
    "name", ["etc/shadow", "etc/inittab", "etc/systemd/system/getty@tty1.service.d/auto.conf"]
)
def test_an_overlay_may_let_somebody_in(tmp_path: Path, name: str) -> None:
    overlay = {**ASKS, "BR2_ROOTFS_OVERLAY": f'"{tmp_path}/own"'}
    (tmp_path / "own/etc").mkdir(parents=True)
    assert told(tmp_path, overlay) == ["nobody-can-log-in"]
    (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "own" / name).write_text("")
    assert not told(tmp_path, overlay)
