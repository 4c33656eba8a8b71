"""The folder that dnsmasq works in: nobody else's, and gone afterwards."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.netboot.dhcp import daemon
from rootstream.netboot.dhcp.interface import Link, reserved


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "undionly.kpxe"
    path.write_bytes(b"iPXE")
    return {"undionly.kpxe": path}


def test_it_is_made_filled_and_cleared(tmp_path: Path, programs: dict[str, Path]) -> None:
    place = tmp_path / "run/rootstream"
    for _ in range(2):
        runtime = daemon.prepare(place, programs)
        assert (place / "tftp/undionly.kpxe").read_bytes() == b"iPXE"
    runtime.files().leases.write_text("")
    runtime.clear()
    assert not place.exists()
    daemon.prepare(place, programs)
    runtime.files().leases.write_text("1 52:54:00:12:34:56 10.0.2.15 box *\n")
    runtime.clear()
    assert [path.name for path in place.iterdir()] == ["leases"]


def test_a_folder_of_somebody_else_is_not_taken(tmp_path: Path, programs: dict[str, Path]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "file").touch()
    found = [("link", "not-ours"), ("file", "cannot-write")]
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", 65534, 65534)
        found.append(("theirs", "not-ours"))
    for name, reason in found:
        with pytest.raises(UserError) as caught:
            daemon.prepare(tmp_path / name, programs)
        assert caught.value.reason == reason
    assert list(elsewhere.iterdir()) == []


LO = Link(
    name="lo", index=1, address=ipaddress.IPv4Address("127.0.0.1"), network=ipaddress.IPv4Network("127.0.0.0/8")
)


def test_one_server_an_interface(tmp_path: Path) -> None:
    with reserved(LO, tmp_path / "locks"):
        with pytest.raises(UserError) as caught, reserved(LO, tmp_path / "locks"):
            pass
        assert caught.value.reason == "already-served"
        assert str(os.getpid()) in str(caught.value.hint)
        with reserved(replace(LO, name="br0"), tmp_path / "locks"):
            pass
    with reserved(LO, tmp_path / "locks"):
        pass


def test_nobody_else_can_keep_a_server_from_an_interface(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as squatter:  # where the lock was once: any user could bind it
        squatter.bind("\0rootstream-serve-lo")
        with reserved(LO, tmp_path / "locks"):
            pass
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "locks")
    for name in ("open", "link"):
        with pytest.raises(UserError) as caught, reserved(LO, tmp_path / name):
            pass
        assert caught.value.reason == "not-ours"
