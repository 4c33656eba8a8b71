"""The part of the description that says which files to make to boot from."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from rootstream.description.system import (
    Address,
    FileName,
    ImagePath,
    KernelArgs,
    Means,
    Model,
    ProjectFolder,
    Size,
    first_of,
    word,
)

Compression = Literal["none", "gzip", "xz", "zstd"]
Label = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]{0,16}$"),
    Means("at most 16 letters, digits, '_', '.' and '-'"),
]


class KernelImage(Model):
    """The kernel itself, as a boot loader takes it."""

    name: FileName | None = None
    """Name of the file; by default the kernel's own (bzImage, Image ...)."""


class Initramfs(Model):
    """The root as a cpio archive that the kernel unpacks into memory."""

    compression: Compression = "zstd"
    """How it is compressed."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above, where 19 takes minutes."""
    name: FileName | None = None
    """Name of the file; by default initramfs.cpio with the compressor's ending."""


class Initrd(Model):
    """What mounts a root on a disk: the modules for it and a script, for a kernel of Debian's."""

    compression: Compression = "zstd"
    """How it is compressed."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above, where 19 takes minutes."""
    name: FileName = "initrd.img"
    """Name of the file."""


class Ext(Model):
    """The root as an ext2 or ext4 file system."""

    type: Literal["ext2", "ext4"] = "ext4"
    """Which of the two."""
    size: Size | None = None
    """Size of the file system; by default computed from its contents."""
    label: Label = "rootfs"
    """Volume label."""
    gzip: bool = False
    """Compress the file with gzip, as for a ramdisk."""
    name: FileName | None = None
    """Name of the file; by default rootfs with the ending of the type."""


class Squashfs(Model):
    """The root as a read-only, compressed file system."""

    compression: Literal["gzip", "xz", "zstd", "lz4"] = "zstd"
    """How it is compressed."""
    name: FileName | None = None
    """Name of the file; by default rootfs.squashfs."""


class Tar(Model):
    """The root as a tar archive: owners, modes, extended attributes, device nodes."""

    compression: Compression = "none"
    """How it is compressed."""
    name: FileName | None = None
    """Name of the file; by default rootfs.tar with the compressor's ending."""


def _below(value: str) -> str:
    path = PurePosixPath(value)
    if not path.parts or path.is_absolute() or ".." in path.parts or any(ord(c) < 32 for c in value):  # noqa: PLR2004
        raise ValueError(f"{value!r} must be a path below the folder, without '..'")
    return str(path)


BuiltFile = Annotated[str, AfterValidator(_below), Means("the name of a file that Buildroot makes")]
ExportPath = Annotated[str, AfterValidator(_below), Means("a path below out/SYSTEM")]


class Partition(Model):
    """A partition of a disk."""

    filesystem: Literal["vfat", "ext2", "ext4", "swap"]
    """What is on it."""
    mount: ImagePath | None = None
    """Where it is mounted: `/` is the root, `/boot` the boot loader's."""
    size: Size | None = None
    """Size of the partition; by default computed from its contents (swap needs one)."""
    label: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9_.-]{0,11}$"),
            Means("at most 11 letters, digits, '_', '.' and '-'"),
        ]
        | None
    ) = None
    """Volume label."""
    options: Annotated[str, Field(pattern=r"^[^\s#]+$"), Means("mount options without spaces")] | None = None
    """Mount options in /etc/fstab; by default `defaults,rw,noatime` for the root, else `defaults`, for which
    systemd waits 15 minutes."""


SEED_PARTITIONS = (
    Partition(filesystem="vfat", mount="/boot"),
    Partition(filesystem="ext4", mount="/"),
)


class Disk(Model):
    """A partitioned disk that starts by itself."""

    table: Literal["mbr", "gpt"] = "mbr"
    """Partition table: `mbr` starts from BIOS, `gpt` from UEFI."""
    bootloader: Literal["syslinux", "uki", "none"] | None = None
    """What starts the kernel: `syslinux` (the default on `mbr`) or `uki` (the default on `gpt`), one EFI program
    with kernel, arguments and initramfs inside, where UEFI starts it without any settings."""
    sector_size: Literal[512, 4096] = 512
    """Size of a sector in bytes."""
    partitions: Annotated[tuple[Partition, ...], Field(min_length=1, max_length=128)] = SEED_PARTITIONS
    """Partitions in their order on the disk, at most four on `mbr`."""
    device: Annotated[str, Field(pattern=r"^/dev/[a-z0-9]+$"), Means("a device such as /dev/sda")] | None = None
    """What the machine calls this disk; used in /etc/fstab and for the kernel's root=. By default
    /dev/sda on `mbr`; on `gpt` partitions are found by their UUIDs, whatever the disk is called."""
    kernel_args: KernelArgs = ""
    """Kernel arguments; root=, rootfstype= and rw are added where they are missing."""
    kernel_name: FileName = "vmlinuz"
    """Name of the kernel on the boot partition (with `uki` it is inside the program)."""
    initramfs: bool = False
    """Put the initramfs beside the kernel and let the boot loader load both."""
    fstab: Literal["write", "keep"] = "write"
    """Write /etc/fstab from the partitions, or keep the root's own."""
    name: FileName = "disk.img"
    """Name of the file."""

    @property
    def loader(self) -> Literal["syslinux", "uki", "none"]:
        """What starts the kernel, the table's own loader where nothing is said."""
        return self.bootloader or ("syslinux" if self.table == "mbr" else "uki")


class Uki(Model):
    """A unified kernel image: kernel, arguments and initramfs as one program that UEFI starts."""

    kernel_args: KernelArgs = ""
    """Kernel arguments."""
    initramfs: bool = True
    """Put the system's initramfs inside, so that the root is in memory."""
    name: FileName = "linux.efi"
    """Name of the file."""


class Iso(Model):
    """A CD, also for USB sticks, that starts from BIOS (x86_64) and UEFI: kernel and initramfs, all in memory."""

    kernel_args: KernelArgs = ""
    """Kernel arguments."""
    label: Annotated[
        str, Field(pattern=r"^[A-Z0-9_]{1,32}$"), Means("1 to 32 capital letters, digits and '_'")
    ] = "ROOTSTREAM"
    """Volume label."""
    name: FileName = "boot.iso"
    """Name of the file."""


class Files(Model):
    """What Buildroot puts into its images folder, as it is: boot loaders, ISO files, vmlinux ..."""

    names: Annotated[dict[BuiltFile, ExportPath], Field(max_length=200)] = {}
    """Files to export under other names: those of Buildroot's images folder to those below out/SYSTEM."""
    only: bool = False
    """Export only the files that `names` names, not all of them."""


class Capsule(Model):
    """A kernel with its root inside: one ELF file (vmlinux), as hypervisors and simple boot loaders take it."""

    compression: Compression = "zstd"
    """How the root inside is compressed."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above, where 19 takes minutes."""
    payload: ProjectFolder | None = None
    """Folder of the project whose files are carried in the root inside, below /payload."""
    load: Address | None = None
    """Physical address that it is loaded to; by default where QEMU's machine has its memory, 0 leaves what the
    kernel was linked to."""
    entry: Literal["physical", "linked"] = "physical"
    """Where it is entered: at a physical address, for a loader that jumps there, or as the kernel was linked (on
    RISC-V a virtual address, that of the lowest segment)."""
    name: ExportPath | None = None
    """Path of the file; by default boot/binaries/ARCHITECTURE/supervisor, the architecture being such as
    riscv64gc."""


class Uimage(Model):
    """A file for U-Boot's bootm, with U-Boot's (legacy) header."""

    type: Literal["kernel", "ramdisk", "multi"] = "kernel"
    """What is in it: the kernel, the root as a ramdisk, or both."""
    ramdisk: Literal["ext", "initramfs"] = "ext"
    """Image of this system that the ramdisk is."""
    load: Address | None = None
    """Address that the kernel is loaded to and entered at; by default that of its vmlinux, or of QEMU's memory."""
    title: Annotated[str, Field(pattern=r"^[ -~]{0,31}$"), Means("at most 31 letters of ASCII")] = ""
    """What U-Boot calls it; by default the system's name."""
    name: FileName | None = None
    """Name of the file; by default uImage, uRamdisk or uMulti."""


class Firmware(Model):
    """OpenSBI, which starts a kernel on RISC-V; with it, booting needs none of the host's."""

    name: FileName = "opensbi.bin"
    """Name of the file."""


class MakeFirmware(Model):
    firmware: Firmware
    """OpenSBI, for RISC-V."""


class MakeCapsule(Model):
    capsule: Capsule
    """A kernel with its root inside."""


class MakeUimage(Model):
    uimage: Uimage
    """A file for U-Boot."""


class MakeKernel(Model):
    kernel: KernelImage
    """The kernel."""


class MakeInitramfs(Model):
    initramfs: Initramfs
    """A cpio archive for the kernel."""


class MakeInitrd(Model):
    initrd: Initrd
    """What mounts a root on a disk."""


class MakeExt(Model):
    ext: Ext
    """An ext2 or ext4 file system."""


class MakeSquashfs(Model):
    squashfs: Squashfs
    """A squashfs file system."""


class MakeTar(Model):
    tar: Tar
    """A tar archive."""


class MakeDisk(Model):
    disk: Disk
    """A bootable disk."""


class MakeUki(Model):
    uki: Uki
    """A program for UEFI that is the whole system."""


class MakeIso(Model):
    iso: Iso
    """A CD, or USB stick, that starts the system."""


class MakeFiles(Model):
    files: Files
    """The files that Buildroot made, all of them or those named."""


KINDS = (
    *("kernel", "initramfs", "initrd", "ext", "squashfs", "tar", "disk", "uki", "iso"),
    *("capsule", "uimage", "firmware", "files"),
)
Image = Annotated[
    Annotated[MakeKernel, Tag("kernel")]
    | Annotated[MakeInitramfs, Tag("initramfs")]
    | Annotated[MakeInitrd, Tag("initrd")]
    | Annotated[MakeExt, Tag("ext")]
    | Annotated[MakeSquashfs, Tag("squashfs")]
    | Annotated[MakeTar, Tag("tar")]
    | Annotated[MakeDisk, Tag("disk")]
    | Annotated[MakeCapsule, Tag("capsule")]
    | Annotated[MakeUimage, Tag("uimage")]
    | Annotated[MakeFirmware, Tag("firmware")]
    | Annotated[MakeUki, Tag("uki")]
    | Annotated[MakeIso, Tag("iso")]
    | Annotated[MakeFiles, Tag("files")],
    Discriminator(
        first_of(*KINDS),
        custom_error_type="choice",
        custom_error_message=f"expected one of: {', '.join(KINDS)}",
    ),
    BeforeValidator(word),
]
UIMAGES = {"kernel": "uImage", "ramdisk": "uRamdisk", "multi": "uMulti"}
ENDINGS = {"none": "", "gzip": ".gz", "xz": ".xz", "zstd": ".zst"}


def file_name(image: Image, kernel_file: str | None, label: str) -> str:  # noqa: C901, PLR0911, PLR0912  (a table)
    """Return the name of the exported file of an image; `kernel_file` is the kernel's own, such as bzImage.

    `label` is the architecture with its instruction set, such as riscv64gc.
    It is empty for `files`: Buildroot says which there are.
    """
    match image:
        case MakeKernel():
            return image.kernel.name or kernel_file or "kernel"
        case MakeInitramfs():
            return image.initramfs.name or "initramfs.cpio" + ENDINGS[image.initramfs.compression]
        case MakeInitrd():
            return image.initrd.name
        case MakeExt():
            return image.ext.name or f"rootfs.{image.ext.type}" + (".gz" if image.ext.gzip else "")
        case MakeSquashfs():
            return image.squashfs.name or "rootfs.squashfs"
        case MakeTar():
            return image.tar.name or "rootfs.tar" + ENDINGS[image.tar.compression]
        case MakeDisk():
            return image.disk.name
        case MakeCapsule():
            return image.capsule.name or f"boot/binaries/{label}/supervisor"
        case MakeUimage():
            return image.uimage.name or UIMAGES[image.uimage.type]
        case MakeFirmware():
            return image.firmware.name
        case MakeUki():
            return image.uki.name
        case MakeIso():
            return image.iso.name
        case MakeFiles():
            return ""
