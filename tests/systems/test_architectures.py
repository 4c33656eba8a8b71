"""The same small system on every processor: compiler, musl, BusyBox and kernel from source, booted and checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import verified

SYSTEM = """\
systems:
  small: &small
    arch: aarch64
    root: busybox
    kernel: {}
    layers:
      - hostname: small
      - root_login: {password: empty}
      - permissions: [{path: /bin/busybox, mode: 4755}]
    images: [kernel, initramfs]
    machine: {memory: 128M, boot: [initramfs], kernel_args: quiet}
    checks:
      - login: {user: root}
      - command: uname -m
        output: ^(aarch64|riscv32|riscv64|ppc)$
      - command: for i in 1 2 3 4 5 6; do ip -4 addr show | grep -q 10.0.2 && break; sleep 1; done; ip -4 addr
        output: inet 10\\.0\\.2\\.
    variants:
      riscv64: {arch: riscv64}
      riscv64imac: {arch: riscv64, isa: imac}
      riscv32: {arch: riscv32, add: {images: [firmware]}}
      riscv32imac: {arch: riscv32, isa: imac, add: {images: [firmware]}}
      powerpc: {arch: powerpc}
"""
TARGETS = ["small", *(f"small@{name}" for name in ("riscv64", "riscv64imac", "riscv32", "riscv32imac", "powerpc"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("architectures")
    (made / "system.yaml").write_text(SYSTEM)
    rootstream("update", cwd=made, check=True)
    return made


@pytest.mark.parametrize("target", TARGETS)
def test_it_boots(folder: Path, target: str) -> None:
    verified(folder, target)
