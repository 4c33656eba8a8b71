"""The initramfs: newc archives as the kernel reads them, and what is added for it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import rootstream.sandbox.rootfs
from rootstream.sandbox.images.compress import compressor
from rootstream.sandbox.images.cpio import write_cpio
from rootstream.sandbox.images.image import XATTR_PROGRAM, prepare_initramfs, xattr_table
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Inode, InodeKind, Tree, text_file

SOURCE = Path(rootstream.sandbox.rootfs.__file__).with_name("apply_xattrs.c")
MTIME = 1_700_000_000
CAPABILITY = ("security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))


def sample() -> Tree:
    tree = Tree()
    tree.put("sbin/init", text_file(b"#!/bin/sh\n", 0o755))
    tree.put("bin/a", Inode(kind=InodeKind.FILE, mode=0o4755, uid=1, gid=2, content=text_file(b"linked").content))
    tree.link("bin/b", "bin/a")
    tree.link("zz", "bin/a")
    tree.put("link", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="bin/a"))
    tree.put("dev/null", Inode(kind=InodeKind.CHAR, mode=0o666, device=(1, 3)))
    tree.put("pipe", Inode(kind=InodeKind.FIFO, mode=0o600))
    return tree


def written(tree: Tree) -> bytes:
    output = io.BytesIO()
    write_cpio(tree, output, MTIME)
    return output.getvalue()


def members(data: bytes) -> Iterator[tuple[str, dict[str, int], bytes]]:
    """Read newc as the kernel's documentation describes it."""
    keys = (
        "ino",
        "mode",
        "uid",
        "gid",
        "nlink",
        "mtime",
        "size",
        "major",
        "minor",
        "rmajor",
        "rminor",
        "namesize",
        "check",
    )
    place = 0
    while True:
        assert data[place : place + 6] == b"070701"
        numbers = [int(data[place + 6 + 8 * n : place + 14 + 8 * n], 16) for n in range(13)]
        fields = dict(zip(keys, numbers, strict=True))
        start = place + 110
        name = data[start : start + fields["namesize"] - 1].decode()
        assert data[start + fields["namesize"] - 1] == 0
        body = start + fields["namesize"] + -(110 + fields["namesize"]) % 4
        place = body + fields["size"] + -fields["size"] % 4
        if name == "TRAILER!!!":
            assert not data[place:].strip(b"\0")
            return
        yield name, fields, data[body : body + fields["size"]]


def test_members_are_sorted_with_owner_mode_and_device() -> None:
    found = {name: (fields, body) for name, fields, body in members(written(sample()))}
    assert list(found) == [
        ".",
        "bin",
        "bin/a",
        "bin/b",
        "dev",
        "dev/null",
        "link",
        "pipe",
        "sbin",
        "sbin/init",
        "zz",
    ]
    assert {name: fields["mode"] for name, (fields, _) in found.items()} == {
        ".": 0o40755,
        "bin": 0o40755,
        "bin/a": 0o104755,
        "bin/b": 0o104755,
        "dev": 0o40755,
        "dev/null": 0o20666,
        "link": 0o120777,
        "pipe": 0o10600,
        "sbin": 0o40755,
        "sbin/init": 0o100755,
        "zz": 0o104755,
    }
    null = found["dev/null"][0]
    assert (null["rmajor"], null["rminor"]) == (1, 3)
    assert (found["bin/a"][0]["uid"], found["bin/a"][0]["gid"]) == (1, 2)
    assert found["link"][1] == b"bin/a"
    assert {fields["mtime"] for fields, _ in found.values()} == {MTIME}


def test_hard_links_share_a_number_and_the_last_has_the_bytes() -> None:
    found = {name: (fields, body) for name, fields, body in members(written(sample()))}
    linked = [found[name] for name in ("bin/a", "bin/b", "zz")]
    assert len({fields["ino"] for fields, _ in linked}) == 1
    assert {fields["nlink"] for fields, _ in linked} == {3}
    assert [body for _, body in linked] == [b"", b"", b"linked"]
    others = [fields["ino"] for name, (fields, _) in found.items() if name not in ("bin/b", "zz")]
    assert others == sorted(set(others))


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_unpacks_it(tmp_path: Path) -> None:
    tree = sample()
    part = tree.subtree("bin")
    subprocess.run(
        ["cpio", "-i", "--quiet", "--no-preserve-owner"], input=written(part), cwd=tmp_path, check=True, timeout=60
    )
    assert (tmp_path / "a").read_bytes() == b"linked"
    assert (tmp_path / "a").samefile(tmp_path / "b")


def test_the_kernel_gets_init_and_console() -> None:
    tree = sample()
    prepare_initramfs(tree, link_init=True)
    init, console = tree.get("init"), tree.get("dev/console")
    assert init is not None
    assert init.target == "sbin/init"
    assert console is not None
    assert (console.kind, console.device) == (InodeKind.CHAR, (5, 1))
    assert tree.get("etc/rootstream/xattrs") is None
    plain = sample()
    prepare_initramfs(plain, link_init=False)
    assert plain.get("init") is None


def test_a_root_without_init_is_refused() -> None:
    with pytest.raises(Mistake, match="neither /init nor /sbin/init"):
        prepare_initramfs(Tree(), link_init=True)


def test_extended_attributes_travel_in_a_table() -> None:
    tree = sample()
    tree.put("bin/my ping", Inode(kind=InodeKind.FILE, mode=0o755, xattrs=(CAPABILITY, ("user.empty", b""))))
    tree.put(XATTR_PROGRAM, text_file(b"", 0o755))
    prepare_initramfs(tree, link_init=False)
    assert xattr_table(tree) == (
        b"0100000200200000000000000000000000000000 security.capability /bin/my ping\n- user.empty /bin/my ping\n"
    )
    assert tree.get("etc/rootstream/xattrs") is not None
    tree.put("bad\nname", Inode(kind=InodeKind.FILE, mode=0o755, xattrs=(CAPABILITY,)))
    with pytest.raises(Mistake, match="cannot contain"):
        xattr_table(tree)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_table_is_applied(tmp_path: Path) -> None:
    program, target, table = tmp_path / "apply", tmp_path / "a file", tmp_path / "table"
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE], check=True, timeout=60)
    target.write_bytes(b"")
    try:
        os.setxattr(target, "user.probe", b"1")
    except OSError:
        pytest.skip("the temporary folder holds no extended attributes")
    tree = Tree()
    xattrs = (("user.bytes", bytes(range(256))), ("user.empty", b""))
    tree.put(str(target), Inode(kind=InodeKind.FILE, mode=0o644, xattrs=xattrs))
    table.write_bytes(xattr_table(tree))
    subprocess.run([program, table], check=True, timeout=10)
    assert os.getxattr(target, "user.bytes") == bytes(range(256))
    assert os.getxattr(target, "user.empty") == b""
    for wrong in ("", "0x user.a /x", "00 user.a relative", f"0 user.a {target}", f"00 user.a {tmp_path}/absent"):
        table.write_text(wrong + "\n")
        done = subprocess.run([program, table], check=False, capture_output=True, timeout=10)
        assert done.returncode == 1
        assert done.stderr.startswith(b"apply-xattrs: ")


@pytest.mark.parametrize(
    ("kind", "level", "argv"),
    [
        ("none", None, ()),
        ("gzip", None, ("gzip", "-n", "-9", "-c")),
        ("xz", 3, ("xz", "-3", "--check=crc32", "--threads=4", "--no-adjust", "--stdout")),
        ("zstd", None, ("zstd", "-q", "-19", "-T4", "-c")),
        ("zstd", 22, ("zstd", "-q", "--ultra", "-22", "-T4", "-c")),
    ],
)
def test_compressors_that_the_kernel_understands(kind: str, level: int | None, argv: tuple[str, ...]) -> None:
    assert compressor(kind, level, kernel=True) == argv


@pytest.mark.parametrize(
    ("level", "size", "words"),
    [
        (None, 32 << 20, ("-19", "-T4", "-c", f"--stream-size={32 << 20}")),
        (None, (32 << 20) + 1, ("-9", "-T4", "-c", f"--stream-size={(32 << 20) + 1}")),
        (19, 1 << 30, ("-19", "-T4", "-c", f"--stream-size={1 << 30}")),
    ],
)
def test_what_is_large_is_packed_at_a_level_in_proportion(
    level: int | None, size: int, words: tuple[str, ...]
) -> None:
    assert compressor("zstd", level, kernel=True, size=size) == ("zstd", "-q", *words)


@pytest.mark.parametrize(("kind", "level"), [("gzip", 10), ("xz", -1), ("zstd", 23), ("none", 1)])
def test_a_level_that_does_not_exist(kind: str, level: int) -> None:
    with pytest.raises(Mistake, match="has levels"):
        compressor(kind, level)
