"""Buildroot's makedev tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.errors import Problems
from rootstream.plan.roots.device_table import MOST_MAJOR, MOST_MINOR, MOST_NODES, parse_device_table
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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/dev/x c - - - 1 2 - - -", Device(path="/dev/x", type="char", major=1, minor=2)),
        (
            "/dev/x b 640 7 8 1 2 - - -",
            Device(path="/dev/x", type="block", major=1, minor=2, mode=0o640, owner=7, group=8),
        ),
        ("/run/f p 600 me 0 - - - - -", Device(path="/run/f", type="fifo", mode=0o600, owner="me")),
    ],
)
def test_one_node(line: str, expected: Device) -> None:
    assert parse_device_table(line, Path("t")).devices == (expected,)


@pytest.mark.parametrize(
    ("numbers", "count"),
    [
        (f"1 0 0 1 {MOST_NODES}", MOST_NODES),
        (f"1 0 0 1 {MOST_NODES + 1}", None),
        (f"1 {MOST_MINOR - 4} 0 2 3", 3),
        (f"1 {MOST_MINOR - 3} 0 2 3", None),
        (f"1 {MOST_MINOR} 0 9 1", 1),
        (f"1 {MOST_MINOR} 0 9 0", 1),
        (f"1 {MOST_MINOR + 1} 0 0 1", None),
        (f"{MOST_MAJOR} 0 0 0 1", 1),
        (f"{MOST_MAJOR + 1} 0 0 0 1", None),
    ],
)
def test_bounds_of_numbers(numbers: str, count: int | None) -> None:
    line = f"/dev/x c 600 0 0 {numbers}"
    if count is None:
        with pytest.raises(Problems):
            parse_device_table(line, Path("t"))
        return
    found = parse_device_table(line, Path("t")).devices
    assert len(found) == count
    step = int(numbers.split()[3])
    assert [each.minor - found[0].minor for each in found] == [step * number for number in range(count)]


@pytest.mark.parametrize("word", ["x", "1x", "²", "٣", "1.5", "0x1", "+1"])
def test_what_is_no_number(word: str) -> None:
    with pytest.raises(Problems):
        parse_device_table(f"/dev/x c 600 0 0 1 {word} 0 0 0", Path("t"))
