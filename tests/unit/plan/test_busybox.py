"""The small tree of scripts that a root of BusyBox begins with."""

from __future__ import annotations

import tarfile
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from rootstream.description.roots import BusyboxRoot
from rootstream.plan.model import Source
from rootstream.plan.roots import busybox
from rootstream.plan.sources import Unpacked


def skeleton(**words: Any) -> dict[str, tarfile.TarInfo]:  # noqa: ANN401
    made = busybox.skeleton(BusyboxRoot.model_validate(words), epoch=7)
    with tarfile.open(fileobj=BytesIO(made)) as tar:
        return {each.name: each for each in tar.getmembers()}


@pytest.mark.parametrize(("network", "brought_up"), [("none", False), ("dhcp", True)])
def test_the_network_is_brought_up_if_there_is_one(network: str, *, brought_up: bool) -> None:
    names = skeleton(network=network)
    assert any(name.endswith("S40network") for name in names) == brought_up
    assert "etc/inittab" in names


def test_folders_and_links_have_their_kinds() -> None:
    found = skeleton()
    assert {name: found[name].linkname for name in busybox.LINKS} == busybox.LINKS
    assert all(found[name].issym() for name in busybox.LINKS)
    assert all(found[name].isdir() for name in busybox.FOLDERS)
    assert found["etc/inittab"].mode == 0o644
    assert {each.mtime for each in found.values()} == {7}


def test_terminals_are_kept_running() -> None:
    root = BusyboxRoot.model_validate({"console": ("console", "ttyS1"), "baud": 9600})
    assert busybox.inittab(root).splitlines()[1:] == [
        "::sysinit:/etc/init.d/rcS",
        "::respawn:/sbin/getty -L 9600 console linux",
        "ttyS1::respawn:/sbin/getty -L 9600 ttyS1 linux",
        "::ctrlaltdel:/sbin/reboot",
        "::shutdown:/etc/init.d/rcK",
        "::restart:/sbin/init",
    ]


@pytest.mark.parametrize(("foreign", "libgcc"), [(False, False), (True, False), (True, True)])
def test_musl_is_told_of_a_foreign_compiler(*, foreign: bool, libgcc: bool) -> None:
    isa, row = SimpleNamespace(libgcc=libgcc), SimpleNamespace(name="riscv64")
    tools: Any = SimpleNamespace(foreign=foreign, isa=isa, row=row, prefix="riscv64-linux-gnu-")
    words = busybox._foreign_words(tools).split()
    assert ("--target=riscv64-linux-musl" in words) == ("CROSS_COMPILE=riscv64-linux-gnu-" in words) == foreign
    assert ("LIBCC=../target/libgcc.a" in words) == libgcc


@pytest.mark.parametrize(("kind", "noted"), [("debian_source", False), ("local", True), ("git", True)])
def test_the_version_of_musl_is_noted_where_the_lock_has_none(kind: str, *, noted: bool) -> None:
    """That of a source package of Debian is known, and what is built from that stays in caches."""
    tree = Unpacked(sources=(Source(kind=kind, words={}, locked=False),), commands=())
    assert busybox._is_of_debian(tree) == (not noted)
