"""Rules of `machines:` and `serve:`: what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.machines import commands_of
from tests.loading import line, problems, read

SYSTEMS = """\
systems:
  it:
    root: busybox
    kernel: {}
    images: [kernel, initramfs]
    variants:
      disk: {images: [disk]}
      arm: {arch: aarch64}
"""
BEGIN = SYSTEMS.count("\n")


def told(folder: Path, text: str) -> list[tuple[str, int]]:
    return [(each.reason, line(each) - BEGIN) for each in problems(folder, SYSTEMS + text)]


def one(words: str) -> str:
    return 'machines:\n  a:\n    macs: ["52:54:00:00:00:01"]\n' + "".join(
        f"    {each}\n" for each in words.splitlines()
    )


def test_a_machine(tmp_path: Path) -> None:
    found = read(tmp_path, SYSTEMS + one("system: it\naddress: 10.0.0.2").replace("00:01", "00:AB")).machines
    assert (found["a"].macs, found["a"].address) == (("52:54:00:00:00:ab",), "10.0.0.2")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("system: at", [("unknown-system", 4)]),
        ("system: it@debug", [("unknown-system", 4)]),
        ("system: it@disk", [("cannot-netboot", 4)]),
        ("system: it@arm", [("bad-value", 4)]),
        ("system: it@arm\narch: aarch64\nfirmware: bios", [("bad-value", 6)]),
        ("system: it@arm\narch: aarch64\nfirmware: uefi\nipxe: own", [("not-available", 7)]),
        ("system: it\naddress: 10.0.0.300", [("bad-value", 5)]),
        ("system: it\nsystem_mac: '01:00:5e:00:00:01'", [("bad-value", 5)]),
        ("system: it\nsystem_mac: '52:54:00:00:00:01'", [("address-taken", 5), ("bad-value", 5)]),
        ("system: it\nkernel_args: a={nme}", [("bad-value", 5)]),
        ("system: it\nkernel_args: a={address}", [("bad-value", 5)]),
        ("system: it\nbuild: newest", [("bad-value", 5)]),
        ("system: it\npower: {ipmi: {address: a, password_file: none}}", [("missing-file", 5)]),
        ("system: it\npower: {qemu: {bridge: br0, rom: firmware}}", [("bad-value", 5)]),
        ("system: it\nfirmware: uefi\npower: {qemu: {bridge: br0, http: true}}", [("bad-value", 6)]),
        ("system: it\npower: {tasmota: {url: 'http://plug', user: me}}", [("bad-value", 5)]),
        ("system: it\npower: {tasmota: {url: 'http://plug', outlet: 0}}", [("bad-value", 5)]),
        ("system: it\npower: {tasmota: {url: 'http://me:it@plug'}}", [("bad-value", 5)]),
        ("system: it\npower: {command: {}}", [("missing-key", 5)]),
        ("system: it\npower: magic", [("unknown-choice", 5)]),
        ("sytem: it", [("unknown-key", 4)]),
    ],
)
def test_mistakes(tmp_path: Path, words: str, expected: list[tuple[str, int]]) -> None:
    assert told(tmp_path, one(words)) == expected


def test_addresses_that_two_machines_have(tmp_path: Path) -> None:
    text = one("system: it\naddress: 10.0.0.2").replace("  a:", "  first:")
    second = one("system: it\naddress: 10.0.0.2").removeprefix("machines:\n")
    assert told(tmp_path, text + second) == [("address-taken", 7), ("address-taken", 9)]


def test_the_nearest_system_is_named(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SYSTEMS + one("system: it@dsk"))
    assert "'it@disk'" in problem.message


def test_a_range(tmp_path: Path) -> None:
    text = one("system: it\naddress: 10.0.0.20") + "serve: {range: {first: 10.0.0.30, last: 10.0.0.10}}\n"
    assert [reason for reason, _ in told(tmp_path, text)] == ["bad-value"]
    text = text.replace("first: 10.0.0.30, last: 10.0.0.10", "first: 10.0.0.10, last: 10.0.0.30")
    assert told(tmp_path, text) == [("address-taken", 5)]


def test_what_runs_on_this_host_is_told(tmp_path: Path) -> None:
    power = 'power: {command: {on: ["true"]}}'
    assert commands_of(read(tmp_path, SYSTEMS + one(f"system: it\n{power}")).machines).endswith(
        "`power: command` of a"
    )
    power = 'power: {qemu: {bridge: br0, extra_args: ["-s"]}}'
    assert commands_of(read(tmp_path, SYSTEMS + one(f"system: it\n{power}")).machines).endswith(
        "`power: qemu: extra_args` of a"
    )
    power = "power: {qemu: {bridge: br0}}"
    assert commands_of(read(tmp_path, SYSTEMS + one(f"system: it\n{power}")).machines) == ""
