"""The table of architectures: whole, and the only one."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from rootstream.architectures import ARCHITECTURES, HOST, Architecture, Row, of_buildroot
from rootstream.formats import elf
from rootstream.sandbox.images import uki
from tests.sources import SOURCE, files, nodes

DOCS = Path(__file__).parents[2] / "docs"
# What runs in the sandbox has numbers of file formats by names of architectures; the test below compares them.
FORMATS = {
    "rootstream/architectures.py",
    "rootstream/formats/elf.py",
}
EACH = pytest.mark.parametrize("row", ARCHITECTURES.values(), ids=list(ARCHITECTURES))


def test_every_name_has_a_row() -> None:
    assert tuple(ARCHITECTURES) == get_args(Architecture)
    assert all(row.name == name for name, row in ARCHITECTURES.items())
    assert HOST in ARCHITECTURES


@EACH
def test_a_row_is_whole(row: Row) -> None:
    assert row.target in row.board.kernels or "uImage" in row.board.kernels
    assert row.kernel_file == row.target
    assert row.kernel_package is None or row.debian is not None
    assert {isa.name is None for isa in row.isas} == {not row.has_isas}
    assert all(isa.label == row.name + (isa.name or "") for isa in row.isas)
    assert all(row.debian for isa in row.isas if isa.rust)
    assert row.load or not row.linked_to_0
    assert row.opensbi or not row.board.opensbi
    firmwares = {client.firmware for client in row.netboot}
    assert firmwares == {*(["bios"] if row.board.bios else []), *(["uefi"] if row.uefi else [])}
    assert all(client.services or client.http for client in row.netboot)


def test_clients_of_a_network_are_told_apart() -> None:
    clients = [client for row in ARCHITECTURES.values() for client in row.netboot]
    numbers = [number for client in clients for number in client.numbers]
    assert len(set(numbers)) == len(numbers)
    assert len({client.tag for client in clients}) == len(clients)


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        *(({"BR2_ARCH": f'"{name}"'}, name) for name, row in ARCHITECTURES.items() if not row.buildroot),
        ({"BR2_ARCH": '"arm"', "BR2_ARM_CPU_ARMV7A": "y"}, "armv7"),
        ({"BR2_ARCH": '"arm"', "BR2_ARM_CPU_ARMV5": "y"}, None),
        ({"BR2_ARCH": '"mips"'}, None),
        ({}, None),
    ],
)
def test_what_a_configuration_of_buildroot_is_for(symbols: dict[str, str], expected: str | None) -> None:
    assert of_buildroot(symbols) == expected


def test_numbers_of_formats_are_of_architectures_that_there_are() -> None:
    for table in (elf.MACHINES, elf.BITS):
        assert table.keys() <= ARCHITECTURES.keys()
    for name, row in ARCHITECTURES.items():
        assert (name in elf.MACHINES and name in elf.BITS) or not row.capsules
        assert elf.BITS.get(name) in (None, 64 if name.endswith("64") else 32)
        if row.uefi:
            assert uki.MACHINES[row.uefi.machine] == row.uefi.program


def test_no_other_module_lists_architectures() -> None:
    """Two of their names in one tuple, list or dictionary are a list of its own, which the next one is not in."""
    found = (path for path in files() if any(lists(nodes(path))))
    assert {str(path.relative_to(SOURCE)) for path in found} == FORMATS


def lists(found: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Return tuples, lists, sets and dictionaries with names of architectures, two or more."""
    for node in found:
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            values = {each.value for each in items if isinstance(each, ast.Constant)}
            if len(values & ARCHITECTURES.keys()) > 1:
                yield node


@pytest.mark.parametrize(
    "line", ['X = ("x86_64", "aarch64")', 'X = {"riscv64": 1, "powerpc": 2}', 'f(["riscv32", "x86_64"])']
)
def test_what_is_a_list_of_architectures(line: str) -> None:
    assert list(lists(ast.walk(ast.parse(line))))


@EACH
def test_the_documentation_knows_it(row: Row) -> None:
    page = (DOCS / "how-to/architectures.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith(f"| `{row.name}` |")]
    for word in (row.kernel_file, f"`{row.board.machine}`", row.board.package):
        assert word in line
