"""Whatever a tree has in it is in the image as other programs read it, or told with its path and the limit."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rootstream.engine import said
from rootstream.sandbox import limits
from rootstream.sandbox.images import capsule, ext, image
from rootstream.sandbox.program import Mistake, command, feed, run_main
from rootstream.sandbox.tree import Inode, InodeKind, Tree, directory, text_file
from tests import nasty


@dataclass(frozen=True)
class Large:
    """A file that is not read."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        raise AssertionError("it was read")


def large(size: int) -> Tree:
    return one("f", Inode(kind=InodeKind.FILE, mode=0o644, content=Large(size)))


def attribute(size: int) -> Tree:
    return one("f", replace(text_file(b""), xattrs=(("user.x", bytes(size)),)))


# The rest is made by tools that a host may lack or have in an older version: tests/engine/test_nasty_images.py.
@pytest.mark.parametrize("kind", sorted(nasty.ALL.keys() - nasty.BY_TOOLS))
def test_all_of_it_is_read_back(kind: str, tmp_path: Path) -> None:
    assert nasty.ALL[kind](tmp_path) == []


def one(path: str, inode: Inode) -> Tree:
    tree = Tree()
    tree.put(path, inode)
    return tree


def symlink(length: int) -> Inode:
    return Inode(kind=InodeKind.SYMLINK, mode=0o777, target="t" * length)


@pytest.mark.parametrize(
    ("path", "inode", "message"),
    [
        ("a/" + "n" * 256, text_file(b""), r"^/a/n+ ends with a name of 256 bytes; Linux has 255 at most$"),
        ("é" * 128, text_file(b""), "a name of 256 bytes"),
        (
            "abcdefg/" * 512 + "f",
            text_file(b""),
            r"^/abcdefg.*\.\.\. is a path of 4097 bytes; Linux has 4095",
        ),
        ("link", symlink(4096), "^/link is a symlink to a path of 4096 bytes, not of 1 to 4095$"),
        ("link", symlink(0), "^/link is a symlink to a path of 0 bytes"),
        (
            "a",
            replace(text_file(b""), xattrs=(("user.x", bytes(65537)),)),
            "^/a: the extended attribute user",
        ),
    ],
)
def test_what_no_linux_can_have(path: str, inode: Inode, message: str) -> None:
    with pytest.raises(Mistake, match=message):
        limits.require_possible(one(path, inode))


def test_the_longest_of_all_is_possible() -> None:
    tree = one("n" * 255, text_file(b""))
    tree.put("link", symlink(4095))
    limits.require_possible(tree)


def test_many_problems_are_told_as_a_number() -> None:
    with pytest.raises(Mistake) as caught:
        limits.require_none([str(number) for number in range(limits.MOST_TOLD + 7)])
    assert len(caught.value.problems) == limits.MOST_TOLD + 1
    assert "7 more" in caught.value.problems[-1]


def linked(count: int) -> Tree:
    tree = one("0", text_file(b""))
    for number in range(1, count):
        tree.link(f"{number}", "0")
    return tree


def many_owners(count: int) -> Tree:
    tree = Tree()
    for number in range(count):
        tree.put(f"{number}", text_file(b"", uid=number))
    return tree


def folders(count: int) -> Tree:
    tree = Tree()
    for number in range(count):
        tree.put(f"d/{number}", directory())
    return tree


@pytest.mark.parametrize(
    ("kind", "tree", "message"),
    [
        (
            "ext2",
            one("f", Inode(kind=InodeKind.FILE, mode=0o644, content=Large(1 << 41))),
            "^/f has 2199023255552 bytes; ext2",
        ),
        (
            "ext4",
            one("f", Inode(kind=InodeKind.FILE, mode=0o644, content=Large(1 << 44))),
            "^/f has 17592186044416 bytes; ext4",
        ),
        (
            "ext4",
            one("f", replace(text_file(b""), xattrs=(("user.x", bytes(4096)),))),
            "^/f has .* extended attributes; ext4",
        ),
        ("ext2", linked(32001), "has more than 32000 hard links"),
        ("ext2", folders(31999), "^/d has 31999 folders in it; ext2 supports 31998"),
    ],
    ids=["ext2-size", "ext4-size", "attributes", "links", "folders"],
)
def test_what_ext_cannot_hold(kind: str, tree: Tree, message: str) -> None:
    with pytest.raises(Mistake, match=message):
        ext.require_possible(tree, kind)


def test_an_ext4_has_a_journal_or_is_refused(tmp_path: Path) -> None:
    assert ext.auto_size(Tree(), "ext4", 0) == ext.SMALLEST_JOURNALED
    assert ext.auto_size(Tree(), "ext2", 0) < ext.SMALLEST_JOURNALED
    small = ext.ExtOptions(type="ext4", label="x", seed="x", size=ext.SMALLEST_JOURNALED - ext.BLOCK)
    with pytest.raises(Mistake, match="too small for the journal") as caught:
        ext.make_ext(Tree(), small, tmp_path / "image", epoch=0)
    assert ext.is_full(caught.value)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("mke2fs: inode_size (256) * inodes_count (3800) too big for a\n\tfilesystem with 16 blocks", True),
        ("Not enough space to build proposed filesystem while setting up superblock", True),
        ("Filesystem too small for a journal", True),
        ("mke2fs: Permission denied", False),
    ],
)
def test_a_full_file_system_is_told_by_the_words_of_mke2fs(text: str, full: bool) -> None:
    assert ext.is_full(Mistake(text)) is full


def test_what_ext_can_hold() -> None:
    ext.require_possible(linked(32000), "ext2")
    ext.require_possible(folders(31998), "ext2")
    ext.require_possible(folders(70000), "ext4")
    ext.require_possible(large(1 << 41), "ext4")
    ext.require_possible(attribute(4000), "ext4")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (attribute(70000), "^/f has 70006 bytes of extended attributes, 60000 are possible"),
        (
            one("f", replace(text_file(b""), xattrs=(("system.posix_acl_access", b"x"),))),
            "^/f: .* not system.posix_acl_access",
        ),
        (many_owners(70000), "^the root has 70000 owners and groups; a squashfs has room for 65535"),
    ],
    ids=["size", "namespace", "owners"],
)
def test_what_a_squashfs_cannot_hold(tmp_path: Path, tree: Tree, message: str) -> None:
    with pytest.raises(Mistake, match=message):
        image.write_squashfs(tree, tmp_path / "image", "gzip", epoch=0)


def test_attributes_that_nothing_sets_at_the_start_are_an_error() -> None:
    tree = one("sbin/init", text_file(b"", 0o755))
    tree.put("bin/ping", replace(text_file(b""), xattrs=(nasty.CAPABILITY,)))
    with pytest.raises(Mistake, match=r"^/bin/ping has extended attributes"):
        image.prepare_initramfs(tree, link_init=True)
    tree.put(image.XATTR_PROGRAM, text_file(b"", 0o755))
    image.prepare_initramfs(tree, link_init=True)
    assert tree.find(image.XATTR_TABLE) is not None


def test_a_capsule_has_a_largest_initramfs(tmp_path: Path) -> None:
    initramfs = tmp_path / "initramfs"
    with initramfs.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(Mistake, match="has 1073741825 bytes; a kernel for x86_64 can be linked with 1073741824"):
        capsule.link(tmp_path, initramfs, "x86_64", 0)


def test_a_long_command_is_shown_in_part() -> None:
    assert command(["mcopy", "a b"]) == "mcopy 'a b'"
    with pytest.raises(Mistake) as caught:
        feed(["false", *("x" * 100 for _ in range(200))], epoch=0)
    assert len(str(caught.value)) < 1200
    assert "(201 arguments)" in str(caught.value)


def test_what_a_program_refuses_is_the_error_of_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: argparse.Namespace) -> None:
        raise Mistake("/boot/a has 5 bytes; 4 are possible", "mke2fs failed with status 1\nits words\n\nmke2fs -q")

    argv, sys.argv = sys.argv, ["disk"]
    try:
        assert run_main(refuse, argparse.ArgumentParser(prog="disk")) == 2
    finally:
        sys.argv = argv
    first, second = said.messages(capsys.readouterr().err.split("\n"))
    assert (first.severity, first.error().reason) == ("error", "disk-failed")
    assert first.text == "/boot/a has 5 bytes; 4 are possible"
    assert second.lines == ["mke2fs failed with status 1", "its words", "", "mke2fs -q"]
