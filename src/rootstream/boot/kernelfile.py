"""What kind of file a kernel is, told by its first bytes, and what QEMU is given for it.

A vmlinux of RISC-V is linked to physical address 0, where that machine has no memory: QEMU gets a copy whose
segments are loaded where the memory begins.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from rootstream.architectures import ARCHITECTURES, Architecture, KernelKind
from rootstream.errors import UserError, Where

_HEAD = 1024
_UIMAGE = b"\x27\x05\x19\x56"  # U-Boot, include/image.h
_ELF = b"\x7fELF"
_BZIMAGE = (0x202, b"HdrS")  # Linux, Documentation/arch/x86/boot.rst
_ZIMAGE = (0x24, b"\x18\x28\x6f\x01")  # Linux, arch/arm/boot/compressed/head.S: 0x016f2818
_IMAGE = ((56, b"ARM\x64"), (56, b"RSC\x05"))  # Documentation/arch/arm64/booting.rst, riscv/boot-image-header.rst
_PT_LOAD = 1
_MOST_SEGMENTS = 256


def kind_of(head: bytes) -> KernelKind | None:
    """Tell a kernel by its first 1024 bytes."""
    if head.startswith(_ELF):
        return "vmlinux"
    if head.startswith(_UIMAGE):
        return "uImage"
    if head[_BZIMAGE[0] :].startswith(_BZIMAGE[1]):
        return "bzImage"
    if head[_ZIMAGE[0] :].startswith(_ZIMAGE[1]):
        return "zImage"
    return "Image" if any(head[place:].startswith(magic) for place, magic in _IMAGE) else None


def prepared(kernel: Path, arch: Architecture, folder: Path) -> Path:
    """Return the file to give to QEMU as kernel, the given one or a copy in `folder`.

    A file of no known kind is left to QEMU (it unpacks a gzip'd Image). Raises `UserError` kernel-not-startable,
    image-broken.
    """
    row = ARCHITECTURES[arch]
    board = row.board
    with kernel.open("rb") as file:
        head = file.read(_HEAD)
    kind = kind_of(head)
    if kind is not None and kind not in board.kernels:
        raise UserError(
            "kernel-not-startable",
            f"{board.program} cannot boot a {kind} on its machine {board.machine!r}",
            where=Where(path=kernel),
            hint=f"Build one of: {', '.join(board.kernels)}.",
        )
    if kind != "vmlinux" or not row.linked_to_0:
        return kernel
    return _moved(kernel, row.load, folder)


def _moved(kernel: Path, load: int, folder: Path) -> Path:
    """Return the vmlinux, or a copy that is loaded `load` bytes higher if it begins below that."""
    try:
        with kernel.open("rb") as file:
            segments = load_segments(file.read(_HEAD + _MOST_SEGMENTS * 56))
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        message = f"the kernel is not a valid ELF file: {error}"
        raise UserError("image-broken", message, where=Where(path=kernel)) from error
    if not segments or min(address for _, address, _ in segments) >= load:
        return kernel
    if any(address + load >= 1 << 8 * struct.calcsize(form) for _, address, form in segments):
        raise UserError(
            "image-broken", "the kernel has segments beyond the end of memory", where=Where(path=kernel)
        )
    place = folder / "vmlinux"
    shutil.copyfile(kernel, place)
    with place.open("r+b") as file:
        for offset, address, form in segments:
            file.seek(offset)
            file.write(struct.pack(form, address + load))
    return place


def load_segments(data: bytes) -> list[tuple[int, int, str]]:
    """Return for each loaded segment where its physical address is in the file, the address, and its format.

    System V ABI, "ELF Header" and "Program Header". Raises `ValueError`, `IndexError` and `struct.error` for what
    is no ELF.
    """
    order = {1: "<", 2: ">"}.get(data[5])
    wide = {1: False, 2: True}.get(data[4])
    if order is None or wide is None:
        raise ValueError("unknown class or byte order")
    table = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)[0]
    size, count = struct.unpack_from(f"{order}HH", data, 54 if wide else 42)
    if count > _MOST_SEGMENTS or size != (56 if wide else 32):
        raise ValueError(f"{count} segments of {size} bytes")
    form, inner = (f"{order}Q", 24) if wide else (f"{order}I", 12)
    found = []
    for number in range(count):
        at = table + number * size
        if struct.unpack_from(f"{order}I", data, at)[0] == _PT_LOAD:
            found.append((at + inner, struct.unpack_from(form, data, at + inner)[0], form))
    return found
