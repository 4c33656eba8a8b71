"""An initramfs in two archives: what the second holds, and that both together are the root."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from rootstream.sandbox.handover import dump
from rootstream.sandbox.images import base_archive
from rootstream.sandbox.images.delta import changed
from rootstream.sandbox.rootfs.spec import RootSpec
from rootstream.sandbox.tar_files import write_tar
from rootstream.sandbox.tree import Inode, InodeKind, Tree, text_file

EPOCH = 1_700_000_000


def sample() -> Tree:
    tree = Tree()
    tree.put("sbin/init", text_file(b"#!/bin/sh\n", 0o755))
    tree.put("etc/motd", text_file(b"old\n"))
    tree.put("bin/a", text_file(b"linked", 0o755))
    tree.link("bin/b", "bin/a")
    tree.put("link", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="bin/a"))
    tree.put("dev/null", Inode(kind=InodeKind.CHAR, mode=0o666, device=(1, 3)))
    return tree


def test_a_copy_goes_its_own_way() -> None:
    tree = sample()
    twin = tree.copy()
    twin.put("etc/new", text_file(b"new"))
    twin.remove("link")
    assert tree.get("etc/new") is None
    assert tree.get("link") is not None
    assert changed(tree, tree.copy()) == frozenset()


def test_what_differs_is_written_again() -> None:
    after = sample()
    after.put("etc/motd", text_file(b"new\n"))
    after.put("srv/data/file", text_file(b"x"))
    after.put("link", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="bin/b"))
    assert changed(sample(), after) == frozenset({"etc/motd", "srv", "srv/data", "srv/data/file", "link"})


def test_hard_links_are_written_together() -> None:
    after = sample()
    after.change("bin/a", text_file(b"linked", 0o4755))
    assert changed(sample(), after) == frozenset({"bin/a", "bin/b"})
    after = sample()
    after.link("bin/c", "etc/motd")
    assert changed(sample(), after) == frozenset({"bin/c", "etc/motd"})


def test_what_an_archive_cannot_say() -> None:
    gone, parted, renumbered = sample(), sample(), sample()
    gone.remove("link")
    parted.put("bin/a", text_file(b"linked", 0o755))
    renumbered.put("dev/null", Inode(kind=InodeKind.CHAR, mode=0o666, device=(1, 5)))
    assert [changed(sample(), after) for after in (gone, parted, renumbered)] == [None, None, None]


def program(folder: Path, *words: str) -> None:
    with chdir(folder):
        base_archive._main(base_archive._parser().parse_args(words))


def built(
    folder: Path, overlay: Tree, *, drop: tuple[str, ...] = (), extra: tuple[str, ...] = ()
) -> tuple[int, Path]:
    """Return the size of the stem and an initramfs grown on it, neither compressed."""
    for name, tree in (("base.tar", sample()), ("overlay.tar", overlay)):
        with (folder / name).open("wb") as file:
            write_tar(tree, file, EPOCH)
    (folder / "stem.json").write_bytes(dump(RootSpec(epoch=EPOCH, drop=drop)))
    (folder / "spec.json").write_bytes(dump(RootSpec(epoch=EPOCH, drop=drop, hostname="box")))
    words = ("--base", "base.tar", "--compression", "none")
    program(folder, "pack", *words, "--spec", "stem.json", "-o", "stem")
    grow = ("--stem", "stem", "--over", "overlay.tar", "--spec", "spec.json", "-o", "initramfs")
    program(folder, "grow", *words, *grow, *extra)
    return (folder / "stem").stat().st_size, folder / "initramfs"


@pytest.fixture(autouse=True)
def _epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))


def layer() -> Tree:
    tree = Tree()
    tree.put("etc/motd", text_file(b"new\n"))
    return tree


def test_a_small_change_is_a_small_archive_behind_the_stem(tmp_path: Path) -> None:
    size, image = built(tmp_path, layer())
    data = image.read_bytes()
    assert data[:size] == (tmp_path / "stem").read_bytes()
    assert b"new\n" in data[size:]
    assert b"linked" in data[:size]
    assert b"linked" not in data[size:]
    assert b"bin/a" not in data[size:]


def test_a_name_that_goes_takes_the_stem_with_it(tmp_path: Path) -> None:
    over = Tree()
    over.put("bin/a", text_file(b"parted", 0o755))
    _, image = built(tmp_path, over)
    data = image.read_bytes()
    assert data.count(b"TRAILER!!!") == 1
    assert b"sbin/init" in data
    assert b"parted" in data


def test_what_is_dropped_is_in_neither(tmp_path: Path) -> None:
    over = layer()
    over.put("usr/share/doc/new", text_file(b"documented"))
    size, image = built(tmp_path, over, drop=("/bin", "/usr/share/doc"))
    assert image.stat().st_size > size
    for word in (b"linked", b"documented", b"usr/share/doc"):
        assert word not in image.read_bytes()


def test_secrets_come_last_and_as_they_are(tmp_path: Path) -> None:
    over = layer()
    over.put("etc/token", text_file(b"$rssecret$0123456789abcdef"))
    size, image = built(tmp_path, over, extra=("--secrets",))
    assert image.read_bytes()[size:].count(b"TRAILER!!!") == 2
