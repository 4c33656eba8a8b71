"""A kernel with its root inside: links the kernel again with an initramfs, a matter of seconds, and checks it.

Run as `python3 -m rootstream.sandbox.images.capsule --link FOLDER --initramfs FILE ... -o FILE`. FOLDER is what
the kernel's own build left of its last step (scripts/link-vmlinux.sh): objects, linker script, settings.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rootstream.formats import elf
from rootstream.sandbox.program import Mistake, feed, run_main, source_date_epoch, whole_file

OBJECT = "usr/initramfs_data.o"
DATA = ".init.ramfs"
SIZE = ".init.ramfs.info"  # holds the size of the data (Linux, usr/initramfs_data.S)
# KERNEL_IMAGE_SIZE of arch/x86/include/asm/page_64_types.h; elsewhere code reaches 2 GiB
LARGEST, LARGEST_OTHER = {"x86_64": 1 << 30}, 1 << 31
HEADER = "asm/bitsperlong.h"  # all that the assembler file of kallsyms includes


def settings(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the environment and the arguments that the kernel's own build linked with."""
    words = (folder / "link.env").read_text().split("\0")
    environment = dict(word.split("=", 1) for word in words if "=" in word)
    return environment, (folder / "link.args").read_text().split("\0")[:-1]


def link(folder: Path, initramfs: Path, arch: str, epoch: int) -> bytes:
    """Return the vmlinux with an initramfs inside; `folder` is written to."""
    length, most = initramfs.stat().st_size, LARGEST.get(arch, LARGEST_OTHER)
    if length > most:
        raise Mistake(f"the initramfs has {length} bytes; a kernel for {arch} can be linked with {most} at most")
    environment, words = settings(folder)
    extra = _own(environment, folder, arch)
    size = folder / "size"
    order: Literal["little", "big"] = "big" if arch == "powerpc" else "little"
    size.write_bytes(initramfs.stat().st_size.to_bytes(elf.BITS[arch] // 8, order))
    change = [f"--update-section={DATA}={initramfs}", f"--update-section={SIZE}={size}"]
    feed(
        [environment["OBJCOPY"], f"--remove-relocations={SIZE}", *change, str(folder / OBJECT)],
        epoch=epoch,
    )
    archiver = environment["OBJCOPY"].removesuffix("objcopy") + "ar"
    feed([archiver, "qDS", str(folder / "vmlinux.a"), str(folder / OBJECT)], epoch=epoch)
    # The script looks for its files from where it is run.
    feed(["env", "-C", str(folder), "sh", "scripts/link-vmlinux.sh", *words], epoch=epoch, extra=extra)
    feed([environment["OBJCOPY"], "--strip-all", str(folder / "vmlinux")], epoch=epoch)
    return (folder / "vmlinux").read_bytes()


def _own(environment: Mapping[str, str], folder: Path, arch: str) -> dict[str, str]:
    """Return the environment, pointed at `folder`; nothing is made that the kernel's build has made."""
    header = folder / "include" / HEADER
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(f"#define BITS_PER_LONG {elf.BITS[arch]}\n")
    # BITS_PER_LONG is all that is wanted of what LINUXINCLUDE would name.
    return {**environment, "srctree": ".", "objtree": ".", "MAKE": "true", "LINUXINCLUDE": f"-I{folder}/include"}


def checked(data: bytes, arch: str, load: int, initramfs: bytes, *, physical: bool) -> bytes:
    """Return the vmlinux, loaded at `load` and above and entered there; `Mistake` for what is no capsule.

    With `physical` the entry is an address that is loaded to, which a loader can jump to without page tables.
    """
    try:
        found = elf.read(data)
        by = load - found.lowest if load else 0
        entry = found.physical_entry() + by if physical else found.entry
        made = elf.moved(data, by, entry=entry)
        _prove(elf.read(made), arch, load)
    except elf.NotElf as error:
        raise Mistake(f"the linked kernel is not as requested: {error}") from error
    if initramfs not in made:
        raise Mistake("the linked kernel does not contain the initramfs: its linker script has no section for it")
    return made


def _prove(made: elf.Elf, arch: str, load: int) -> None:
    if (made.bits, made.machine) != (elf.BITS[arch], elf.MACHINES[arch]):
        raise elf.NotElf(f"an ELF file of {made.bits} bits for machine {made.machine}, not for {arch}")
    if made.type not in elf.EXECUTABLE:
        raise elf.NotElf(f"its type is {made.type}: not an executable")
    if made.lowest < load:
        raise elf.NotElf(f"it is loaded to {made.lowest:#x}, below {load:#x}")
    made.physical_entry()


def _main(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    initramfs = options.initramfs.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "link"
        shutil.copytree(options.link, folder)
        data = link(folder, initramfs, options.arch, epoch)
    made = checked(data, options.arch, options.load, initramfs.read_bytes(), physical=options.entry == "physical")
    with whole_file(options.output) as draft:
        draft.write_bytes(made)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="capsule", description=__doc__)
    parser.add_argument("--link", type=Path, required=True, help="what the kernel's build left for linking again")
    parser.add_argument("--initramfs", type=Path, required=True)
    parser.add_argument("--arch", choices=sorted(elf.MACHINES), required=True)
    parser.add_argument("--load", type=lambda text: int(text, 0), default=0, help="lowest address, 0: as linked")
    parser.add_argument("--entry", choices=("physical", "linked"), default="physical")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
