"""A kernel that a distribution has built: its modules chosen and indexed, and an initrd that mounts a root.

Run as `python3 -m rootstream.sandbox.images.modules --tree DIR ... --output DIR`: it writes the kernel as
`vmlinuz`, its `config` and `release`, `modules.tar` for the root and `initrd.cpio`.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream.sandbox.images.cpio import write_cpio
from rootstream.sandbox.program import Mistake, feed, run_main, source_date_epoch, whole_file
from rootstream.sandbox.tar_files import lay_folder, write_tar
from rootstream.sandbox.tree import Inode, InodeKind, Slice, Tree, directory, text_file

ALL = "all"
# What a root is reached through, as far as a kernel has it as a module.
USUAL = (
    *("virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "virtio_net", "e1000", "e1000e"),
    *("ext4", "squashfs", "erofs", "vfat", "nls_ascii", "nls_cp437", "isofs", "overlay", "loop"),
    *("nvme", "ahci", "ata_piix", "sd_mod", "sr_mod", "megaraid_sas", "mpt3sas", "hv_storvsc", "xen_blkfront"),
    *("xhci_pci", "ehci_pci", "usb_storage", "uas", "sdhci_pci", "mmc_block"),
)
APPLETS = (
    *("cat", "echo", "find", "findfs", "grep", "ls", "modprobe", "mount", "reboot", "sh", "sleep", "sort"),
    *("switch_root", "tr", "umount", "xargs"),
)
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_FILE = re.compile(r"(?P<name>[^/]+)\.ko(?P<packed>|\.xz|\.gz|\.zst)$")


def plain_name(name: str) -> str:
    """Return a module's name as the kernel writes it: `-` and `_` are the same."""
    return name.replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """The modules of a kernel in lib/modules/RELEASE: files by name, what each needs, what is built in."""

    folder: Path
    release: str
    files: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    builtin: Collection[str]

    def closure(self, names: Iterable[str], *, strict: bool) -> tuple[str, ...]:
        """Return the files of modules with those that they need, sorted; what is built in needs none.

        A name that the kernel does not know is a `Mistake` if `strict`, else left out.
        """
        found: set[str] = set()
        unknown = []
        todo = [plain_name(name) for name in names]
        while todo:
            name = todo.pop()
            file = self.files.get(name)
            if file is None:
                if name not in self.builtin:
                    unknown.append(name)
            elif file not in found:
                found.add(file)
                todo += self.needs.get(file, ())
        if unknown and strict:
            raise Mistake(
                f"the kernel {self.release} has no module {', '.join(sorted(unknown))}, nor is it built in; "
                "its package may be one for virtual machines only"
            )
        return tuple(sorted(found))


def read_modules(root: Path, release: str) -> Modules:
    """Return what is in ROOT/lib/modules/RELEASE after depmod (modules.dep(5), modules.builtin, softdep)."""
    folder = root / "lib" / "modules" / release
    needs: dict[str, tuple[str, ...]] = {}
    files: dict[str, str] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        needs[file] = tuple(_module_name(each) for each in rest.split())
        files[_module_name(file)] = file
    others = aliases((folder / "modules.alias").read_text())
    for name, wanted in soft_needs((folder / "modules.softdep").read_text()):
        if name in files:
            found = (each for alias in wanted for each in (alias, *others.get(alias, ())))
            needs[files[name]] += tuple(each for each in found if each in files)
    builtin = folder / "modules.builtin"
    lines = builtin.read_text().splitlines() if builtin.is_file() else []
    return Modules(
        folder=folder, release=release, files=files, needs=needs, builtin={_module_name(line) for line in lines}
    )


def aliases(text: str) -> dict[str, tuple[str, ...]]:
    """Return the modules for each further name that is a plain word: crc32c (modules.alias, modprobe.d(5))."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["alias"] and len(words) == 3 and _WORD.fullmatch(words[1]):  # noqa: PLR2004
            name = plain_name(words[1])
            found[name] = (*found.get(name, ()), plain_name(words[2]))
    return found


def soft_needs(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what modules like to have beside them, before or after (modules.softdep, modprobe.d(5))."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["softdep"] and len(words) > 1:
            wanted = tuple(plain_name(word) for word in words[2:] if word not in ("pre:", "post:"))
            found.append((plain_name(words[1]), wanted))
    return tuple(found)


def _module_name(file: str) -> str:
    match = _FILE.search(file)
    if match is None:
        raise Mistake(f"{file!r} is not a kernel module")
    return plain_name(match["name"])


def the_kernel(tree: Path) -> tuple[Path, str]:
    """Return the kernel of an unpacked package and its release; `Mistake` if there is none or several."""
    found = sorted((tree / "boot").glob("vmlinu[xz]-*"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise Mistake(f"the package should bring one kernel in /boot, it brings {names}: name another package")
    return found[0], found[0].name.split("-", 1)[1]


def index(root: Path, release: str, epoch: int) -> None:
    """Make the indexes of ROOT/lib/modules/RELEASE."""
    feed(["depmod", "-b", str(root), release], epoch=epoch)


def copied(source: Modules, files: Iterable[str], root: Path, epoch: int, *, unpacked: bool = False) -> Modules:
    """Copy some modules to ROOT/lib/modules/RELEASE, `unpacked` if asked, and index them there."""
    folder = root / "lib" / "modules" / source.release
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        if (source.folder / name).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.folder / name, folder / name)
    for file in files:
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if unpacked:
            packed = file[file.rindex(".ko") + 3 :]
            place = place.with_name(place.name.removesuffix(packed) if packed else place.name)
            place.write_bytes(_unpacked(source.folder / file, packed, epoch))
        else:
            shutil.copyfile(source.folder / file, place)
    folder.mkdir(parents=True, exist_ok=True)
    index(root, source.release, epoch)
    return read_modules(root, source.release)


def _unpacked(path: Path, ending: str, epoch: int) -> bytes:
    data = path.read_bytes()
    if ending == ".xz":
        return lzma.decompress(data)
    if ending == ".gz":
        return gzip.decompress(data)
    if ending == ".zst":
        with tempfile.TemporaryFile() as output:
            feed(["zstd", "-dc", str(path)], epoch=epoch, stdout=output)
            output.seek(0)
            return output.read()
    return data


def initrd(modules: Path, names: Iterable[str], busybox: Path, init: Path) -> Tree:
    """Return the tree that mounts a root: BusyBox, the script that does it, the modules in a folder."""
    tree = Tree()
    for folder in ("bin", "dev", "etc", "new", "proc", "sys"):
        tree.put(folder, directory())
    lay_folder(tree, modules)
    program = Inode(kind=InodeKind.FILE, mode=0o755, content=Slice(busybox, 0, busybox.stat().st_size))
    tree.put("bin/busybox", program)
    for applet in APPLETS:
        tree.put(f"bin/{applet}", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="busybox"))
    tree.put(
        "sbin", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="bin")
    )  # where the kernel looks for modprobe
    tree.put("init", text_file(init.read_bytes(), 0o755))
    tree.put("etc/modules", text_file("".join(f"{name}\n" for name in names).encode()))
    tree.put("dev/console", Inode(kind=InodeKind.CHAR, mode=0o600, device=(5, 1)))
    return tree


def _main(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    kernel, release = the_kernel(options.tree)
    options.output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kernel, options.output / "vmlinuz")
    config = options.tree / "boot" / f"config-{release}"
    if config.is_file():
        shutil.copyfile(config, options.output / "config")
    (options.output / "release").write_text(f"{release}\n")
    with tempfile.TemporaryDirectory() as scratch:
        every = Path(scratch, "every")
        places = [options.tree / top / "modules" / release for top in ("usr/lib", "lib")]
        source = next((place for place in places if place.is_dir()), None)
        if source is None:
            raise Mistake(f"the package brings no modules for its kernel {release}")
        (every / "lib/modules").mkdir(parents=True)
        shutil.copytree(source, every / "lib/modules" / release, symlinks=True)
        for link in ("build", "source"):
            (every / "lib/modules" / release / link).unlink(missing_ok=True)
        index(every, release, epoch)
        modules = read_modules(every, release)
        chosen = every
        if options.modules is not None:
            chosen = Path(scratch, "chosen")
            copied(modules, modules.closure(options.modules, strict=True), chosen, epoch)
        _write_root(chosen, options.output / "modules.tar", epoch, script=options.load)
        early = USUAL if options.initrd is None else options.initrd
        files = modules.closure(early, strict=options.initrd is not None)
        there = copied(modules, files, Path(scratch, "early"), epoch, unpacked=True)
        names = [name for name in map(plain_name, early) if name in there.files] if options.initrd else []
        tree = initrd(Path(scratch, "early"), names, options.busybox, options.init)
        with whole_file(options.output / "initrd.cpio") as draft, draft.open("wb") as file:
            write_cpio(tree, file, epoch)


def _write_root(folder: Path, output: Path, epoch: int, *, script: Path | None) -> None:
    tree = Tree()
    lay_folder(tree, folder)
    if script is not None:
        tree.put("etc/init.d/S10modules", text_file(script.read_bytes(), 0o755))
    with whole_file(output) as draft, draft.open("wb") as file:
        write_tar(tree, file, epoch)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modules", description=__doc__)
    parser.add_argument("--tree", type=Path, required=True, help="the unpacked packages")
    parser.add_argument("--busybox", type=Path, required=True, help="a static BusyBox for the initrd")
    parser.add_argument("--init", type=Path, required=True, help="the script that the initrd starts with")
    parser.add_argument("--load", type=Path, help="BusyBox init script that loads modules, for the root")
    parser.add_argument("--modules", nargs="*", help="modules for the root; by default all")
    parser.add_argument("--initrd", nargs="*", help="modules for the initrd; by default the usual ones")
    parser.add_argument("--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
