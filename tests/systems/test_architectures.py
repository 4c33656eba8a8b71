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
    arch: riscv32
    root: busybox
    kernel: {}
    layers:
      - hostname: small
      - root_login: {password: empty}
    images: [kernel, initramfs, firmware]
    machine: {memory: 128M, kernel_args: quiet}
    checks:
      - login: {user: root}
      - command: uname -m
        output: ^riscv32$
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


def test_riscv32_with_floating_point(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text(SMALL)
    rootstream("update", cwd=tmp_path, check=True)
    verified(tmp_path, "small")
