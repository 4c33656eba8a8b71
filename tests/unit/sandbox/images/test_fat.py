"""What a FAT can hold, written by mtools and read back; what it cannot is told with its path and the limit."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from rootstream.sandbox.handover import data_of
from rootstream.sandbox.images.disk import lost, make_disk
from rootstream.sandbox.images.disk_layout import DiskSpec
from rootstream.sandbox.images.fat import ENTRIES, LARGEST_FILE, fat_files, make_fat, require_possible
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Inode, InodeKind, Tree, directory, text_file

EPOCH = 1_700_000_000
MIB = 1 << 20
TOOLS = pytest.mark.skipif(
    not all(map(shutil.which, ("mkfs.fat", "mcopy", "mdir"))), reason="dosfstools and mtools are not installed"
)


@dataclass(frozen=True)
class Large:
    """A file that is never read."""

    size: int

    def chunks(self) -> list[bytes]:
        raise AssertionError("it was read")


def large(size: int) -> Inode:
    return Inode(kind=InodeKind.FILE, mode=0o644, content=Large(size))  # type: ignore[arg-type]


def tools(*argv: str) -> bytes:
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC0",
        "MTOOLSRC": "/dev/null",
    }
    return subprocess.run(argv, check=True, capture_output=True, env=environment, timeout=60).stdout


def written(tmp_path: Path, files: Tree, size: int = 32 * MIB, epoch: int = EPOCH) -> Path:
    image = tmp_path / "fat.img"
    with image.open("wb") as file:
        file.truncate(size)
    make_fat(files, image, offset=0, size=size, sector_size=512, label="X", serial=1, epoch=epoch)
    return image


NASTY = (
    "-dash",
    " leading blank",
    "two  blanks",
    "it's;a[b]{c}$(d)`e`!",
    ".hidden",
    "a.b.c.d",
    "Mixed.Case",
    "ünï long name",
    "日本",
    "x" * 255,
    "deep/" * 60 + "file",
    "empty",
)


@TOOLS
def test_what_a_fat_holds_is_read_back(tmp_path: Path) -> None:
    files = Tree()
    for number, name in enumerate(NASTY):
        files.put(name, text_file(b"" if name == "empty" else bytes([65 + number]) * (number * 5000 + 1)))
    image = written(tmp_path, files)
    for number, name in enumerate(NASTY):
        data = tools("mtype", "-i", str(image), f"::/{name.replace('[', chr(92) + '[')}")
        assert data == (b"" if name == "empty" else bytes([65 + number]) * (number * 5000 + 1)), name


@TOOLS
def test_a_name_that_comes_out_otherwise_is_refused(tmp_path: Path) -> None:
    files = Tree()
    files.put("ünï", text_file(b"x"))  # mtools makes a short name in capitals of it
    with pytest.raises(Mistake, match="/ünï: mtools cannot write this name"):
        written(tmp_path, files)


@TOOLS
def test_times_before_those_of_fat_are_its_first(tmp_path: Path) -> None:
    files = Tree()
    files.put("a", text_file(b"x"))
    assert b"1980-01-01" in tools("mdir", "-i", str(written(tmp_path, files, epoch=0)), "::")


@TOOLS
def test_as_many_names_as_fit_into_the_root_folder(tmp_path: Path) -> None:
    files = Tree()
    for number in range(ENTRIES - 1):
        files.put(f"f{number}", text_file(b""))
    assert len(tools("mdir", "-b", "-i", str(written(tmp_path, files)), "::").split()) == ENTRIES - 1
    files.put("one-more", text_file(b""))
    with pytest.raises(Mistake, match=f"^/ needs {ENTRIES + 1} entries .*, {ENTRIES} are possible$"):
        written(tmp_path, files)


@pytest.mark.parametrize(
    ("path", "inode", "message"),
    [
        (
            "payload",
            large(LARGEST_FILE + 1),
            "^/boot/payload has 4294967296 bytes; FAT supports .* at most 4294967295",
        ),
        ("a:b", text_file(b""), "^/boot/a:b: FAT does not support this name: ':' is reserved$"),
        ("new\nline", text_file(b""), r"^/boot/new\\nline: FAT does not support this name: '\\n' is reserved$"),
        ("back\\slash", text_file(b""), "is reserved"),
        ('quote"', text_file(b""), "is reserved"),
        ("dot.", text_file(b""), "at its end"),
        ("blank ", text_file(b""), "at its end"),
        ("sub/aux", text_file(b""), "^/boot/sub/aux: FAT does not support this name: it is the name of a device$"),
        ("\udcff", text_file(b""), r"^/boot/\\udcff: FAT does not support this name: it is not UTF-8"),
        ("😀", text_file(b""), "beyond U"),
        ("x" * 256, text_file(b""), "it has 256 characters, at most 255"),
        ("VMLINUZ", text_file(b""), "^/boot/vmlinuz: to FAT, its name is the same as /boot/VMLINUZ$"),
        ("Vmlinuz/config", text_file(b""), "^/boot/vmlinuz: to FAT, its name is the same as /boot/Vmlinuz$"),
    ],
)
def test_what_fat_cannot_hold_is_one_sentence(path: str, inode: Inode, message: str) -> None:
    files = Tree()
    files.put("vmlinuz", text_file(b"k"))
    files.put(path, inode)
    with pytest.raises(Mistake, match=message):
        require_possible(files, 16, "/boot")


def test_all_that_is_wrong_is_told_at_once() -> None:
    tree = Tree()
    tree.put("boot/dev", Inode(kind=InodeKind.CHAR, mode=0o600))
    tree.put("boot/pipe", Inode(kind=InodeKind.FIFO, mode=0o600))
    tree.put("boot/up", Inode(kind=InodeKind.SYMLINK, mode=0o777, target=".."))
    tree.put("boot/what?", text_file(b""))
    with pytest.raises(Mistake) as caught:
        fat_files(tree, "boot")
    assert [text.partition(" ")[0] for text in caught.value.problems] == [
        "/boot/dev",
        "/boot/pipe",
        "/boot/up",
        "/boot/what?:",
    ]


def disk(boot: int | None = None) -> DiskSpec:
    size = {} if boot is None else {"size": boot}
    partitions = [{"filesystem": "vfat", "mount": "/boot", **size}, {"filesystem": "ext4", "mount": "/"}]
    return data_of(DiskSpec, {"name": "box", "seed": "box", "bootloader": "none", "partitions": partitions})


@TOOLS
@pytest.mark.parametrize(
    ("boot", "inode", "message"),
    [
        (None, large(4_300_000_000), r"^partition 1 \(boot\): /boot/payload has 4300000000 bytes; FAT supports"),
        (8 * MIB, text_file(bytes(9 * MIB)), r"^partition 1 \(boot\): size 8388608 is too small for its files;"),
        (4096, text_file(b""), r"^partition 1 \(boot\): size 4096 is not possible: FAT supports 65536 to"),
    ],
)
def test_a_disk_says_what_its_partition_cannot_hold(
    tmp_path: Path, boot: int | None, inode: Inode, message: str
) -> None:
    root = Tree()
    root.put("boot/payload", inode)
    image = tmp_path / "disk.img"
    image.write_bytes(b"")
    with pytest.raises(Mistake, match=message) as caught:
        make_disk(disk(boot), root, image, epoch=EPOCH, boot={})
    assert all(len(text) < 200 and "\n" not in text for text in caught.value.problems)


def test_what_a_disk_does_not_keep_is_told() -> None:
    root = Tree()
    root.put("boot/vmlinuz-6", text_file(b"k"))
    root.put("boot/grub/tool", text_file(b"t", 0o755))
    root.put("etc/shadow", text_file(b"", 0o640, 0, 42))
    assert lost(disk(), root) == ()
    root.put("boot/vmlinuz", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="vmlinuz-6"))
    root.put("boot/key", text_file(b"", 0o600))
    root.put("boot/of", text_file(b"", 0o644, 33, 33))
    root.put("boot/private", directory(0o700))
    root.put("boot/cap", Inode(kind=InodeKind.FILE, mode=0o755, xattrs=(("security.capability", b"x"),)))
    root.link("boot/hard", "boot/vmlinuz-6")
    told = lost(disk(), root)
    assert [text.split(": ")[2].split(" ")[0] for text in told] == [
        "/boot/cap",
        "/boot/key",
        "/boot/of",
        "/boot/private",
        "/boot/vmlinuz",
        "/boot/vmlinuz-6",
    ]
    assert all(text.startswith("partition 1 (boot): ") for text in told)
