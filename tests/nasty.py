"""A tree of everything that is hard for an image, and what other programs find in the images that are made of it.

It needs nothing but the standard library and Rootstream's programs for the sandbox, so that it can run there, too.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream.sandbox.images import image
from rootstream.sandbox.images.cpio import write_cpio
from rootstream.sandbox.images.ext import ExtOptions, fit, is_full, make_ext
from rootstream.sandbox.images.squashfs import SquashfsOptions, make_squashfs
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tar_files import write_tar
from rootstream.sandbox.tree import Inode, InodeKind, Tree, directory, encoded, text_file

EPOCH = 1_700_000_000
MASK = 0xFFFFFFFF
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC0"}
CAPABILITY = ("security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
LETTERS = {b"c": "char", b"b": "block", b"p": "fifo"}
TYPES = {1: "fifo", 2: "char", 4: "dir", 6: "block", 8: "file", 10: "link"}
KINDS = {
    InodeKind.FILE: 8,
    InodeKind.DIRECTORY: 4,
    InodeKind.SYMLINK: 10,
    InodeKind.CHAR: 2,
    InodeKind.BLOCK: 6,
    InodeKind.FIFO: 1,
}
LINES = {"newline": " a\nb\n", "quotes": "\"a\\\\'"}
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Sparse:
    """Zeros, and an `x` at the end."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        for _ in range(self.size // (1 << 20)):
            yield bytes(1 << 20)
        yield bytes(self.size % (1 << 20) - 1) + b"x"


def names(*, lines: bool) -> tuple[bytes, ...]:
    """Return names that are files; `lines` adds those that break lines or quotes."""
    usual = (
        b"-dash",
        b" blank ",
        b"x" * 255,
        b"\xff\xfe",
        "ünï".encode(),
        "😀".encode(),
        b"...",
        b".hidden",
        b"#x",
        b"Case",
        b"case",
        b"*?[x]$(x)`x`;&|<>",
        b"a:b",
        b"%41%2f",
        b"tab\there",
        b"=",
        b"@",
        b"deep/" * 300 + b"f",
    )
    more = (b"new\nline", b"quote\"'", b"back\\slash", b"\\012", b"\x01\x7f", b"cr\r")
    return (*usual, *more) if lines else usual


def tree(*, lines: bool = True, attributes: bool = True) -> Tree:
    """Return the tree, without names that break lines and without extended attributes if need be."""
    made = Tree()
    made.change("", directory(0o711, 0, 0))
    for number, raw in enumerate(names(lines=lines)):
        made.put(f"names/{raw.decode('utf-8', 'surrogateescape')}", text_file(b"%d" % number))
    for mode in (0o000, 0o400, 0o644, 0o755, 0o1644, 0o2755, 0o4711, 0o6755, 0o7777):
        made.put(f"modes/{mode:o}", text_file(b"x", mode, 4_294_967_294, 70_000))
    made.put("folders/sticky", directory(0o1777))
    made.put("folders/mail", directory(0o2775, 0, 8))
    made.put("folders/private", directory(0o700, 1_000_000, 1_000_000))
    made.put("links/one", text_file(b"linked", 0o640, 5, 6))
    made.link("links/two", "links/one")
    made.link("a-third", "links/one")
    for name, target in {
        "dangling": "/no/where",
        "up": "../../..",
        "long": "t" * 4000,
        "blank": "a  b ",
        **LINES,
    }.items():
        if lines or name not in LINES:
            made.put(f"links/{name}", Inode(kind=InodeKind.SYMLINK, mode=0o777, target=target))
    made.put("links/raw", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="\udcff"))
    made.put("dev/console", Inode(kind=InodeKind.CHAR, mode=0o600, device=(5, 1)))
    made.put("dev/high", Inode(kind=InodeKind.CHAR, mode=0o660, gid=6, device=(4095, 1_048_575)))
    made.put("dev/block", Inode(kind=InodeKind.BLOCK, mode=0o660, device=(259, 70_000)))
    made.put("dev/pipe", Inode(kind=InodeKind.FIFO, mode=0o644))
    made.put("sparse", Inode(kind=InodeKind.FILE, mode=0o644, content=Sparse((9 << 20) + 4097)))
    made.put("empty", text_file(b""))
    made.put("whole", text_file(bytes(range(256)) * 1024))
    for name, attributes_of in _attributes().items() if attributes else ():
        inode = directory() if name == "folder" else text_file(b"x")
        made.put(f"attributes/{name}", Inode(**{**_fields(inode), "xattrs": attributes_of}))
    return made


def _fields(inode: Inode) -> dict[str, Any]:
    return {"kind": inode.kind, "mode": inode.mode, "content": inode.content}


def _attributes() -> dict[str, tuple[tuple[str, bytes], ...]]:
    binary = ("user.binary", b"\0\n=\xff\x80")
    return {
        "capability": (CAPABILITY,),
        "several": (CAPABILITY, binary, ("user.empty", b""), ("user.long", b"v" * 1500)),
        "folder": (("trusted.note", b"x"), binary),
    }


def wanted(made: Tree) -> dict[bytes, Row]:
    """Return what has to be found: by path, kind, mode, owner, what it holds, attributes, and hard links."""
    rows: dict[bytes, Row] = {}
    links: dict[int, list[bytes]] = {}
    for path, number, inode in made.walk():
        links.setdefault(number, []).append(encoded(path))
        content = b"".join(inode.content.chunks()) if inode.content else b""
        holds: object = hashlib.sha256(content).hexdigest() if inode.kind is InodeKind.FILE else None
        holds = encoded(inode.target) if inode.kind is InodeKind.SYMLINK else holds
        holds = inode.device if inode.kind in (InodeKind.CHAR, InodeKind.BLOCK) else holds
        rows[encoded(path)] = (TYPES[KINDS[inode.kind]], inode.mode, inode.uid, inode.gid, holds, inode.xattrs)
    return {path: (*row, _group(path, links)) for path, row in rows.items()}


def _group(path: bytes, links: dict[int, list[bytes]]) -> tuple[bytes, ...]:
    return next(tuple(sorted(group)) for group in links.values() if path in group)


def different(found: dict[bytes, Row], expected: dict[bytes, Row]) -> list[str]:
    """Return a line for each path that is not as it has to be."""
    return [
        f"{path[:60]!r}: {found.get(path)} instead of {expected.get(path)}"
        for path in sorted(found.keys() | expected.keys())
        if found.get(path) != expected.get(path)
    ]


def in_tar(data: bytes) -> dict[bytes, Row]:
    """Return what Python's tarfile finds in an archive."""
    rows: dict[bytes, Row] = {}
    links: dict[int, list[bytes]] = {}
    first: dict[bytes, int] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
        for number, member in enumerate(archive):
            path = _clean(encoded(member.name))
            if member.islnk():
                target = _clean(encoded(member.linkname))
                links[first[target]].append(path)
                rows[path] = rows[target]
                continue
            first[path] = number
            links[number] = [path]
            kind = "dir" if member.isdir() else "link" if member.issym() else LETTERS.get(_letter(member), "file")
            file = archive.extractfile(member) if member.isreg() else None
            holds: object = hashlib.sha256(file.read()).hexdigest() if file else None
            holds = encoded(member.linkname) if member.issym() else holds
            holds = (member.devmajor, member.devminor) if kind in ("char", "block") else holds
            attributes = sorted(
                (key.removeprefix("SCHILY.xattr."), encoded(value))
                for key, value in member.pax_headers.items()
                if key.startswith("SCHILY.xattr.")
            )
            mode = 0o777 if member.issym() else member.mode
            rows[path] = (kind, mode, member.uid, member.gid, holds, tuple(attributes))
    return {path: (*row, _group(path, links)) for path, row in rows.items()}


def _letter(member: tarfile.TarInfo) -> bytes:
    return b"c" if member.ischr() else b"b" if member.isblk() else b"p" if member.isfifo() else b"-"


def _clean(name: bytes) -> bytes:
    return b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))


def in_squashfs(path: Path) -> dict[bytes, Row]:
    """Return what sqfs2tar finds in a squashfs; it gives the root only with another name before all."""
    rows = in_tar(run("sqfs2tar", "--root-becomes", "r", str(path)))
    plain = {name: _clean(name.removeprefix(b"r")) for name in rows}
    return {plain[name]: (*row[:-1], tuple(sorted(plain[link] for link in row[-1]))) for name, row in rows.items()}


def in_cpio(data: bytes) -> dict[bytes, Row]:
    """Return what an archive for the kernel says (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    rows: dict[bytes, Row] = {}
    links: dict[int, list[bytes]] = {}
    bodies: dict[int, bytes] = {}
    place = 0
    while True:
        fields = [int(data[place + 6 + 8 * number : place + 14 + 8 * number], 16) for number in range(13)]
        ino, mode, uid, gid, _, _, size, _, _, major, minor, length, _ = fields
        start = place + 110
        name = data[start : start + length - 1]
        body = start + length + -(110 + length) % 4
        if name == b"TRAILER!!!":
            break
        path = b"" if name == b"." else name
        kind = TYPES[mode >> 12]
        content = data[body : body + size]
        bodies[ino] = content or bodies.get(ino, b"")
        links.setdefault(ino, []).append(path)
        holds: object = (major, minor) if kind in ("char", "block") else content if kind == "link" else None
        rows[path] = (kind, mode & 0o7777, uid, gid, holds, ino)
        place = body + size + -size % 4
    return {
        path: (
            *row[:4],
            hashlib.sha256(bodies[row[5]]).hexdigest() if row[0] == "file" else row[4],
            (),
            _group(path, links),
        )
        for path, row in rows.items()
    }


def run(*argv: str) -> bytes:
    """Return what a program says."""
    return subprocess.run(argv, check=True, capture_output=True, env=ENVIRONMENT, timeout=300).stdout


class Debugfs:
    """An ext file system as debugfs sees it, asked by the numbers of inodes, which no name can confuse."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, command: str) -> bytes:
        return run("debugfs", "-R", command, str(self.path))

    def rows(self) -> dict[bytes, Row]:
        found: dict[bytes, Row] = {}
        links: dict[int, list[bytes]] = {}
        self._folder(2, b"", found, links)
        return {path: (*row, _group(path, links)) for path, row in found.items()}

    def _folder(self, number: int, path: bytes, found: dict[bytes, Row], links: dict[int, list[bytes]]) -> None:
        words = self.ask(f"ls -p <{number}>").split(b"/")
        for at in range(1, len(words) - 6, 7):
            inner, mode, name = int(words[at]), int(words[at + 1], 8), words[at + 4]
            kind = TYPES[mode >> 12]
            if name == b".." or (name == b"lost+found" and not path):
                continue
            here = path if name == b"." else path + b"/" + name if path else name
            if name != b"." or not path:
                links.setdefault(inner, []).append(here)
                owner = [int(word) & MASK for word in words[at + 2 : at + 4]]  # debugfs shows them with a sign
                holds = self._holds(inner, kind)
                found[here] = (kind, mode & 0o7777, *owner, holds, self._attributes(inner))
            if kind == "dir" and name != b".":
                self._folder(inner, here, found, links)

    def _holds(self, number: int, kind: str) -> object:
        if kind == "file":
            return hashlib.sha256(self.ask(f"cat <{number}>")).hexdigest()
        if kind == "link":
            told = self.ask(f"stat <{number}>")
            fast = re.search(rb'Fast link dest: "(.*)"\n', told, re.DOTALL)
            return fast[1] if fast else self.ask(f"cat <{number}>")
        if kind in ("char", "block"):
            told = self.ask(f"stat <{number}>")
            device = re.search(rb"Device major/minor number: 0*(\d+):0*(\d+)", told)
            return (int(device[1]), int(device[2])) if device else None
        return None

    def _attributes(self, number: int) -> tuple[tuple[str, bytes], ...]:
        keys = re.findall(r"^  (\S+) \((\d+)\)", self.ask(f"ea_list <{number}>").decode(), re.MULTILINE)
        return tuple(sorted((key, self._attribute(number, key, int(size))) for key, size in keys))

    def _attribute(self, number: int, key: str, size: int) -> bytes:
        place = self.path.with_name("attribute")
        self.ask(f'ea_get -f "{place}" <{number}> {key}')
        data = place.read_bytes()
        assert len(data) == size
        return data


def tar_differs(_: Path) -> list[str]:
    """Return what is different in a tar."""
    output = io.BytesIO()
    write_tar(tree(), output, EPOCH)
    return different(in_tar(output.getvalue()), wanted(tree()))


def cpio_differs(_: Path) -> list[str]:
    """Return what is different in an archive for the kernel, which has a table of attributes."""
    output = io.BytesIO()
    write_cpio(tree(attributes=False), output, EPOCH)
    return different(in_cpio(output.getvalue()), wanted(tree(attributes=False)))


def squashfs_differs(scratch: Path) -> list[str]:
    """Return what is different in a squashfs made of a tar."""
    image.write_squashfs(tree(), scratch / "a.sqfs", "gzip", epoch=EPOCH)
    return different(in_squashfs(scratch / "a.sqfs"), wanted(tree()))


def secret_squashfs_differs(scratch: Path) -> list[str]:
    """Return what is different in a squashfs that leaves some files as they are."""
    options = SquashfsOptions(compression="gzip", block=131072, apart=("whole",))
    made = tree(lines=False)
    make_squashfs(made, scratch / "b.sqfs", options, epoch=EPOCH)
    return different(in_squashfs(scratch / "b.sqfs"), wanted(made))


def ext_differs(scratch: Path, kind: str) -> list[str]:
    """Return what is different in an ext file system, and what e2fsck says."""
    path = scratch / "ext.img"
    made = tree()

    def make(tried: ExtOptions, contents: Tree = made) -> None:
        with path.open("wb") as file:
            file.truncate(tried.size)
        make_ext(contents, tried, path, epoch=EPOCH)

    def empty(tried: ExtOptions) -> None:
        make(tried, Tree())

    fit(Tree(), ExtOptions(type=kind, label="x", seed="x", size=0), empty, free=0)
    journal = b"has_journal" in Debugfs(path).ask("features")
    if journal is not (kind == "ext4"):
        return [f"an empty {kind} has a journal: {journal}"]
    fit(made, ExtOptions(type=kind, label="x", seed="x", size=0), make, free=0)
    run("e2fsck", "-fn", str(path))
    return different(Debugfs(path).rows(), wanted(made))


def too_small_differs(scratch: Path) -> list[str]:
    """Return the sizes that are too small and not found to be so."""
    path = scratch / "ext.img"
    said = []
    for kind, size in ((kind, size) for kind in ("ext2", "ext4") for size in (4096, 65536, 1 << 19, 1 << 20)):
        with path.open("wb") as file:
            file.truncate(size)
        try:
            make_ext(tree(), ExtOptions(type=kind, label="x", seed="x", size=size), path, epoch=EPOCH)
        except Mistake as mistake:
            said += [] if is_full(mistake) else [f"{kind} of {size}: {mistake}"]
        else:
            said.append(f"{kind} of {size}: made")
    return said


ALL: dict[str, Callable[[Path], list[str]]] = {
    "tar": tar_differs,
    "cpio": cpio_differs,
    "squashfs": squashfs_differs,
    "squashfs-secrets": secret_squashfs_differs,
    "too-small": too_small_differs,
    "ext2": lambda scratch: ext_differs(scratch, "ext2"),
    "ext4": lambda scratch: ext_differs(scratch, "ext4"),
}
BY_TOOLS = frozenset(("squashfs", "squashfs-secrets", "too-small", "ext2", "ext4"))
