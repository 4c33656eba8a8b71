"""What every kind of image is: how its file is called, what it needs of a system, and how it is booted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from rootstream.architectures import UEFI, Architecture
from rootstream.description.kinds import Kind
from rootstream.description.system import Means
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System

Compression = Literal["none", "gzip", "xz", "zstd"]
Firmware = Literal["bios", "uefi"]
ENDINGS = {"none": "", "gzip": ".gz", "xz": ".xz", "zstd": ".zst"}
LEAST_SIZE = 64 << 10
Label = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]{0,16}$"),
    Means("at most 16 letters, digits, '_', '.' and '-'"),
]
# How Buildroot's symbols call compressions.
BUILDROOT_COMPRESSION = {"none": "NONE", "gzip": "GZIP", "xz": "XZ", "zstd": "ZSTD", "lz4": "LZ4"}


def below(value: str) -> str:
    """Return a path below a folder; raises ValueError for one that leads out of it."""
    path = PurePosixPath(value)
    if not path.parts or path.is_absolute() or ".." in path.parts or any(ord(c) < 32 for c in value):  # noqa: PLR2004
        raise ValueError(f"{value!r} must be a path below the folder, without '..'")
    return str(path)


ExportPath = Annotated[str, AfterValidator(below), Means("a path below out/SYSTEM")]


class ImageKind(Kind):
    """A kind of image. How it is made is told by the module `planner`: plan/images/WORD.py, or a plugin's own."""

    planner: ClassVar[str | None] = None
    """Module with `plan`; by default that of its word in rootstream.plan.images."""
    bootable: ClassVar[bool] = False
    """Whether a machine can boot from it."""
    by_firmware: ClassVar[bool] = False
    """Whether the machine's firmware finds on it what it starts; else the kernel is given to the machine."""
    drive: ClassVar[Literal["raw", "qcow2", "cdrom", "esp"]] = "raw"
    """How QEMU is given it as a drive: a disk of that format, a CD, or a program in an EFI system partition."""
    mounted: ClassVar[bool] = False
    """Whether the kernel finds it as the file system of its root, on a disk of its own."""
    read_only: ClassVar[bool] = False
    """Whether that is mounted `ro`."""
    collected: ClassVar[bool] = False
    """Whether Buildroot decides which files there are."""
    in_memory: ClassVar[bool] = False
    """Whether the kernel unpacks the root in it into memory."""
    compiled_kernel: ClassVar[bool] = False
    """Whether only a kernel that is built from source can be in it."""

    def file_name(self, kernel_file: str | None, label: str) -> str:  # noqa: ARG002
        """Return the name of the exported file: `name`, or rootfs with the word of its kind.

        `kernel_file` is the kernel's own, such as bzImage, `label` the architecture with its instruction set, such
        as riscv64gc. It is empty where Buildroot decides which files there are.
        """
        return "" if self.collected else getattr(self, "name", None) or f"rootfs.{self.kind}"

    @property
    def roots(self) -> int:
        """How many copies of the root are in it."""
        return 1

    @property
    def inner(self) -> str | None:
        """The kind of the image that it has inside, or that its boot loader loads."""
        return None

    @property
    def needs_kernel(self) -> str | None:
        """What it is called where it needs a kernel, such as `an ISO image`; None where it needs none."""
        return None

    @property
    def uefi(self) -> bool:
        """Whether the kernel is joined with a stub for UEFI in it."""
        return False

    @property
    def kernel_fragments(self) -> tuple[str, ...]:
        """What a kernel from source needs to mount it: fragments of recipes/linux."""
        return ()

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders of the project whose files it carries beside the root."""
        return ()

    @property
    def starts(self) -> bool:
        """Whether there is something on it that starts a system."""
        return self.bootable

    @property
    def holds_ramdisk(self) -> bool:
        """Whether it is a medium that starts the system's own initramfs."""
        return self.by_firmware and self.inner == "initramfs"

    def firmware(self, arch: Architecture) -> tuple[Firmware, ...]:  # noqa: ARG002
        """Return what it can be started from."""
        return ("bios",)

    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names that Buildroot may give its file; none where no Buildroot root can have it."""
        return ()

    def buildroot_name(self, label: str) -> str | None:
        """Return the name to export a file of Buildroot's under; None keeps its own."""
        return self.file_name(None, label)

    def buildroot_symbols(self) -> Mapping[str, str]:
        """Return what Buildroot's configuration must have for it; text is in quotes."""
        return {}

    def sizes(self) -> Iterator[tuple[int | None, tuple[str | int, ...]]]:
        """Yield the sizes that it is given, in bytes, with the words that lead to them."""
        yield from ()

    def problems(
        self,
        system: System,  # noqa: ARG002
        node: Node,  # noqa: ARG002
        path: tuple[str | int, ...],  # noqa: ARG002
    ) -> Iterator[UserError]:
        """Yield every rule that it breaks; `node` is the system's YAML, `path` leads to this image in it."""
        yield from ()


def needs_initramfs(
    image: ImageKind, system: System, node: Node, path: tuple[str | int, ...]
) -> Iterator[UserError]:
    """Yield that the initramfs is missing which an image has inside."""
    if not any(other.kind == "initramfs" for other in system.images):
        message = f"{image.kind}: its root is the system's initramfs, and the system has no such image"
        yield UserError("image-needed", message, where=at(node, *path), hint="Add `- initramfs` to the images.")


def needs_uefi(word: str, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
    """Yield that there is no UEFI for a processor."""
    if system.arch not in UEFI:
        message = f"{word}: UEFI is not available for {system.arch}, only for {', '.join(UEFI)}"
        yield UserError("not-available", message, where=at(node, *path))


def not_bios(word: str, system: System, node: Node) -> Iterator[UserError]:
    """Yield that a machine has a BIOS which cannot start an EFI program."""
    if system.machine.firmware == "bios":
        message = f"firmware: {word} boots from UEFI, not from bios"
        yield UserError("bad-value", message, where=at(node, "machine", "firmware"))
