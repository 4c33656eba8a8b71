"""Make a CD image that starts from BIOS and UEFI, also when it is written to a USB stick or a disk.

For UEFI there is a FAT with a unified kernel image in it; for BIOS there is isolinux, and the kernel and the
initramfs that it loads are those inside of the unified kernel image, so that they are there once. Run as
`python3 -m rootstream.sandbox.images.iso ... -o FILE`.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rootstream.formats.iso9660 import BIOS, EFI, SECTOR, VOLUME, BootEntry, PlacedFile, first_free, head
from rootstream.sandbox.images import fat, uki
from rootstream.sandbox.images.disk_layout import disk_id, fat_serial, loader_config
from rootstream.sandbox.program import CHUNK, Mistake, run_main, source_date_epoch, whole_file
from rootstream.sandbox.tree import Inode, InodeKind, Tree

LDLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
ISOLINUX = ("isolinux.bin", "isohdpfx.bin")
BOOT_CODE = 432  # the code of isohybrid; behind it stands where isolinux lies
CLUSTER = 4  # sectors of 512 bytes: files of the FAT begin at whole sectors of the CD
SPARE = 256 << 10
ESP_TYPE = 0xEF
FAT12_MOST, FAT16_MOST = 4000, 65000


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoSpec:
    """A CD that is wanted; `isolinux` is the folder of isolinux's programs, None for UEFI only."""

    name: str
    label: str
    arguments: str
    stub: Path
    kernel: Path
    initramfs: Path
    isolinux: Path | None


def make_iso(spec: IsoSpec, output: Path, epoch: int) -> None:
    """Write the image."""
    small = _small_files(spec)
    place = first_free(len({name.partition("/")[0] for name in (*small, "BOOT/EFI.IMG")}))
    files: dict[str, PlacedFile] = {}
    for name, data in small.items():
        files[name] = PlacedFile(start=place, size=len(data))
        place += _up(len(data), SECTOR)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".iso.") as scratch:
        esp, inside = _make_esp(spec, Path(scratch), epoch)
        size = esp.stat().st_size
        files["BOOT/EFI.IMG"] = PlacedFile(start=place, size=size)
        for name, (offset, length) in inside.items():
            files[name] = PlacedFile(start=place + offset, size=length)
        boots: tuple[BootEntry, ...] = (BootEntry(platform=EFI, start=place, count=size // 512),)
        if spec.isolinux:
            start = files["ISOLINUX/ISOLINUX.BIN"].start
            small["ISOLINUX/ISOLINUX.BIN"] = with_boot_info(small["ISOLINUX/ISOLINUX.BIN"], start)
            boots = (BootEntry(platform=BIOS, start=start, count=4), *boots)
        with output.open("wb") as file:
            file.write(_mbr(spec, files, total=place + size))
            file.write(bytes(VOLUME * SECTOR - 512))
            file.write(head(files, boots, label=spec.label, size=place + size, epoch=epoch))
            for name, data in small.items():
                file.seek(files[name].start)
                file.write(data)
            file.seek(place)
            with esp.open("rb") as image:
                while piece := image.read(CHUNK):
                    file.write(piece)


def _small_files(spec: IsoSpec) -> dict[str, bytes]:
    if spec.isolinux is None:
        return {}
    config = loader_config(spec.arguments, kernel="/boot/vmlinuz", initramfs="/boot/initrd")
    return {
        "ISOLINUX/ISOLINUX.BIN": (spec.isolinux / ISOLINUX[0]).read_bytes(),
        "ISOLINUX/ISOLINUX.CFG": config.encode(),
        "ISOLINUX/LDLINUX.C32": LDLINUX.read_bytes(),
    }


def _make_esp(spec: IsoSpec, scratch: Path, epoch: int) -> tuple[Path, dict[str, tuple[int, int]]]:
    """Return the FAT for UEFI, and where in it kernel and initramfs lie (offset and size), for isolinux."""
    stub = spec.stub.read_bytes()
    kernel, initramfs = uki.whole(spec.kernel), uki.whole(spec.initramfs)
    program = scratch / "uki.efi"
    with program.open("wb") as file:
        sections = uki.parts(
            stub=stub, kernel=kernel, initramfs=initramfs, arguments=spec.arguments, name=spec.name
        )
        places = uki.write_uki(file, stub, sections)
    tree = Tree()
    content = uki.whole(program)
    tree.put(uki.efi_name(stub), Inode(kind=InodeKind.FILE, mode=0o644, content=content, origin="the boot files"))
    esp = scratch / "efi.img"
    size = _up(content.size + content.size // 256 + SPARE, 1 << 20)
    clusters = size // (512 * CLUSTER)
    bits = 12 if clusters < FAT12_MOST else 16 if clusters < FAT16_MOST else 32
    reserved = 32 if bits == 32 else 1  # noqa: PLR2004

    def make(reserved: int) -> int:
        form = fat.Form(bits=bits, cluster=CLUSTER, reserved=reserved)
        with esp.open("wb") as file:
            file.truncate(size)
        serial = fat_serial(spec.name)
        fat.make_fat(
            tree, esp, offset=0, size=size, sector_size=512, label="EFI", serial=serial, epoch=epoch, form=form
        )
        return _found(esp, program)

    at = make(reserved)
    if at % SECTOR:
        at = make(reserved + (SECTOR - at % SECTOR) // 512)
    if at % SECTOR:
        raise Mistake("the FAT of the CD does not let its files begin at whole sectors")
    named = {"BOOT/VMLINUZ": ".linux", "BOOT/INITRD": ".initrd"} if spec.isolinux else {}
    return esp, {name: (at + places[section][0], places[section][1]) for name, section in named.items()}


def _found(image: Path, program: Path) -> int:
    """Return where in the image the program lies in one piece."""
    wanted = program.read_bytes()
    with image.open("rb") as file:
        for at in range(0, image.stat().st_size - len(wanted) + 1, 512):
            file.seek(at)
            if file.read(512) == wanted[:512]:
                file.seek(at)
                if file.read(len(wanted)) == wanted:
                    return at
    raise Mistake("the unified kernel image does not lie in one piece in the FAT of the CD")


def with_boot_info(loader: bytes, start: int) -> bytes:
    """Return isolinux told where it is: the "boot info table" of mkisofs(8), at byte 8."""
    body = loader[64:].ljust(_up(len(loader) - 64, 4), b"\0")
    total = sum(struct.unpack(f"<{len(body) // 4}I", body)) & 0xFFFFFFFF
    table = struct.pack("<IIII", VOLUME, start // SECTOR, len(loader), total)
    return loader[:8] + table + bytes(40) + loader[64:]


def _mbr(spec: IsoSpec, files: dict[str, PlacedFile], *, total: int) -> bytes:
    """Return the first sector for a disk: isohybrid's code, which finds isolinux, and the FAT for UEFI."""
    code = bytes(BOOT_CODE)
    where = 0
    if spec.isolinux:
        code = (spec.isolinux / ISOLINUX[1]).read_bytes()[:BOOT_CODE].ljust(BOOT_CODE, b"\0")
        where = files["ISOLINUX/ISOLINUX.BIN"].start // 512
    esp = files["BOOT/EFI.IMG"]
    # The first entry is what isohybrid's code wants and says nothing to others: type 0.
    first = struct.pack("<B3sB3sII", 0x80, b"\0\1\0", 0, b"\xfe\xff\xff", 0, total // 512)
    second = struct.pack(
        "<B3sB3sII", 0, b"\xfe\xff\xff", ESP_TYPE, b"\xfe\xff\xff", esp.start // 512, esp.size // 512
    )
    ident = struct.pack("<IH", disk_id(spec.name), 0)
    return code + struct.pack("<Q", where) + ident + (first + second).ljust(64, b"\0") + b"\x55\xaa"


def _up(value: int, grain: int) -> int:
    return -(-value // grain) * grain


def _main(options: argparse.Namespace) -> None:
    spec = IsoSpec(
        name=options.name,
        label=options.label,
        arguments=options.arguments.read_text().strip("\n"),
        stub=options.stub,
        kernel=options.kernel,
        initramfs=options.initramfs,
        isolinux=options.isolinux,
    )
    with whole_file(options.output) as draft:
        make_iso(spec, draft, source_date_epoch())
        os.truncate(draft, _up(draft.stat().st_size, SECTOR))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iso", description=__doc__)
    parser.add_argument("--stub", type=Path, required=True)
    parser.add_argument("--kernel", type=Path, required=True)
    parser.add_argument("--initramfs", type=Path, required=True)
    parser.add_argument("--arguments", type=Path, required=True, help="file with the kernel's arguments")
    parser.add_argument(
        "--isolinux", type=Path, help="folder of isolinux.bin and isohdpfx.bin, to start from BIOS"
    )
    parser.add_argument("--label", default="BOOT", help="volume label")
    parser.add_argument("--name", required=True, help="text that all identities come from; boot menus show it")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
