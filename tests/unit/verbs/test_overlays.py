"""What an overlay has on the disk and an image does not get is told, with the line that keeps it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rootstream.description.layers import Permission
from rootstream.description.model import System
from rootstream.errors import UserError
from rootstream.formats.capability import XATTR, capability_xattr
from rootstream.plan import overlay
from rootstream.verbs.overlays import MOST, cautions

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "over/etc").mkdir(parents=True)
    (tmp_path / "over/etc").chmod(0o755)
    (tmp_path / "over").chmod(0o755)
    return tmp_path


def put(folder: Path, name: str, mode: int = 0o644) -> Path:
    path = folder / "over" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    path.chmod(mode)
    return path


def told(folder: Path, *layers: dict[str, Any]) -> list[tuple[str, str]]:
    """Return reason and path in the overlay of what is told."""
    system = System.model_validate(
        {"root": "busybox", "images": ("tar",), "layers": ({"overlay": "over"}, *layers)}
    )
    found = cautions(system, folder)
    return [(each.reason, str(each.where.path.relative_to(folder / "over"))) for each in found if each.where]


def lines(folder: Path) -> list[Permission]:
    """Return what the words of the hints set, read as YAML and checked as a description is."""
    system = System.model_validate({"root": "busybox", "images": ("tar",), "layers": ({"overlay": "over"},)})
    found = []
    for each in cautions(system, folder):
        match = re.search(r"`- (\{.*\})`", each.hint or "")
        assert match
        found.append(Permission.model_validate(YAML(typ="safe", pure=True).load(match[1])))
    return found


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o664, 0o775, 0o444, 0o555])
def test_modes_of_any_clone_are_not_told(folder: Path, mode: int) -> None:
    put(folder, "etc/file", mode)
    (folder / "over/etc").chmod(0o775)
    assert told(folder) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o700, 0o750, 0o2755, 0o4755, 0o666, 0o1644])
def test_another_mode_is_told_with_the_line_that_keeps_it(folder: Path, mode: int) -> None:
    put(folder, 'etc/a "b" \\c', mode)
    assert told(folder) == [("overlay-metadata", 'etc/a "b" \\c')]
    (line,) = lines(folder)
    assert (line.path, line.mode, line.owner, line.group) == ('/etc/a "b" \\c', mode, None, None)
    assert told(folder, {"permissions": ({"path": line.path, "mode": f"{mode:o}"},)}) == []


@pytest.mark.parametrize(
    ("permission", "silent"),
    [
        ({"path": "/etc/ssl/key", "mode": "0640"}, True),
        ({"path": "/etc/ssl/*", "mode": "0640"}, True),
        ({"path": "/etc", "mode": "0640", "recursive": True}, True),
        ({"path": "/e*", "mode": "0640", "recursive": True}, True),
        ({"path": "/etc", "mode": "0640"}, False),
        ({"path": "/etc/*", "mode": "0640"}, False),
        ({"path": "/etc/ssl/key", "owner": "root"}, False),
        ({"path": "/etc/ssl/keys", "mode": "0640"}, False),
    ],
)
def test_what_permissions_set_is_not_told(folder: Path, permission: dict[str, Any], silent: bool) -> None:
    put(folder, "etc/ssl/key", 0o600)
    (folder / "over/etc/ssl").chmod(0o755)
    assert (told(folder, {"permissions": (permission,)}) == []) is silent


def test_permissions_of_a_merged_usr_and_of_tables_count(folder: Path) -> None:
    put(folder, "usr/sbin/tool", 0o4755)
    put(folder, "lib/secret", 0o600)
    for name in ("usr", "usr/sbin", "lib"):
        (folder / "over" / name).chmod(0o755)
    (folder / "table").write_text("/usr/lib/secret f 600 0 0 - - - - -\n")
    layers = ({"permissions": ({"path": "/sbin/tool", "mode": "4755"},)}, {"device_table": "table"})
    assert told(folder, *layers) == []


def test_modes_of_folders_are_told(folder: Path) -> None:
    (folder / "over/root/.ssh").mkdir(parents=True)
    (folder / "over/root/.ssh").chmod(0o700)
    (folder / "over/root").chmod(0o755)
    assert told(folder) == [("overlay-metadata", "root/.ssh")]
    assert [(line.path, line.mode) for line in lines(folder)] == [("/root/.ssh", 0o700)]


def test_what_the_running_system_hides_is_told(folder: Path) -> None:
    for name in ("run/app/x", "var/run/y", "dev/z", "tmp/z", "etc/run/x", "srv/proc/x"):
        put(folder, name)
    assert told(folder) == [("overlay-hidden", name) for name in ("dev/z", "run/app/x", "tmp/z", "var/run/y")]


def test_a_home_is_as_it_has_to_be(folder: Path) -> None:
    put(folder, "home/me/notes")
    users = {"users": ({"name": "me"},)}
    for mode, silent in ((0o700, True), (0o750, False)):
        (folder / "over/home/me").chmod(mode)
        assert (told(folder, users) == []) is silent
    (folder / "over/home/me").chmod(0o700)
    assert told(folder) == [("overlay-metadata", "home/me")]


@ROOT
def test_owners_are_told_but_of_whoever_has_the_project(folder: Path) -> None:
    os.chown(put(folder, "etc/www"), 33, 34)
    os.chown(put(folder, "etc/mine"), 1234, 1235)
    os.chown(folder, 1234, 1235)
    assert told(folder) == [("overlay-metadata", "etc/www")]
    assert [(line.path, line.owner, line.group) for line in lines(folder)] == [("/etc/www", 33, 34)]


@ROOT
@pytest.mark.parametrize("text", ["cap_net_raw+ep", "cap_net_admin,cap_net_raw+p", "cap_chown+ei cap_kill+eip"])
def test_capabilities_are_told_as_permissions_take_them(folder: Path, text: str) -> None:
    path = put(folder, "etc/tool", 0o755)
    os.setxattr(path, XATTR, capability_xattr(text))
    (line,) = lines(folder)
    assert line.capabilities is not None
    assert capability_xattr(line.capabilities) == capability_xattr(text)
    assert told(folder, {"permissions": ({"path": "/etc/tool", "capabilities": text},)}) == []


def test_other_attributes_are_told(folder: Path) -> None:
    try:
        os.setxattr(put(folder, "etc/file"), "user.note", b"x")
    except OSError:
        pytest.skip("the file system has no attributes of users")
    assert told(folder) == [("overlay-metadata", "etc/file")]


def test_hard_links_are_told_within_an_overlay_only(folder: Path) -> None:
    path = put(folder, "etc/one")
    (folder / "elsewhere").hardlink_to(path)
    assert told(folder) == []
    (folder / "over/etc/two").hardlink_to(path)
    assert told(folder) == [("overlay-hard-link", "etc/two")]


def test_empty_folders_are_told_where_git_loses_them(folder: Path) -> None:
    put(folder, "etc/file")
    (folder / "over/srv/empty").mkdir(parents=True)
    (folder / "over/srv/kept").mkdir()
    (folder / "over/srv/kept/.empty").touch()
    assert told(folder) == []
    (folder / ".git").mkdir()
    assert told(folder) == [("overlay-empty-folder", "srv/empty")]


def test_many_are_told_as_a_number(folder: Path) -> None:
    for number in range(MOST + 5):
        put(folder, f"etc/{number:03}", 0o600)
    system = System.model_validate({"root": "busybox", "images": ("tar",), "layers": ({"overlay": "over"},)})
    found = cautions(system, folder)
    assert len(found) == MOST + 1
    assert found[-1].message.startswith("5 more")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, 0o140644)], ids=["fifo", "socket"])
def test_what_is_no_file_is_an_error(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "over/etc/special")
    with pytest.raises(UserError) as caught:
        overlay.archive(folder / "over", epoch=0)
    assert caught.value.reason == "overlay-special-file"
    assert caught.value.where is not None
    assert caught.value.where.path == folder / "over/etc/special"
