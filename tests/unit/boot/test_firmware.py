"""Firmware: found where distributions put it, and left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.boot.firmware import private, sbi, uefi
from rootstream.errors import UserError


def test_firmware_is_found_and_kept_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        uefi("x86_64", share=tmp_path)
    assert caught.value.reason == "firmware-missing"
    (tmp_path / "OVMF").mkdir()
    (tmp_path / "OVMF/OVMF_CODE_4M.fd").write_bytes(b"code")
    (tmp_path / "OVMF/OVMF_VARS_4M.fd").write_bytes(b"template")
    found = private(uefi("x86_64", share=tmp_path), tmp_path)
    assert found.code == tmp_path / "OVMF/OVMF_CODE_4M.fd"
    assert found.variables is not None
    assert found.variables.parent == tmp_path
    assert found.variables.read_bytes() == b"template"


def test_riscv_starts_uefi_by_uboot_where_it_is(tmp_path: Path) -> None:
    uboot = tmp_path / "lib/u-boot/qemu-riscv64_smode/uboot.elf"
    uboot.parent.mkdir(parents=True)
    uboot.write_bytes(b"ELF\0bootdelay\0bootcmd=run\0bootdelay=2\0baudrate=115200\0")
    found = uefi("riscv64", share=tmp_path / "share")
    assert (found.code, found.variables) == (uboot, None)
    waiting = private(found, tmp_path).code
    assert waiting.parent == tmp_path
    assert waiting.read_bytes() == b"ELF\0bootdelay\0bootcmd=run\0bootdelay=0\0baudrate=115200\0"
    assert b"bootdelay=2" in uboot.read_bytes()


def test_no_uefi_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        uefi("powerpc", share=tmp_path)
    assert caught.value.reason == "firmware-missing"


def test_opensbi_where_qemu_has_none(tmp_path: Path) -> None:
    packaged = tmp_path / "lib/riscv32-linux-gnu/opensbi/generic/fw_dynamic.bin"
    assert sbi("riscv32", usr=tmp_path) is None
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert sbi("riscv32", usr=tmp_path) == packaged
    assert sbi("riscv64", usr=tmp_path) is None
    own = tmp_path / "share/qemu/opensbi-riscv32-generic-fw_dynamic.bin"
    own.parent.mkdir(parents=True)
    own.touch()
    assert sbi("riscv32", usr=tmp_path) is None
