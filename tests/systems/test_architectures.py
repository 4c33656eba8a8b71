"""Other processors: compiler, musl, BusyBox and kernel from source, booted and checked.

RISC-V without floating point is in test_capsule, powerpc in test_appliance.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import Example, verified

TARGETS = ("hello@aarch64", "hello@riscv64")
SMALL = """\
systems:
  small:
    arch: ARCH
    root: busybox
    kernel: {}
    layers:
      - hostname: small
      - root_login: {password: empty}
    images: IMAGES
    machine: {memory: 256M, kernel_args: quiet}
    checks:
      - login: {user: root}
      - command: uname -m
        output: ^UNAME$
      - command: date +%Y
        output: ^20[2-9]
      - command: for i in 1 2 3 4 5 6; do ip -4 addr show | grep -q 10.0.2 && break; sleep 1; done; ip -4 addr
        output: inet 10\\.0\\.2\\.
      - poweroff: poweroff
"""


@pytest.fixture(scope="module")
def hello_elsewhere(example: Example) -> Path:
    return example("hello", *TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_hello_boots_elsewhere(hello_elsewhere: Path, target: str) -> None:
    """From an initramfs, and by UEFI from a disk."""
    told = verified(hello_elsewhere, target)
    assert told["arch"] == target.partition("@")[2]
    assert {boot["kind"] for boot in told["boots"]} == {"disk", "initramfs"}


@pytest.mark.parametrize(
    ("arch", "uname", "images", "kinds"),
    [
        ("riscv32", "riscv32", "[kernel, initramfs, firmware]", {"initramfs"}),
        (
            "armv7",
            "armv7l",
            "[uimage, initramfs, iso, uki, {disk: {table: gpt, kernel_args: console=ttyAMA0 quiet}}]",
            {"initramfs", "iso-uefi", "uki", "disk"},
        ),
    ],
    ids=["riscv32", "armv7"],
)
def test_a_small_system_boots(tmp_path: Path, arch: str, uname: str, images: str, kinds: set[str]) -> None:
    """Riscv32 with floating point; armv7 from a uImage, and by UEFI."""
    text = SMALL.replace("ARCH", arch).replace("UNAME", uname).replace("IMAGES", images)
    (tmp_path / "system.yaml").write_text(text)
    rootstream("update", cwd=tmp_path, check=True)
    told = verified(tmp_path, "small")
    assert {boot["kind"] for boot in told["boots"]} == kinds
