"""examples/capsule: kernels with their root inside for three kinds of RISC-V, from one description."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import Example, verified

from rootstream.formats import elf

# Name: bits, where the kernel is linked to
CAPSULES = {
    "riscv64gc": (64, 0xFFFFFFFF80000000),
    "riscv64imac": (64, 0xFFFFFFFF80000000),
    "riscv32imac": (32, 0xC0000000),
}


@pytest.fixture(scope="module")
def capsules(example: Example) -> Path:
    return example("capsule", *CAPSULES, "riscv64gc@loader")


@pytest.mark.parametrize("name", CAPSULES)
def test_a_capsule_is_one_elf_file_as_a_hypervisor_takes_it(capsules: Path, name: str) -> None:
    bits, virtual = CAPSULES[name]
    data = (capsules / "out" / name / "boot" / "binaries" / name / "supervisor").read_bytes()
    found = elf.read(data)
    assert (found.bits, found.machine, found.type) == (bits, 243, 2)
    assert (found.lowest, found.entry, found.physical_entry()) == (0, virtual, 0)
    assert len(data) < 8 << 20


@pytest.mark.parametrize("name", CAPSULES)
def test_a_capsule_boots_to_a_shell(capsules: Path, name: str) -> None:
    """Those without floating point boot on a processor that has none."""
    told = verified(capsules, name)
    (boot,) = told["boots"]
    assert boot["times"]["login"] > 0
    assert ("f=off" in str(told)) == name.endswith("imac")


def test_a_capsule_for_boot_loaders_lies_where_memory_is(capsules: Path) -> None:
    found = elf.read((capsules / "out" / "riscv64gc@loader" / "capsule.elf").read_bytes())
    assert found.lowest == found.entry == found.physical_entry() == 0x80200000
    verified(capsules, "riscv64gc@loader")


def test_a_changed_file_is_in_the_capsule_without_a_new_kernel(capsules: Path) -> None:
    (capsules / "overlay" / "etc" / "capsule").write_text("another root is inside the kernel\n")
    done = rootstream("build", "riscv64gc", cwd=capsules, check=True)
    assert "linux-" not in done.stdout + done.stderr
    text = (capsules / "system.yaml").read_text().replace("^the root is", "^another root is")
    (capsules / "system.yaml").write_text(text)
    verified(capsules, "riscv64gc")
