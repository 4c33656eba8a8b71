"""Layers merged: tar members and folders laid into a tree, and the one tar that comes out."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.description.roots import BusyboxRoot
from rootstream.formats.capability import capability_xattr
from rootstream.plan.roots import busybox
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs import replaced
from rootstream.sandbox.rootfs.assemble import begun
from rootstream.sandbox.rootfs.spec import RootSpec
from rootstream.sandbox.tar_files import lay_path, write_tar
from rootstream.sandbox.tree import Inode, InodeKind, Tree, text_file


def member(
    name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", linkname: str = "", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = linkname
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.DIRTYPE, b"", "", **fields)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, tarfile.SYMTYPE, linkname=target)


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def merged(tmp_path: Path, *layers: tuple[tuple[tarfile.TarInfo, bytes], ...]) -> Tree:
    tree = Tree()
    for number, layer in enumerate(layers):
        lay_path(tree, archive(tmp_path / f"layer{number}.tar", *layer), base=number == 0)
    return tree


def data_of(tree: Tree, path: str) -> bytes:
    inode = tree.get(path)
    assert inode is not None
    assert inode.content is not None
    return b"".join(inode.content.chunks())


def written(tree: Tree, mtime: int = 1_700_000_000) -> bytes:
    output = io.BytesIO()
    write_tar(tree, output, mtime)
    return output.getvalue()


def test_the_result_does_not_depend_on_order_times_or_names_of_owners(tmp_path: Path) -> None:
    one = [folder("./etc"), member("./etc/b", data=b"b", uid=5, uname="five", mtime=7), member("etc/a", data=b"a")]
    two = [member("./etc/a", data=b"a", mtime=9), folder("etc/"), member("/etc/b", data=b"b", uid=5, uname="cinq")]
    (tmp_path / "other").mkdir()
    first, second = merged(tmp_path, tuple(one)), merged(tmp_path / "other", tuple(two))
    assert written(first) == written(second)
    with tarfile.open(fileobj=io.BytesIO(written(first))) as tar:
        assert [info.name for info in tar] == [".", "./etc", "./etc/a", "./etc/b"]
        assert {info.mtime for info in tar} == {1_700_000_000}
        assert {info.uname + info.gname for info in tar} == {""}
        assert tar.getmember("./etc/b").uid == 5
    assert len(written(first)) % 10240 == 0


def test_a_tar_read_again_is_the_same(tmp_path: Path) -> None:
    tree = Tree()
    tree.change("", Inode(kind=InodeKind.DIRECTORY, mode=0o711, uid=1, gid=2))
    tree.put("dev/console", Inode(kind=InodeKind.CHAR, mode=0o600, device=(5, 1)))
    tree.put("dev/sda", Inode(kind=InodeKind.BLOCK, mode=0o660, gid=6, device=(8, 0)))
    tree.put("run/pipe", Inode(kind=InodeKind.FIFO, mode=0o644))
    tree.put(
        "usr/bin/su",
        Inode(kind=InodeKind.FILE, mode=0o4755, uid=3_000_000, gid=70_000, content=text_file(b"x" * 600).content),
    )
    tree.put(
        "usr/bin/ping",
        Inode(
            kind=InodeKind.FILE,
            mode=0o755,
            content=text_file(b"p").content,
            xattrs=(("security.capability", b"\x01\xff\n=\0"),),
        ),
    )
    tree.link("usr/bin/ping6", "usr/bin/ping")
    tree.put("\udcff\udcfe", text_file(b"not UTF-8"))
    tree.put("ünï/" + "long" * 40, text_file(b"long"))
    tree.put("link", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="ünï/" + "long" * 40))
    path = tmp_path / "root.tar"
    path.write_bytes(written(tree))
    again = Tree()
    lay_path(again, path, base=True)
    assert written(again) == path.read_bytes()
    assert again.get("usr/bin/ping") is again.get("usr/bin/ping6")


def test_extended_attributes_of_both_spellings_are_read(tmp_path: Path) -> None:
    tree = merged(
        tmp_path,
        (
            member("a", pax_headers={"SCHILY.xattr.user.x": "one\udcff"}),
            member("b", pax_headers={"LIBARCHIVE.xattr.user.x": "b25l/w"}),
        ),
    )
    for name in "ab":
        inode = tree.get(name)
        assert inode is not None
        assert inode.xattrs == (("user.x", b"one\xff"),)


def test_a_later_layer_wins(tmp_path: Path) -> None:
    tree = merged(
        tmp_path,
        (folder(".", mode=0o711), folder("etc", mode=0o700), member("etc/a", data=b"old"), symlink("etc/l", "a")),
        (
            folder(".", mode=0o700),
            member("etc/a", data=b"new"),
            member("etc/l", data=b"file"),
        ),
    )
    assert data_of(tree, "etc/a") == b"new"
    assert data_of(tree, "etc/l") == b"file"


USUAL = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}
SPECIAL = {"": (0o711, 0, 0), "root": (0o700, 0, 0), "tmp": (0o1777, 0, 0), "var/mail": (0o2775, 0, 8)}


def owners(tree: Tree) -> dict[str, tuple[int, int, int]]:
    return {
        path: (inode.mode, inode.uid, inode.gid)
        for path, _, inode in tree.walk()
        if inode.kind is InodeKind.DIRECTORY
    }


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_folders_on_the_way_keep_owner_and_mode(tmp_path: Path, form: str) -> None:
    tree = Tree()
    base = [folder(path or ".", mode=mode, uid=uid, gid=gid) for path, (mode, uid, gid) in SPECIAL.items()]
    lay_path(tree, archive(tmp_path / "base.tar", *base), base=True)
    layer = tmp_path / "layer"
    for path in (*SPECIAL, "srv/new"):
        (layer / path).mkdir(parents=True, exist_ok=True, mode=0o700)
        (layer / path / "file").write_bytes(b"x")
    if form == "tar":
        names = ("tmp", "root", "var", "var/mail", "srv", "srv/new")
        members = [folder(".", mode=0o700), *(folder(name, uid=7, mode=0o755) for name in names[:4])]
        members += [folder(name, mode=0o755) for name in names[4:]]
        layer = archive(tmp_path / "layer.tar", *members, *(member(f"{name}/file") for name in names))
    lay_path(tree, layer)
    found = owners(tree)
    assert {path: found[path] for path in SPECIAL} == SPECIAL
    assert found["srv"] == found["srv/new"] == (0o755, 0, 0)


def test_usual_folders_that_a_layer_brings_are_as_every_system_has_them(tmp_path: Path) -> None:
    tree = merged(tmp_path, (), (folder("tmp"), folder("var/tmp"), folder("root"), folder("home")))
    assert {path: mode for path, (mode, _, _) in owners(tree).items() if path in USUAL} == USUAL
    assert owners(tree)["home"] == (0o755, 0, 0)


def test_the_root_of_busybox_has_the_usual_folders(tmp_path: Path) -> None:
    (tmp_path / "skeleton.tar").write_bytes(busybox.skeleton(BusyboxRoot(), 0))
    tree = merged(tmp_path, ())
    lay_path(tree, tmp_path / "skeleton.tar")
    lay_path(tree, archive(tmp_path / "overlay.tar", folder("tmp"), folder("root"), member("root/.profile")))
    found = owners(tree)
    assert (found["tmp"], found["root"], found["var"]) == ((0o1777, 0, 0), (0o700, 0, 0), (0o755, 0, 0))


def test_messages_name_the_folder_that_a_layer_comes_from(tmp_path: Path) -> None:
    spec = RootSpec(names={"1-overlay.tar": "board/overlay/"})
    base = archive(tmp_path / "base.tar", folder("etc"))
    layer = archive(tmp_path / "1-overlay.tar", member("etc"))
    with pytest.raises(Mistake, match=r"^board/overlay/: /etc is a file here, but in the root it is a directory"):
        begun(base, [layer], spec, 0)


def test_the_base_says_what_its_folders_are_in_any_order(tmp_path: Path) -> None:
    tree = merged(tmp_path, (member("a/b/c"), folder("a", mode=0o700), folder("a", mode=0o711, gid=4)))
    assert owners(tree)["a"] == (0o711, 0, 4)


def test_merged_usr_takes_what_layers_put_below_its_links(tmp_path: Path) -> None:
    tree = merged(
        tmp_path,
        (folder("usr/lib"), symlink("lib", "usr/lib"), symlink("lib64", "/usr/lib64")),
        (
            folder("lib", mode=0o700),
            folder("lib/mod"),
            member("lib/mod/foo", data=b"foo"),
            member("lib64/ld.so", data=b"ld"),
        ),
    )
    assert data_of(tree, "usr/lib/mod/foo") == b"foo"
    assert data_of(tree, "usr/lib64/ld.so") == b"ld"
    link, lib = tree.get("lib"), tree.get("usr/lib")
    assert link is not None
    assert link.kind is InodeKind.SYMLINK
    assert lib is not None
    assert lib.mode == 0o755, "an overlay's lib says nothing about /usr/lib"


def test_symlinks_lead_nowhere_but_into_the_root(tmp_path: Path) -> None:
    tree = merged(
        tmp_path,
        (symlink("out", "../../../../etc"), symlink("abs", "/var"), folder("sub"), symlink("sub/up", "../x/../y")),
        (member("out/passwd", data=b"1"), member("abs/f", data=b"2"), member("sub/up/f", data=b"3")),
    )
    assert data_of(tree, "etc/passwd") == b"1"
    assert data_of(tree, "var/f") == b"2"
    assert data_of(tree, "y/f") == b"3"


@pytest.mark.parametrize(
    ("base", "layer", "message"),
    [
        ((), (member("../x"),), r"layer1\.tar: '\.\./x' leads out of the root"),
        ((), (member("a/../../x"),), "leads out of the root"),
        ((), (member("a", tarfile.LNKTYPE, linkname="../../etc/shadow"),), "leads out of the root"),
        (
            (),
            (member("a", tarfile.LNKTYPE, linkname="b"),),
            "/a is a hard link to /b, which is not a file before it",
        ),
        ((symlink("a", "b"), symlink("b", "a")), (member("a/x"),), "too many symlinks"),
        ((member("a"),), (member("a/x"),), r"layer1\.tar: .*/a is a file \(layer0\.tar\)"),
        ((folder("a"),), (member("a"),), r"layer1\.tar: /a is a file here, but in layer0\.tar it is a directory"),
        ((member("a"),), (folder("a"),), r"layer1\.tar: /a is a directory here, but in layer0\.tar it is a file"),
        (
            (folder("a"), member("a/x")),
            (symlink("a", "b"),),
            "/a is a symlink here, but in layer0.tar it is a directory",
        ),
        (
            (symlink("a", "f"), member("f")),
            (folder("a"),),
            r"/f has to be a directory, but is a file \(layer0\.tar\)",
        ),
        (
            (folder("usr/lib"), symlink("lib", "usr/lib")),
            (member("lib", data=b"x"),),
            "/lib is a file here, but in layer0.tar it is a symlink to the directory usr/lib",
        ),
        ((member("a", tarfile.CHRTYPE),), (member("a"),), "/a is a file here, .* it is a character device"),
        ((member("a"),), (member("a", tarfile.FIFOTYPE),), "/a is a fifo here, .* it is a file"),
        ((), (member("a", b"V"),), "unknown type"),
        ((), (member("a", uid=1 << 33),), "out of range"),
    ],
)
def test_what_cannot_be_merged_is_refused_by_name(
    tmp_path: Path,
    base: tuple[tuple[tarfile.TarInfo, bytes], ...],
    layer: tuple[tuple[tarfile.TarInfo, bytes], ...],
    message: str,
) -> None:
    with pytest.raises(Mistake, match=message):
        merged(tmp_path, base, layer)


def test_an_empty_directory_gives_way_to_a_symlink(tmp_path: Path) -> None:
    tree = merged(tmp_path, (folder("var/run"),), (symlink("var/run", "/run"),))
    run = tree.get("var/run")
    assert run is not None
    assert run.target == "/run"


def test_replacing_one_of_two_hard_links_leaves_the_other(tmp_path: Path) -> None:
    tree = merged(
        tmp_path,
        (member("a", data=b"old"), member("b", tarfile.LNKTYPE, linkname="a")),
        (member("a", data=b"new"),),
    )
    assert data_of(tree, "a") == b"new"
    assert data_of(tree, "b") == b"old"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_common_format_is_read(tmp_path: Path, form: int) -> None:
    tree = Tree()
    lay_path(tree, archive(tmp_path / "x.tar", member("d/" + "n" * 90, data=b"x" * 1000), form=form))
    assert data_of(tree, "d/" + "n" * 90) == b"x" * 1000


@pytest.mark.parametrize("cut", [300, 600, 1200, 1536])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    whole = archive(tmp_path / "x.tar", member("a", data=b"x" * 700)).read_bytes()
    short = tmp_path / "short.tar"
    short.write_bytes(whole[:cut])

    def read_and_write() -> None:
        tree = Tree()
        lay_path(tree, short)
        written(tree)

    with pytest.raises(Mistake, match=r"short\.tar"):
        read_and_write()


def test_an_archive_with_rubbish_inside_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", member("a", data=b"x"), member("b", data=b"y"))
    content = bytearray(path.read_bytes())
    content[1024:1124] = b"\xee" * 100
    path.write_bytes(content)
    with pytest.raises(Mistake, match="damaged"):
        lay_path(Tree(), path)


def test_no_archive_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"hello" * 1000)
    with pytest.raises(Mistake, match="not an uncompressed tar"):
        lay_path(Tree(), path)
    with pytest.raises(Mistake, match="no such"):
        lay_path(Tree(), tmp_path / "absent.tar")


def test_a_folder_gives_files_of_root_with_plain_modes(tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "bin").mkdir(parents=True, mode=0o700)
    (source / "bin/tool").write_bytes(b"t")
    (source / "bin/tool").chmod(0o4711)
    (source / "data").write_bytes(b"d")
    (source / "data").chmod(0o600)
    (source / "link").symlink_to("./bin//tool")
    (source / "tmp").mkdir()
    (source / "root").mkdir()
    tree = Tree()
    lay_path(tree, source, base=True)
    modes = {path: inode.mode for path, _, inode in tree.walk()}
    assert modes == {
        "": 0o755,
        "bin": 0o755,
        "bin/tool": 0o755,
        "data": 0o644,
        "link": 0o777,
        "root": 0o700,
        "tmp": 0o1777,
    }
    assert {(inode.uid, inode.gid) for _, _, inode in tree.walk()} == {(0, 0)}
    link = tree.get("link")
    assert link is not None
    assert link.target == "./bin//tool"
    overlay = Tree()
    lay_path(overlay, source)
    plain = overlay.get("tmp")
    assert plain is not None
    assert plain.mode == 0o1777


def test_a_folder_cannot_give_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Mistake, match="device table"):
        lay_path(Tree(), tmp_path)


def test_a_subtree_keeps_its_hard_links_and_leaves_out_what_is_mounted(tmp_path: Path) -> None:
    tree = merged(
        tmp_path,
        (
            folder("a", mode=0o750),
            member("a/x", data=b"x"),
            member("a/y", tarfile.LNKTYPE, linkname="a/x"),
            member("a/b/z", data=b"z"),
            member("ab", data=b"not below"),
        ),
    )
    part = tree.subtree("a", without=["a/b"])
    assert [path for path, _, _ in part.walk()] == ["", "b", "x", "y"]
    assert part.get("x") is part.get("y")
    top = part.get("")
    assert top is not None
    assert top.mode == 0o750


def test_a_replaced_file_that_was_special_is_told(tmp_path: Path) -> None:
    capability = capability_xattr("cap_net_raw+ep").decode("utf-8", "surrogateescape")
    base = [
        member("etc/passwd", data=b"root:x:0:0::/root:/bin/sh\n"),
        member("etc/group", data=b"root:x:0:\nssl:x:42:\n"),
        member("etc/plain", data=b"old"),
        *(member(f"etc/{name}", data=b"old", mode=0o640, gid=42) for name in ("key", "given", "again")),
        member("bin/ping", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": capability}),
    ]
    names = ("etc/plain", "etc/key", "etc/given", "etc/again", "bin/ping")
    tree = merged(tmp_path, tuple(base), tuple(member(name, data=b"new", mode=0o755) for name in names))
    lay_path(tree, archive(tmp_path / "more.tar", member("etc/again", data=b"newest")))
    given = tree.get("etc/given")
    assert given is not None
    tree.change("etc/given", replace(given, mode=0o600))
    told = replaced.lost(tree)
    assert [text.partition(" replaces")[0] for text in told] == [
        "layer1.tar: /etc/key",
        "more.tar: /etc/again",
        "layer1.tar: /bin/ping",
    ]
    assert "`- {path: /etc/key, owner: root, group: ssl, mode: 0640}`" in told[0]
    assert '`- {path: /bin/ping, capabilities: "cap_net_raw+ep"}`' in told[2]
