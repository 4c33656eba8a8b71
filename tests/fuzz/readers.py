"""Every reader of bytes that others wrote, as a function of a file; what it may raise is `REFUSALS`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.archives import compression, deb, tar_stream
from rootstream.archives.tree import UnpackedTree
from rootstream.boot import kernelfile, media, memory, terminal, transcript
from rootstream.buildroot.sources import tree as buildroot_tree
from rootstream.description import load
from rootstream.description.machine import BootImage
from rootstream.engine import said
from rootstream.engine.messages import Reader as Messages
from rootstream.errors import Problems, UserError
from rootstream.fetch import git_guard
from rootstream.formats import apt_index, elf, requirement
from rootstream.formats.elf import NotElf
from rootstream.formats.faults import Fault
from rootstream.formats.kconfig import fragment
from rootstream.netboot import phone_home
from rootstream.netboot.dhcp import dnsmasq
from rootstream.plan.roots import device_table
from rootstream.project import lock, secret_injection
from rootstream.project.placeholders import Secret
from rootstream.sandbox import tar_files, tree
from rootstream.sandbox.images import sparse, superblock, uimage, uki
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs import needed, wheels
from rootstream_bst.python import source_metadata
from tests.fuzz import contents, network, seeds

REFUSALS = (UserError, Fault, Mistake, NotElf)
MARK = "@mark:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A reader, whole inputs for it, and whether they are tar archives."""

    run: Callable[[Path], object]
    seeds: Callable[[], tuple[bytes, ...]]
    tar: bool = False


def _folder(path: Path) -> Path:
    folder = path.parent / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _deb(path: Path) -> None:
    folder = _folder(path)
    folder.mkdir()
    deb.unpack(path, str(folder))


def _archive(path: Path) -> None:
    folder = _folder(path)
    folder.mkdir()
    with path.open("rb") as file:
        blocks = compression.blocks(file.read, compression.suffix_of(file))
        tar_stream.members(tar_stream.Stream(blocks), UnpackedTree(str(folder)).take)


def _layer(path: Path) -> None:
    laid = tree.Tree()
    tar_files.lay_tar(laid, path, base=True)


def _elf(path: Path) -> None:
    data = path.read_bytes()
    elf.read(data)
    elf.moved(data, 4096, entry=5)
    elf.flat(data)


def _needed(path: Path) -> None:
    needed._needed(tree.Slice(path, 0, path.stat().st_size))


def _esp(path: Path) -> None:
    folder = _folder(path)
    folder.mkdir()
    media.esp(path, folder)


def _wheel(path: Path) -> None:
    places = wheels.Places(site="/usr/lib/p", prefix="/usr/local", python="/usr/bin/python3")
    made = wheels.install(path, places)
    assert not any(name.startswith("/") or ".." in name.split("/") for name in made.files)
    wheels.record(made)


def _media(path: Path) -> None:
    kinds: tuple[Literal["ext", "squashfs", "disk", "initramfs"], ...] = ("ext", "squashfs", "disk", "initramfs")
    for kind in kinds:
        media.look(BootImage(kind=kind, kernel=str(path), file=str(path), name="x"))


def _kernel(path: Path) -> None:
    for arch in ("x86_64", "riscv64", "powerpc"):
        kernelfile.prepared(path, arch, path.parent)


def _fill(path: Path) -> None:
    secret = Secret(what="it", placeholder=seeds.SECRET, content=b"S" * len(seeds.SECRET))
    secret_injection.fill(path, (secret,), 1)


def _lock(path: Path) -> None:
    found = lock.from_text(_text(path), path)
    lock.changes(None, found)
    lock.changes(found, found)
    assert lock.from_text(lock.to_text(found), path) == found


def _fragment(path: Path) -> None:
    text = _text(path)
    requests, _ = fragment.fragment_requests("x", text)
    fragment.merged(text, fragment.last_requests(requests), old=True)
    for each in requests[:20]:
        fragment.same(each.value, requests[0].value)


def _bst(path: Path) -> None:
    text = _text(path)
    reader = Messages(mark=MARK, logs=path.parent, targets=["x.bst"], counts="build")
    for line in text.split("\n"):
        reader.line(line)
    reader.flush()
    reader.closing()
    list(said.messages(text.split("\n")))


def _dnsmasq(path: Path) -> None:
    for line in _text(path).split("\n"):
        dnsmasq.understood(line)
        dnsmasq.complaint(line)


def _console(path: Path) -> None:
    cleaner, kept = terminal.Cleaner(), transcript.Transcript(limit=1 << 20)
    data = path.read_bytes()
    for at in range(0, len(data), 37):
        text = cleaner.feed(data[at : at + 37])
        assert all(char in "\n\t" or char.isprintable() or ord(char) > 159 for char in text)
        kept.append(text, elapsed=1.0)
    kept.append(cleaner.feed(b"", final=True), elapsed=1.0)
    kept.last_lines(30)


def _requirements(path: Path) -> None:
    for _, line in requirement.lines(_text(path)):
        if requirement.problem(line) is None:
            assert "@" not in line
            assert "/" not in line
            assert " -" not in line.replace(" --hash=", "")


def _git(path: Path) -> None:
    for line in _text(path).split("\n"):
        if git_guard.address_problem(line) is None:
            assert not line.startswith("-")
            assert git_guard.command_problem(["fetch", line]) is None
        git_guard.ref_problem(line)
        git_guard.command_problem(line.split(" "))


def _description(path: Path) -> None:
    try:
        load.load(path)
    except Problems as error:  # that files are not there is what a whole description says here
        if any(each.reason != "missing-file" for each in error.problems):
            raise


def _apt(path: Path) -> None:
    text = _text(path)
    list(apt_index.stanzas(text))
    for read in (apt_index.packages, apt_index.sources, apt_index.targets, apt_index.resolved):
        with contextlib.suppress(Fault):
            read(text)


ROW = (
    b'{"name": "x", "version": "1", "architecture": "amd64", "path": "a/x.deb", "size": 5, "sha256": "%064d"}' % 0
)
LOCKS = (
    b'{"version": 1,\n "sources": [\n  {"source": {"architecture":"amd64","components":["main"],'
    b'"kind":"debian_packages","packages":["x"],"recommends":false,"suites":["trixie"]},\n   "ref": [\n     '
    + ROW
    + b']},\n  {"source": {"kind":"git","track":"main","url":"https://h/x"},\n   "ref": "'
    + b"a" * 40
    + b'"},\n  {"source": {"kind":"python_wheels","python":"3.13","machine":"x86_64","requirements":"r"},\n'
    b'   "ref": [{"name": "six", "version": "1.0", "file": "six-1.0-py3-none-any.whl", "size": 3, "sha256": "'
    + b"0" * 64
    + b'"}]}\n ]}\n',
)
LOGS = (
    (
        b"dnsmasq-dhcp[12]: 123 DHCPDISCOVER(br0) 52:54:00:12:34:56\n"
        b"dnsmasq-dhcp: 123 vendor class: PXEClient:Arch:00000\n"
        b"dnsmasq-dhcp: 1 DHCPACK(br0) 10.0.2.100 52:54:00:12:34:56 box\n"
        b"dnsmasq-tftp[1]: sent /run/x/undionly.kpxe to 10.0.2.100\ndnsmasq: failed to bind\n"
    ),
)
BST = (
    (
        b"@mark:00:00:01|abc|build:x.bst|START  |x/build.log\n"
        b"@mark:00:00:02|abc|build:x.bst|FAILURE|Command failed\n"
        b"@mark:--:--:--|???|main:core activity|WARN|text\n  more\nrootstream: error some-reason: f:3: text\n"
        b"rootstream:   and more\n"
    ),
)
CONSOLES = (
    (
        b"\x1b]0;t\x07 Linux version 6.1\r\n[    0.000000] x\r\n\x1b[2J"
        b"\x1b[1;1Hlogin: \x1bP1;2q\x1b\\\x9b31m\xc2\x9b31m\n"
    ),
    b"\x1b]52;c;"
    + b"A" * 5000
    + b"\x07"
    + b"\x1b" * 500
    + b"\x1b["
    + b"1;" * 2000
    + b"\r\r\n\x00\x7f\x85\xc2\x85",
)
REQUIREMENTS = (
    b"six==1.0 \\\n  --hash=sha256:" + b"0" * 64 + b"\nx[a,b] >= 1, < 2 ; python_version > '3'\n# c\ny (>=1)\n",
    b"evil @ file:///x\n-e .\n--index-url https://x\n./x\n",
)
ADDRESSES = (b"https://u@h:1/x\nssh://git@[::1]/x\ngit@h:x/y\n/x/y\nfetch --prune ext::x +a:b\n--upload-pack=x\n",)
INDEXES = (
    b"Package: x\nVersion: 1:2-3\nArchitecture: amd64\nFilename: a/x.deb\nSize: 5\nSHA256: "
    + b"0" * 64
    + b"\nDepends: y (>= 1) | z\nDescription: a\n b\n\nPackage: y\nVersion: 1\n\n",
)
TABLES = (
    b"/dev d 755 0 0 - - - - -\n/dev/tty c 666 0 0 5 0 0 1 4\n/x f 4755 0 0 - - - - -\n|xattr cap_net_raw+ep\n",
)
FRAGMENTS = (b'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="a\\"b"\nCONFIG_D=0x1f\nCONFIG_E=-5\n',)
SPARSE = (sparse._headers(1024, 8192) + b"2\n0\n512\n8192\n0\n".ljust(512, b"\0") + b"x" * 512 + bytes(1024),)

READERS = {
    "audit": Reader(run=contents.audit, seeds=lambda: contents.FEEDS),
    "vex": Reader(run=contents.decisions, seeds=lambda: contents.DECISIONS),
    "apt": Reader(run=_apt, seeds=lambda: INDEXES),
    "archive": Reader(run=_archive, seeds=seeds.packed_tars, tar=True),
    "bst": Reader(run=_bst, seeds=lambda: BST),
    "buildroot": Reader(
        run=lambda path: buildroot_tree.unpack(path, _folder(path)), seeds=seeds.packed_tars, tar=True
    ),
    "bmc": Reader(run=network.bmc, seeds=lambda: network.ANSWERS),
    "plug": Reader(run=network.plug, seeds=lambda: network.PLUGS),
    "console": Reader(run=_console, seeds=lambda: CONSOLES),
    "control": Reader(run=deb.control, seeds=seeds.debs),
    "deb": Reader(run=_deb, seeds=seeds.debs),
    "description": Reader(run=_description, seeds=lambda: seeds.texts("system.yaml")),
    "devices": Reader(run=lambda path: device_table.parse_device_table(_text(path), path), seeds=lambda: TABLES),
    "dnsmasq": Reader(run=_dnsmasq, seeds=lambda: LOGS),
    "elf": Reader(run=_elf, seeds=seeds.elves),
    "esp": Reader(run=_esp, seeds=seeds.programs),
    "ext": Reader(run=lambda path: superblock.forget_written(path, offset=0), seeds=seeds.file_systems),
    "fill": Reader(run=_fill, seeds=seeds.images),
    "fragment": Reader(run=_fragment, seeds=lambda: (*FRAGMENTS, *seeds.texts("*.config"))),
    "git": Reader(run=_git, seeds=lambda: ADDRESSES),
    "home": Reader(
        run=lambda path: phone_home.understood(path.read_bytes()), seeds=lambda: (b"boot=1&up=2.5&sum=ab",)
    ),
    "http": Reader(run=network.http, seeds=lambda: network.REQUESTS),
    "kernel": Reader(run=_kernel, seeds=seeds.elves),
    "layer": Reader(run=_layer, seeds=seeds.tars, tar=True),
    "lock": Reader(run=_lock, seeds=lambda: LOCKS),
    "media": Reader(run=_media, seeds=lambda: (*seeds.file_systems(), *seeds.packed_tars()[3:4])),
    "needed": Reader(run=_needed, seeds=seeds.elves),
    "program": Reader(run=lambda path: uki.program(path.read_bytes(), "x"), seeds=seeds.programs),
    "ramdisk": Reader(run=memory.ramdisk, seeds=seeds.ramdisks),
    "requirements": Reader(run=_requirements, seeds=lambda: REQUIREMENTS),
    "sdist": Reader(run=source_metadata.of_archive, seeds=seeds.packed_tars, tar=True),
    "sparse": Reader(
        run=lambda path: sparse.unpack_sparse(path, path.parent / "whole", largest=1 << 30), seeds=lambda: SPARSE
    ),
    "copyright": Reader(run=contents.copyright_file, seeds=lambda: contents.COPYRIGHTS),
    "export": Reader(run=contents.exported, seeds=lambda: contents.EXPORTS),
    "inventory": Reader(run=contents.listed, seeds=lambda: contents.LISTS),
    "crates": Reader(run=contents.crates, seeds=lambda: contents.CRATES),
    "modules": Reader(run=contents.modules, seeds=lambda: contents.MODULES),
    "provenance": Reader(run=contents.provenance_file, seeds=contents.statements),
    "results": Reader(run=contents.result_list, seeds=contents.result_lists),
    "uimage": Reader(run=lambda path: uimage.kernel(path.read_bytes(), 0, 0), seeds=seeds.elves),
    "wheel": Reader(run=_wheel, seeds=seeds.wheels),
}
