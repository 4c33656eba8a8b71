"""Libraries that were dropped under programs that are linked with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rootstream.sandbox.rootfs.needed import lacking, libraries, needed
from rootstream.sandbox.tar_files import lay_folder
from rootstream.sandbox.tree import Tree

PROGRAM = Path(shutil.which("bash") or "/bin/bash").resolve()


def test_what_a_program_is_linked_with() -> None:
    data = PROGRAM.read_bytes()
    names = tuple(needed(lambda offset, size: data[offset : offset + size]))
    assert any(name.startswith("libc.so") for name in names)
    assert all(".so" in name for name in names)


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + bytes(58)])
def test_what_is_linked_with_nothing(data: bytes) -> None:
    assert tuple(needed(lambda offset, size: data[offset : offset + size])) == ()


def test_a_dropped_library_is_told_with_who_needs_it(tmp_path: Path) -> None:
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    shutil.copy(PROGRAM, tmp_path / "usr" / "program")
    (tmp_path / "usr" / "broken").write_bytes(b"\x7fELF")
    for name in ("libc.so.6", "libother.so.1"):
        (tmp_path / "usr" / "lib" / name).write_bytes(b"")
    tree = Tree()
    lay_folder(tree, tmp_path)
    before = libraries(tree)
    tree.remove("usr/lib/libother.so.1")
    assert lacking(tree, before - libraries(tree)) == ()
    tree.remove("usr/lib/libc.so.6")
    assert lacking(tree, before - libraries(tree)) == ("/usr/program needs libc.so.6, which is dropped",)
