"""Buildroot's makedev tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.errors import Problems
from rootstream.plan.roots.device_table import parse_device_table
from rootstream.sandbox.rootfs.spec import Device, Permission


def test_permissions() -> None:
    table = parse_device_table(
        "# <name> <type> ...\n"
        "/run/lock d 1777 0 0 - - - - -\n"
        "/etc/shadow f 600 0 0 - - - - -   # secret\n"
        "\n"
        "/usr/bin/ping f 4755 root 10 - - - - -\n"
        "|xattr cap_net_raw+ep\n"
        "|xattr cap_net_admin+ep\n"
        "/srv r -1 33 33 - - - - -\n"
        "/maybe F 644 - - - - - - -\n",
        Path("table.txt"),
    )
    assert table.devices == ()
    assert table.permissions == (
        Permission(path="/run/lock", mode=0o1777, owner=0, group=0, create=True),
        Permission(path="/etc/shadow", mode=0o600, owner=0, group=0),
        Permission(
            path="/usr/bin/ping",
            mode=0o4755,
            owner="root",
            group=10,
            capabilities="cap_net_raw+ep cap_net_admin+ep",
        ),
        Permission(path="/srv", owner=33, group=33, recursive=True),
        Permission(path="/maybe", mode=0o644, optional=True),
    )


def test_devices_are_counted_out() -> None:
    table = parse_device_table(
        "/dev/mem c 640 0 0 1 1 0 0 -\n"
        "/dev/hda b 640 0 6 3 1 1 2 3\n"
        "/dev/initctl p 600 0 0 - - - - -\n",
        Path("table.txt"),
    )  # fmt: skip
    assert table.devices == (
        Device(path="/dev/mem", type="char", major=1, minor=1, mode=0o640),
        Device(path="/dev/hda1", type="block", major=3, minor=1, mode=0o640, group=6),
        Device(path="/dev/hda2", type="block", major=3, minor=3, mode=0o640, group=6),
        Device(path="/dev/hda3", type="block", major=3, minor=5, mode=0o640, group=6),
        Device(path="/dev/initctl", type="fifo", mode=0o600),
    )


def test_all_mistakes_come_with_their_lines() -> None:
    text = """\
/ok d 755 0 0 - - - - -
/short d 755
relative f 644 0 0 - - - - -
/up/../x f 644 0 0 - - - - -
/x q 644 0 0 - - - - -
/x f 999 0 0 - - - - -
/x f 644 no:body 0 - - - - -
/dev/x c 644 0 0 - - - - -
/dev/x c 644 0 0 1 1 0 1 99999
/dev/x c 644 0 0 1 99999999 - - -
/ok d 755 0 0 - - - - -
|xattr cap_net_raw+ep
/x f 644 0 0 - - - - -
|xattr cap_fly+ep
|other
"""
    with pytest.raises(Problems) as caught:
        parse_device_table(text, Path("board/table.txt"))
    places = [str(problem.where) for problem in caught.value.problems]
    assert places == [f"board/table.txt:{line}" for line in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15)]
