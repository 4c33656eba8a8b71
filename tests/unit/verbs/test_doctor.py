"""What `rootstream doctor` looks for: QEMU and firmware for the processors of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.boot import firmware
from rootstream.engine import Engine
from rootstream.verbs import doctor

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("capsule", {"riscv32", "riscv64"}),
        ("capsule/overlay/etc", {"riscv32", "riscv64"}),
        ("appliance", {"powerpc", "riscv64", "x86_64"}),
        ("bst-image", {"x86_64"}),
    ],
)
def test_the_processors_of_a_project(folder: str, expected: set[str]) -> None:
    assert set(doctor.architectures(EXAMPLES / folder)) == expected


def test_where_there_is_no_project_or_a_broken_one(tmp_path: Path) -> None:
    assert doctor.architectures(tmp_path) == ("x86_64",)
    (tmp_path / "system.yaml").write_text("systems: {")
    assert doctor.architectures(tmp_path) == ("x86_64",)


def test_what_is_missing_is_named_with_its_package(tmp_path: Path) -> None:
    engine = Engine.of({"HOME": str(tmp_path), "PATH": str(tmp_path)})
    found = {
        need.name: need
        for need in doctor.check(engine, {"PATH": str(tmp_path)}, archs=("aarch64", "powerpc", "riscv32"))
    }
    for program, package in (
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("qemu-system-ppc", "qemu-system-ppc"),
        ("qemu-system-riscv32", "qemu-system-misc"),
    ):
        assert not found[program].met
        assert str(found[program].fix).endswith(package)
    assert "OpenSBI for riscv32" in found
    assert "qemu-system-x86_64" not in found


def test_opensbi_is_found_where_qemu_or_the_distribution_has_it(tmp_path: Path) -> None:
    assert firmware.opensbi("riscv32", usr=tmp_path) is None
    packaged = tmp_path / "lib/riscv32-linux-gnu/opensbi/generic/fw_dynamic.bin"
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert firmware.opensbi("riscv32", usr=tmp_path) == packaged
    own = tmp_path / "share/qemu/opensbi-riscv32-generic-fw_dynamic.bin"
    own.parent.mkdir(parents=True)
    own.touch()
    assert firmware.opensbi("riscv32", usr=tmp_path) == own


def test_a_project_without_buildroot_starts_nothing_in_its_folder(tmp_path: Path) -> None:
    assert doctor.workspaces(tmp_path) is None
    (tmp_path / "system.yaml").write_text("systems:\n  box:\n    root: {busybox: {}}\n    images: [tar]\n")
    assert doctor.workspaces(tmp_path) is None
