"""The unpacker on packages made here: ordinary ones, hostile ones, and their order."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from rootstream.archives import compression, tar_stream
from rootstream.archives.tree import UnpackedTree
from rootstream.formats.faults import Fault
from rootstream_bst.debian.unpack import Archive, unpack

Entry = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]


def info(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname = kind, mode, target
    return member


def folder(name: str) -> tarfile.TarInfo:
    return info(name, tarfile.DIRTYPE, 0o755)


def file(name: str, content: bytes = b"x", mode: int = 0o644) -> Entry:
    return info(name, mode=mode), content


def symlink(name: str, target: str) -> tarfile.TarInfo:
    return info(name, tarfile.SYMTYPE, 0o777, target)


def hardlink(name: str, target: str) -> tarfile.TarInfo:
    return info(name, tarfile.LNKTYPE, target=target)


def tar(entries: Sequence[Entry], form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for entry in entries:
            member, content = entry if isinstance(entry, tuple) else (entry, b"")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, content in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return out


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".xz": partial(lzma.compress, preset=0),
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    "": lambda data: data,
}


class Box:
    """A folder for packages and the tree that they are unpacked to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "root"
        self.archives: list[Archive] = []

    def raw(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.write_bytes(content)
        self.archives.append(Archive(name=name, path=str(path), sha256=hashlib.sha256(content).hexdigest()))

    def deb(self, name: str, entries: Sequence[Entry], suffix: str = ".xz") -> None:
        data = PACKERS[suffix](tar(entries))
        members = [
            ("debian-binary", b"2.0\n"),
            ("control.tar.xz", PACKERS[".xz"](tar([]))),
            (f"data.tar{suffix}", data),
        ]
        self.raw(name, ar(members))

    def unpack(self, *, fix: bool = False, jobs: int = 2) -> tuple[str, ...]:
        self.root.mkdir()
        return unpack(self.archives, str(self.root), jobs=jobs, fix=fix)

    def refused(self) -> Fault:
        with pytest.raises(Fault) as caught:
            self.unpack()
        outside = sorted(path.name for path in self.path.iterdir())
        assert outside == sorted([archive.name for archive in self.archives] + ["root"])
        return caught.value

    def tree(self) -> dict[str, str]:
        return listing(self.root)


def listing(root: Path) -> dict[str, str]:
    """Return what is in a tree: links as `-> target`, files as mode and content, folders as a slash."""
    found = {}
    # not rglob: that of Python 3.11.2 fails at a link with a very long target
    names = ((folder, name) for folder, folders, files in os.walk(root) for name in (*folders, *files))
    for path in sorted(Path(folder) / name for folder, name in names):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "/"
        else:
            found[name] = f"{path.stat().st_mode & 0o777:o} {path.read_bytes().decode()}"
    return found


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize("suffix", list(PACKERS))
def test_ordinary_package(box: Box, suffix: str) -> None:
    entries = [
        folder("./"),
        folder("./usr/"),
        folder("./usr/bin/"),
        file("./usr/bin/tool", b"#!/bin/sh\n", 0o4711),
        file("./usr/share/doc/tool/a b/ü", b"text", 0o600),
        symlink("./usr/bin/same", "tool"),
        hardlink("./usr/bin/hard", "./usr/bin/tool"),
        info("./dev/null", tarfile.CHRTYPE),
        info("./run/pipe", tarfile.FIFOTYPE),
        folder("./var/empty/"),
    ]
    box.deb("tool", entries, suffix)
    assert box.unpack() == ()
    tree = box.tree()
    assert tree["usr/bin/tool"] == tree["usr/bin/hard"] == "755 #!/bin/sh\n"
    assert tree["usr/bin/same"] == "-> tool"
    assert tree["usr/share/doc/tool/a b/ü"] == "644 text"
    assert tree["var/empty"] == "/"
    assert not {"dev/null", "run/pipe"} & set(tree)
    assert (box.root / "usr/bin/tool").stat().st_ino == (box.root / "usr/bin/hard").stat().st_ino


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
def test_zstd(box: Box) -> None:
    data = subprocess.run(
        ["zstd", "-c"], input=tar([file("./a", b"y" * 3_000_000)]), capture_output=True, check=True
    )
    box.raw("a", ar([("debian-binary", b"2.0\n"), ("data.tar.zst", data.stdout), ("_extra", b"1")]))
    box.unpack()
    assert (box.root / "a").stat().st_size == 3_000_000


def test_zstd_without_the_program(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    box.raw("a", ar([("debian-binary", b"2.0\n"), ("data.tar.zst", b"")]))
    assert box.refused().reason == "program-missing"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names(box: Box, form: int) -> None:
    name = "/".join(["d" * 40] * 5)
    entries = [file(f"./{name}/f", b"1"), symlink("./link", f"{'t' * 90}")]
    if form != tarfile.USTAR_FORMAT:
        entries += [file(f"./{'n' * 200}", b"2"), symlink("./far", "t" * 300)]
    box.raw("a", ar([("data.tar", tar(entries, form))]))
    box.unpack()
    tree = box.tree()
    assert tree[f"{name}/f"] == "644 1"
    if form != tarfile.USTAR_FORMAT:
        assert tree["n" * 200] == "644 2"
        assert tree["far"] == f"-> {'t' * 300}"


def test_several_streams_behind_each_other(tmp_path: Path) -> None:
    data = tar([file("a", b"1" * 5000)])
    packed = lzma.compress(data[:700]) + b"\0" * 8 + lzma.compress(data[700:])
    tar_stream.members(
        tar_stream.Stream(compression.blocks(io.BytesIO(packed).read, "xz")), UnpackedTree(str(tmp_path)).take
    )
    assert (tmp_path / "a").stat().st_size == 5000


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_merged_usr(box: Box, order: tuple[int, int]) -> None:
    """Files under the old names go where the links of the merged layout lead, whoever ships the links."""
    packages: list[list[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]] = [
        [symlink("./bin", "usr/bin"), folder("./usr/bin/"), symlink("./lib64", "usr/lib64")],
        [
            folder("./bin/"),
            file("./bin/sh", b"1", 0o755),
            file("./lib/x/y", b"2"),
            symlink("./sbin/init", "../lib/i"),
        ],
    ]
    for number in order:
        box.deb(f"p{number}", packages[number])
    assert box.unpack() == ()
    assert box.tree() == {
        "bin": "-> usr/bin",
        "lib": "-> usr/lib",
        "lib64": "-> usr/lib64",
        "sbin": "-> usr/sbin",
        "usr": "/",
        "usr/bin": "/",
        "usr/bin/sh": "755 1",
        "usr/lib": "/",
        "usr/lib/x": "/",
        "usr/lib/x/y": "644 2",
        "usr/sbin": "/",
        "usr/sbin/init": "-> ../lib/i",
    }


def test_overlap_is_decided_by_the_order_of_the_set(box: Box) -> None:
    box.deb("big", [file("./etc/x", b"1"), file("./ballast", os.urandom(3_000_000))])
    box.deb("small", [file("./etc/x", b"2"), file("./only", b"2")])
    assert box.unpack() == ("etc/x",)
    assert (box.root / "etc/x").read_bytes() == b"2"


def test_same_tree_whatever_the_number_of_workers(box: Box) -> None:
    for number in range(12):
        entries = [
            file(f"./usr/share/{n}/f{n % number if number else n}", bytes([48 + number])) for n in range(30)
        ]
        box.deb(f"p{number}", entries)
    box.unpack(jobs=1)
    first = box.tree()
    shutil.rmtree(box.root)
    box.unpack(jobs=4)
    assert box.tree() == first


def test_folder_behind_a_link_of_another_package(box: Box) -> None:
    box.deb("a", [symlink("./var/lock", "/run/lock"), symlink("./etc/alias", "real"), folder("./etc/real/")])
    box.deb("b", [file("./var/lock/x", b"1"), file("./etc/alias/y", b"2")])
    box.unpack()
    tree = box.tree()
    assert tree["run/lock/x"] == "644 1"
    assert tree["etc/real/y"] == "644 2"
    assert tree["var/lock"] == "-> /run/lock"


def test_link_does_not_replace_a_folder(box: Box) -> None:
    box.deb("a", [file("./etc/x/f", b"1")])
    box.deb("b", [symlink("./etc/x", "elsewhere")])
    box.unpack()
    assert box.tree()["etc/x/f"] == "644 1"


HOSTILE: dict[str, list[Entry]] = {
    "dots": [file("./../escaped")],
    "dots inside": [file("./usr/../../escaped")],
    "climbing link": [symlink("./out", "../../.."), file("./out/escaped")],
    "climbing link further up": [symlink("./usr/share/out", "../../../.."), file("./usr/share/out/escaped")],
    "link to a climbing link": [symlink("./a", "b"), symlink("./b", ".."), file("./a/escaped")],
    "loop": [symlink("./a", "b"), symlink("./b", "a"), file("./a/x")],
    "hard link out": [hardlink("./passwd", "../../../etc/passwd")],
    "hard link to the host": [hardlink("./passwd", "/etc/passwd")],
    "hard link through a link": [symlink("./out", "../../.."), hardlink("./passwd", "out/etc/passwd")],
    "file as folder": [file("./a"), file("./a/b")],
    "file over folder": [folder("./a/"), file("./a")],
    "empty link": [symlink("./a", "")],
    "the unpacker's own folder": [file("./.rootstream-unpacked/0/x")],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_package(box: Box, entries: list[Entry]) -> None:
    box.deb("evil", entries)
    assert box.refused().reason in {"unsafe-archive", "conflicting-packages"}


def test_absolute_names_and_links_stay_inside(box: Box) -> None:
    host = box.path / "target"
    entries = [file("/etc/x", b"1"), symlink("./a", str(host)), file("./a/y", b"2")]
    box.deb("odd", entries)
    box.unpack()
    assert not host.exists()
    assert box.tree()["etc/x"] == "644 1"
    assert (box.root / str(host).lstrip("/") / "y").read_bytes() == b"2"


def test_file_is_not_written_through_a_link(box: Box) -> None:
    victim = box.path / "victim"
    victim.write_text("safe")
    box.deb("a", [symlink("./x", str(victim)), file("./x", b"1")])
    box.deb("b", [symlink("./y", str(victim))])
    box.deb("c", [file("./y", b"2")])
    box.unpack()
    assert victim.read_text() == "safe"
    assert box.tree()["x"] == "644 1"
    assert box.tree()["y"] == "644 2"


def test_link_of_another_package_that_leaves_the_tree(box: Box) -> None:
    box.deb("a", [symlink("./etc/out", "../../..")])
    box.deb("b", [file("./etc/out/escaped/x")])
    assert box.refused().reason == "unsafe-archive"


def test_file_and_folder_of_two_packages(box: Box) -> None:
    box.deb("a", [file("./a")])
    box.deb("b", [file("./a/b")])
    assert box.refused().reason == "conflicting-packages"


def test_name_that_is_not_utf8(box: Box) -> None:
    data = tar([file("./nameX")]).replace(b"nameX", b"name\xff")
    header = bytearray(data[:512])
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    box.raw("a", ar([("data.tar", bytes(header) + data[512:])]))
    assert box.refused().reason == "unsafe-archive"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a package",
        ar([("debian-binary", b"2.0\n")]),
        ar([("data.tar.xz", b"rubbish")]),
        ar([("data.tar.xz", lzma.compress(tar([file("./a", b"1" * 9999)]))[:-40])]),
        ar([("data.tar", tar([file("./a", b"1" * 9999)])[:2000])]),
        ar([("data.tar", b"\1" * 1024)]),
        ar([("data.tar.gz", gzip.compress(tar([file("./a")]))[:-9])]),
        ar([("data.tar.rar", b"")]),
        ar([("data.tar", tar([file("./a")]))])[:-500].replace(b"`\n", b"!!"),
        ar([(f"{n}", b"") for n in range(40)]),
    ],
)
def test_broken_package(box: Box, content: bytes) -> None:
    box.raw("broken", content)
    fault = box.refused()
    assert fault.reason in {"broken-archive", "unsupported-archive", "unsafe-archive"}
    assert fault.message.startswith("broken: ")


def test_claimed_sizes_are_bounded(tmp_path: Path) -> None:
    """A long name of gigabytes and a file larger than everything are refused before they are read."""
    for kind, size in ((b"L", 1 << 30), (b"x", 1 << 30), (b"0", 1 << 60)):
        member = info("a", kind)
        member.size = size
        header = member.tobuf(tarfile.GNU_FORMAT)
        with pytest.raises(Fault) as caught:
            tar_stream.members(tar_stream.Stream(iter([header])), UnpackedTree(str(tmp_path)).take)
        assert caught.value.reason == "unsafe-archive"


@pytest.mark.parametrize("depth", [201, 2030, 2060])
def test_deep_path(box: Box, depth: int) -> None:
    box.deb("deep", [file("./" + "d/" * depth + "f")])
    assert box.refused().reason == "unsafe-archive"


def test_deep_path_by_links(box: Box) -> None:
    deep = "d/" * 150
    box.deb("deep", [symlink("./a", deep), symlink(f"./{deep}b", deep), file("./a/b/x")])
    assert box.refused().reason == "unsafe-archive"


def test_damaged_file_of_the_store(box: Box) -> None:
    box.deb("a", [file("./a")])
    path = Path(box.archives[0].path)
    path.write_bytes(path.read_bytes() + b"\n")
    box.root.mkdir()
    with pytest.raises(Fault) as caught:
        unpack(box.archives, str(box.root), jobs=1, fix=False)
    assert caught.value.reason == "store-damaged"
    assert not path.exists()


def test_program(box: Box) -> None:
    box.deb("a", [file("./usr/bin/gcc", b"", 0o755), file("./x", b"1")])
    box.deb("b", [file("./x", b"2")])
    box.root.mkdir()
    packages = [{"name": a.name, "path": a.path, "sha256": a.sha256} for a in box.archives]
    job = {"root": str(box.root), "jobs": 2, "fixups": True, "packages": packages}
    argv = [sys.executable, "-m", "rootstream_bst.debian.unpack"]
    done = subprocess.run(argv, input=json.dumps(job), text=True, capture_output=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"overlaps": ["x"]})
    assert box.tree()["usr/bin/cc"] == "-> gcc"
    job["packages"] = [{**packages[0], "path": "/nonexistent"}]
    shutil.rmtree(box.root)
    box.root.mkdir()
    done = subprocess.run(argv, input=json.dumps(job), text=True, capture_output=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (2, "unpack-failed")
