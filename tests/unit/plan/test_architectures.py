"""Plans for other processors: which compiler, which flags, which fragments; and nothing of them for x86_64."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from rootstream.architectures import ARCHITECTURES, UEFI, InstructionSet, Row
from rootstream.description.model import Debian, Described, Description, System
from rootstream.formats.kconfig.fragment import fragment_requests
from rootstream.plan import base, inputs, make, toolchain
from rootstream.plan.model import Element, Plan

TARGETS = [
    ({"arch": "aarch64"}, "aarch64", {"cross-aarch64-linux-gnu.bst"}),
    ({"arch": "riscv64"}, "riscv64gc", {"cross-riscv64-linux-gnu.bst"}),
    ({"arch": "riscv64", "isa": "gc"}, "riscv64gc", {"cross-riscv64-linux-gnu.bst"}),
    (
        {"arch": "riscv64", "isa": "imac"},
        "riscv64imac",
        {"cross-riscv64-linux-gnu.bst", "cross-riscv64-unknown-elf.bst"},
    ),
    ({"arch": "riscv32"}, "riscv32gc", {"cross-riscv64-linux-gnu.bst", "cross-riscv64-unknown-elf.bst"}),
    (
        {"arch": "riscv32", "isa": "imac"},
        "riscv32imac",
        {"cross-riscv64-linux-gnu.bst", "cross-riscv64-unknown-elf.bst"},
    ),
    ({"arch": "powerpc"}, "powerpc", {"cross-powerpc-linux-gnu.bst"}),
    ({"arch": "armv7"}, "armv7", {"cross-arm-linux-gnueabihf.bst"}),
]


def planned(words: dict[str, Any], folder: Path) -> Plan:
    system = System.model_validate(
        {
            "root": {"busybox": {}},
            "kernel": {},
            "images": ({"kernel": {}}, {"initramfs": {}}),
            "layers": ({"permissions": ({"path": "/bin/ping", "capabilities": "cap_net_raw+ep"},)},),
            **words,
        }
    )
    description = Description(systems=(Described(name="box", variant=None, system=system),))
    return make.plan(description, inputs.gather(description, folder), None)[0]


def element(plan: Plan, beginning: str) -> Element:
    (found,) = (each for name, each in plan.elements.items() if name.startswith(beginning))
    return found


def test_x86_64_has_no_cross_compiler(tmp_path: Path) -> None:
    plan = planned({}, tmp_path)
    assert not [name for name in plan.elements if name.startswith("cross-")]
    assert "CROSS_COMPILE" not in repr(plan.elements)


@pytest.mark.parametrize(("words", "label", "compilers"), TARGETS)
def test_a_compiler_for_each_processor(
    words: dict[str, Any], label: str, compilers: set[str], tmp_path: Path
) -> None:
    plan = planned(words, tmp_path)
    assert {name for name in plan.elements if name.startswith("cross-")} == compilers
    tools = toolchain.toolchain(words["arch"], words.get("isa"))
    for name in ("linux", "musl", "busybox", "apply-xattrs"):
        made = element(plan, f"{name}-{label}-")
        assert {"base.bst", min(compilers)} <= set(made.uses())
    assert set(element(plan, "musl-").uses()) == {"base.bst", *compilers}
    for command in (line for line in element(plan, "linux-").commands if "/tree" in line and "make " in line):
        assert f"CROSS_COMPILE={tools.prefix}" in command
        assert f"ARCH={tools.row.linux}" in command or f"--arch {tools.row.linux}" in command


@pytest.mark.parametrize("table", ["gpt", "mbr"])
@pytest.mark.parametrize("arch", UEFI)
def test_the_root_of_a_gpt_says_for_which_processor_it_is(arch: str, table: str, tmp_path: Path) -> None:
    disk: dict[str, Any] = {"disk": {"table": table, "partitions": ({"filesystem": "ext4", "mount": "/"},)}}
    plan = planned({"arch": arch, "images": (disk,)}, tmp_path)
    (spec,) = (
        json.loads(data)
        for name, data in plan.files.items()
        if isinstance(data, bytes) and name.endswith("/disk.json")
    )
    uefi = ARCHITECTURES[arch].uefi  # type: ignore[index]
    assert spec.get("root_type") == (uefi.root_type if uefi and table == "gpt" else None)


def test_a_cross_compiler_leaves_out_what_the_base_has(tmp_path: Path) -> None:
    plan = planned({"arch": "powerpc"}, tmp_path)
    (source,) = element(plan, "cross-").sources
    assert source.words["packages"] == ["gcc-powerpc-linux-gnu"]
    assert source.words["without"] == sorted(set(base.packages(Debian())))
    assert source.locked


@pytest.mark.parametrize(("row", "isa"), [(row, isa) for row in ARCHITECTURES.values() for isa in row.isas])
def test_every_built_in_fragment_can_be_read(row: Row, isa: InstructionSet) -> None:
    linux = (*toolchain.toolchain(row.name, isa.name).fragments, *([row.uefi.fragment] if row.uefi else []))
    for kind, names in (("linux", filter(None, linux)), ("busybox", ("default", *row.busybox_fragments))):
        for name in names:
            text = (resources.files("rootstream.recipes") / kind / f"{name}.config").read_text()
            requests, problems = fragment_requests(name, text)
            assert requests
            assert not problems
