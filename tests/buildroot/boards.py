"""A board with a kernel and U-Boot, as small as they go, and changes of it: more rows of incremental.py's table.

Their sources are archives: ROOTSTREAM_BUILDROOT_KERNEL (6.1) and ROOTSTREAM_BUILDROOT_UBOOT name files,
ROOTSTREAM_BUILDROOT_RISCV a toolchain that `toolchain.py FOLDER --arch riscv64` made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.buildroot.conftest import BARE

SYSTEM = """\
systems:
  box:
    arch: riscv64
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
        external: [external]
        configs:
          linux: {{base: {{file: linux_defconfig}}, fragments: [linux.config]}}
          uboot: {{fragments: [uboot.config]}}
    images: [files]
    layers:
      - overlay: overlay
"""
DEFCONFIG = """\
BR2_riscv=y
BR2_LINUX_KERNEL=y
BR2_LINUX_KERNEL_CUSTOM_TARBALL=y
BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION="file://{kernel}"
BR2_LINUX_KERNEL_USE_CUSTOM_CONFIG=y
BR2_LINUX_KERNEL_DTS_SUPPORT=y
BR2_LINUX_KERNEL_CUSTOM_DTS_PATH="$(BR2_EXTERNAL_BOARD_PATH)/board.dts"
BR2_TARGET_UBOOT=y
BR2_TARGET_UBOOT_BUILD_SYSTEM_KCONFIG=y
BR2_TARGET_UBOOT_CUSTOM_TARBALL=y
BR2_TARGET_UBOOT_CUSTOM_TARBALL_LOCATION="file://{uboot}"
BR2_TARGET_UBOOT_BOARD_DEFCONFIG="qemu-riscv64_smode"
BR2_REPRODUCIBLE=y
"""
TREE = '/dts-v1/;\n/ {{ model = "{model}"; compatible = "tests,board"; }};\n'
FILES = {
    "linux.config": 'CONFIG_LOCALVERSION="-one"\n',
    "uboot.config": "CONFIG_BOOTDELAY=1\n",
    "overlay/etc/word": "one\n",
    "external/external.desc": "name: BOARD\n",
    "external/Config.in": "",
    "external/external.mk": "",
    "external/board.dts": TREE.format(model="one"),
}


def project(folder: Path) -> Path:
    """Write the project and return its folder."""
    named = {name: os.environ[f"ROOTSTREAM_BUILDROOT_{name}"] for name in ("KERNEL", "UBOOT", "RISCV", "LOCAL_MK")}
    toolchain = (Path(named["RISCV"]) / "toolchain.config").read_text()
    symbols = DEFCONFIG.format(kernel=named["KERNEL"], uboot=named["UBOOT"])
    override = f'BR2_PACKAGE_OVERRIDE_FILE="{named["LOCAL_MK"]}"\n'
    files = {
        **FILES,
        "system.yaml": SYSTEM.format(tree=os.environ["ROOTSTREAM_BUILDROOT"]),
        "box_defconfig": toolchain + symbols + BARE + override,
        "linux_defconfig": (Path(__file__).parent / "tiny_riscv64_defconfig").read_text(),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _config(box: Path, *words: str) -> None:
    argv = [sys.executable, "-m", "rootstream", "config", *words]
    subprocess.run(argv, cwd=box, check=True, capture_output=True)


def _boot(box: Path) -> None:
    (box / "uboot.config").write_text('CONFIG_BOOTDELAY=2\nCONFIG_USE_PREBOOT=y\nCONFIG_PREBOOT="echo other"\n')


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file of the overlay, beside a kernel and U-Boot": lambda box: (box / "overlay/etc/word").write_text(
        "two\n"
    ),
    "a fragment of the kernel's configuration": lambda box: (box / "linux.config").write_text(
        'CONFIG_LOCALVERSION="-two"\n'
    ),
    "an option of the kernel, by `config linux set`": lambda box: _config(box, "linux", "set", "CONFIG_PRINTK=y"),
    "the kernel's device tree": lambda box: (box / "external/board.dts").write_text(TREE.format(model="two")),
    "U-Boot's configuration and environment": _boot,
    "a file of the overlay, after U-Boot's": lambda box: (box / "overlay/etc/word").write_text("three\n"),
    "the kernel's configuration file": lambda box: (box / "linux_defconfig").write_text(
        (box / "linux_defconfig").read_text().replace("# CONFIG_EPOLL is not set\n", "")
    ),
}
