"""Debian's own kernel, its drivers as modules: from memory, and from disks that an initrd finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import verified

BUSYBOX = """\
systems:
  box:
    root: busybox
    kernel: {debian: linux-image-cloud-amd64}
    layers: [{root_login: {password: empty}}]
    images:
      - kernel
      - initramfs: {level: 3}
      - initrd
      - ext
      - squashfs
      - disk: {table: gpt, kernel_args: console=ttyS0}
    machine: {memory: 512M, bus: virtio, boot: [initramfs, disk, ext, squashfs]}
    checks:
      - login: {user: root}
      - command: uname -r; lsmod
        output: cloud-amd64(.|\\n)*virtio_net
      - command: for i in $(seq 9); do ip -4 addr | grep -q 10.0.2 && break; sleep 1; done; ip -4 addr
        output: inet 10\\.0\\.2\\.
  few:
    root: busybox
    kernel: {debian: {package: linux-image-amd64, modules: [e1000], initrd: [ata_piix, sd_mod, ext4]}}
    layers: [{root_login: {password: empty}}]
    images: [initrd, {disk: {kernel_args: console=ttyS0}}]
    machine: {memory: 512M, nics: [{model: e1000}]}
    checks:
      - login: {user: root}
      - command: find /lib/modules -name '*.ko*'; lsmod
        output: e1000.ko(.|\\n)*ext4
"""
DEBIAN = """\
systems:
  box:
    root:
      debian: {suite: trixie, packages: [systemd-sysv, udev, login, kmod, iproute2]}
    kernel: {debian: linux-image-cloud-amd64}
    layers: [{root_login: {password: empty}}]
    images: [kernel, {initramfs: {level: 3}}, {disk: {table: gpt, kernel_args: console=ttyS0}}]
    machine: {memory: 768M, bus: virtio, timeout: 400, boot: [initramfs, disk]}
    checks:
      - login: {user: root}
        within: 200s
      - command: systemctl is-system-running --wait
        output: ^running
        within: 120s
      - command: uname -r; lsmod; ip -4 addr
        output: cloud-amd64(.|\\n)*virtio_net(.|\\n)*inet 10\\.0\\.2\\.
"""


def test_busybox_on_debians_kernel(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text(BUSYBOX)
    rootstream("build", cwd=tmp_path, check=True)
    verified(tmp_path, "box")
    verified(tmp_path, "few")


def test_a_debian_on_its_own_kernel(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text(DEBIAN)
    rootstream("build", cwd=tmp_path, check=True)
    verified(tmp_path, "box")


def test_a_module_that_the_package_lacks_is_told(tmp_path: Path) -> None:
    text = BUSYBOX.partition("  few:")[0].replace(
        "{debian: linux-image-cloud-amd64}",
        "{debian: {package: linux-image-cloud-amd64, modules: [no-such-module]}}",
    )
    (tmp_path / "system.yaml").write_text(text)
    done = rootstream("build", cwd=tmp_path)
    assert done.returncode != 0
    assert "has no module no_such_module" in done.stderr


@pytest.mark.parametrize("root", ["powerpc", "riscv32"])
def test_there_is_no_package_for_other_processors(tmp_path: Path, root: str) -> None:
    text = BUSYBOX.partition("  few:")[0].replace("root: busybox", f"root: busybox\n    arch: {root}")
    (tmp_path / "system.yaml").write_text(text)
    done = rootstream("build", cwd=tmp_path)
    assert done.returncode == 2
    assert "no kernel package" in done.stderr
