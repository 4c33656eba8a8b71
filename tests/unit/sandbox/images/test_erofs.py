"""EROFS: what it cannot hold is told, secrets stay uncompressed, and the description says what a root takes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.sandbox.images.erofs import hints, require_place
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Tree, text_file
from tests.loading import system, wrong


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("system.other", b"x", "^/a/b: erofs supports only extended attributes of user., .*, not system.other"),
        ("user.large", bytes(65_536), ""),
    ],
)
def test_what_it_cannot_hold(name: str, value: bytes, message: str) -> None:
    tree = Tree()
    tree.put("a/b", replace(text_file(b""), xattrs=((name, value),)))
    if not message:
        require_place(tree)
        return
    with pytest.raises(Mistake, match=message):
        require_place(tree)


def test_too_many_bytes_of_attributes() -> None:
    tree = Tree()
    attributes = tuple((f"user.{number}", bytes(65_000)) for number in range(5))
    tree.put("a", replace(text_file(b""), xattrs=attributes))
    with pytest.raises(Mistake, match=r"^/a has 325.* bytes of extended attributes, at most 262140 are possible"):
        require_place(tree)


@pytest.mark.parametrize("path", ["etc/shadow", "srv/a b", "srv/(x)[y]*.key", "a\udcff\nb", "x$"])
def test_the_pattern_of_a_secret_is_one_word_and_matches_its_path(path: str) -> None:
    (line,) = hints([path]).splitlines()
    size, algorithm, pattern = line.split()
    assert (size, algorithm) == (b"0", b"0")
    raw = path.encode("utf-8", "surrogateescape")
    for known in (raw, b"./" + raw):
        assert re.search(pattern, known, re.DOTALL)
    assert not re.search(pattern, b"other/" + raw, re.DOTALL)


def test_a_kernel_from_source_can_mount_it(tmp_path: Path) -> None:
    (image,) = system(tmp_path, "images: [{erofs: {compression: lzma}}]\nkernel: {}").images
    assert image.kernel_fragments == ("erofs", "erofs-lzma")
    assert image.file_name(None, "x86_64") == "rootfs.erofs"


def test_buildroot_has_fewer_ways_to_compress(tmp_path: Path) -> None:
    root = "root: {buildroot: {tree: {local: b}}}\n"
    (tmp_path / "b").mkdir()
    (image,) = system(tmp_path, f"{root}kernel: null\nimages: [{{erofs: {{compression: none}}}}]").images
    assert image.buildroot_symbols() == {"BR2_TARGET_ROOTFS_EROFS": "y", "BR2_TARGET_ROOTFS_EROFS_NONE": "y"}
    words = f"{root}kernel: null\nimages: [{{erofs: {{compression: zstd}}}}]"
    assert wrong(tmp_path, words) == [("not-possible", 3)]
