"""A session of every menu that Buildroot knows of a package, before anything is built: changed and saved.

ROOTSTREAM_BUILDROOT_SOURCES names a folder with source trees of these packages (linux, busybox, u-boot ...), which
Buildroot takes by local.mk instead of downloads.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

LINUX = """\
BR2_LINUX_KERNEL=y
BR2_LINUX_KERNEL_CUSTOM_VERSION=y
BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="6.1"
BR2_LINUX_KERNEL_USE_ARCH_DEFAULT_CONFIG=y
"""
UBOOT = """\
BR2_TARGET_UBOOT=y
BR2_TARGET_UBOOT_BUILD_SYSTEM_KCONFIG=y
BR2_TARGET_UBOOT_BOARD_DEFCONFIG="qemu-x86_64"
"""
BAREBOX = """\
BR2_TARGET_BAREBOX=y
BR2_TARGET_BAREBOX_BOARD_DEFCONFIG="efi"
"""
AT91 = """\
BR2_TARGET_AT91BOOTSTRAP3=y
BR2_TARGET_AT91BOOTSTRAP3_DEFCONFIG="sam9x60eksd_uboot"
"""
ARM = "BR2_arm=y\nBR2_arm926t=y\n"
SEARCH = "/"
JUMP = "1"  # to the first result
BACK = "\x1b\x1b"
DOWN = "+"


@dataclass(frozen=True)
class Menu:
    folder: str
    variable: str
    symbols: str
    keys: tuple[str, ...]
    line: str
    whole: bool = False
    arch: str = ""
    shows: str = "Arrow keys"
    leave: str = BACK
    asks: str = "Do you wish"
    answer: str = "\r"


MENUS = {
    "linux": Menu(
        "linux", "LINUX", LINUX, (SEARCH, "COMPILE_TEST\r", JUMP, "y", BACK, BACK), "CONFIG_COMPILE_TEST=y"
    ),
    # this old menu finds symbols, but does not jump to them: Settings, its first line
    "busybox": Menu("busybox", "BUSYBOX", "", ("\r", "n", BACK), "# CONFIG_DESKTOP is not set"),
    "uboot": Menu(
        "u-boot",
        "UBOOT",
        UBOOT,
        (SEARCH, "LOCALVERSION_AUTO\r", JUMP, "n", BACK, BACK),
        "# CONFIG_LOCALVERSION_AUTO is not set",
    ),
    "uclibc": Menu(
        "uclibc",
        "UCLIBC",
        "BR2_TOOLCHAIN_BUILDROOT_UCLIBC=y\n",
        (SEARCH, "UCLIBC_HAS_REGEX\r", JUMP, "n", BACK, BACK),
        "# UCLIBC_HAS_REGEX is not set",
        whole=True,
    ),
    "barebox": Menu(
        "barebox",
        "BAREBOX",
        BAREBOX,
        (SEARCH, "LOCALVERSION_AUTO\r", JUMP, "n", BACK, BACK),
        "# CONFIG_LOCALVERSION_AUTO is not set",
    ),
    # a menu of its own, in Python
    "swupdate": Menu(
        "swupdate",
        "SWUPDATE",
        "BR2_PACKAGE_SWUPDATE=y\n",
        (SEARCH, "remove temporary files\r", "y"),
        "CONFIG_NOCLEANUP=y",
        shows=r"\(Top\)",
        leave="q",
        asks="Save configuration",
        answer="y",
    ),
    "xvisor": Menu(
        "xvisor",
        "XVISOR",
        "BR2_PACKAGE_XVISOR=y\n",
        (DOWN * 6, "\r", DOWN * 2, "y", BACK),
        "CONFIG_VERBOSE_MODE=y",
    ),
    "at91bootstrap3": Menu(
        "at91bootstrap3", "AT91BOOTSTRAP3", AT91, (DOWN * 12, "y"), "CONFIG_BACKUP_MODE=y", arch=ARM
    ),
}


@pytest.fixture(params=MENUS)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def project(kind: str, tree: Path, defconfig: str, tmp_path: Path) -> Path:
    menu = MENUS[kind]
    source = Path(os.environ.get("ROOTSTREAM_BUILDROOT_SOURCES", "/nothing")) / menu.folder
    if not source.is_dir():
        pytest.skip(f"ROOTSTREAM_BUILDROOT_SOURCES names no folder with {menu.folder}")
    given = os.environ.get("ROOTSTREAM_BUILDROOT_LOCAL_MK")
    overrides = Path(given).read_text() if given else ""
    (tmp_path / "local.mk").write_text(f"{overrides}\n{menu.variable}_OVERRIDE_SRCDIR = {source.resolve()}\n")
    lines = [line for line in defconfig.splitlines() if "BUSYBOX" not in line and "INIT_" not in line]
    if menu.whole or menu.arch:
        lines = [line for line in lines if "TOOLCHAIN" not in line]
    if menu.arch:
        lines = [*(line for line in lines if line != "BR2_x86_64=y"), menu.arch]
    override = f'BR2_PACKAGE_OVERRIDE_FILE="{tmp_path}/local.mk"'
    (tmp_path / "box_defconfig").write_text("\n".join([*lines, menu.symbols, override, ""]))
    if menu.whole:
        (tmp_path / "own.config").write_bytes((tree / "package" / "uclibc" / "uClibc-ng.config").read_bytes())
        config = "base: {file: own.config}"
    else:
        (tmp_path / "own.config").write_text("# mine\n")
        config = "fragments: [own.config]"
    root = f"tree: {{local: {tree}}}, defconfig: box_defconfig, configs: {{{kind}: {{{config}}}}}"
    (tmp_path / "system.yaml").write_text(
        f"systems:\n  box:\n    root: {{buildroot: {{{root}}}}}\n    images: [files]\n"
    )
    return tmp_path


def drawn(child: pexpect.spawn[str]) -> None:
    """Wait until the tool has answered and its screen stands still: an old one starts a program for each menu."""
    child.expect(".")
    while child.expect([".+", pexpect.TIMEOUT], timeout=3) == 0:
        pass


def session(project: Path, kind: str, keys: tuple[str, ...] = ()) -> str:
    """Open the menu, press keys, leave it and save; return what was printed last."""
    menu = MENUS[kind]
    child = pexpect.spawn(
        sys.executable,
        ["-m", "rootstream", "config", kind],
        cwd=str(project),
        dimensions=(40, 120),
        timeout=600,
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        codec_errors="replace",
    )
    child.expect(menu.shows)
    for key in (*keys, menu.leave):
        drawn(child)
        child.send(key)
    # an old tool asks even if nothing was changed
    if child.expect([pexpect.EOF, menu.asks]) == 1:
        drawn(child)
        child.send(menu.answer)
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return child.before or ""


def test_what_is_changed_in_the_menu_is_saved_and_shown(kind: str, project: Path) -> None:
    menu, own = MENUS[kind], project / "own.config"
    before = own.read_text().splitlines()
    shown = session(project, kind, menu.keys)
    after = own.read_text().splitlines()
    assert menu.line in after
    assert f"+{menu.line}" in shown
    if menu.whole:
        assert len(after) == pytest.approx(len(before), abs=20)
    else:
        assert after[0] == "# mine"
        assert len(after) < 20
    # the second time it opens with what was saved, and leaving it changes nothing
    assert "nothing changed" in session(project, kind)
    assert own.read_text().splitlines() == after
