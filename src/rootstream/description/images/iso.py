"""Image `iso`: a CD, or USB stick, that starts the system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.description.images.base import Firmware, ImageKind, needs_initramfs, needs_uefi
from rootstream.description.system import FileName, KernelArgs, Means
from rootstream.description.yaml_nodes import Node
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Iso(ImageKind):
    """A hybrid ISO image for CDs and USB sticks with kernel and initramfs; boots from BIOS (x86_64) and UEFI."""

    word: ClassVar[str] = "iso"
    bootable: ClassVar[bool] = True
    by_firmware: ClassVar[bool] = True
    drive: ClassVar = "cdrom"

    kernel_args: KernelArgs = ""
    """Kernel arguments."""
    label: Annotated[
        str, Field(pattern=r"^[A-Z0-9_]{1,32}$"), Means("1 to 32 capital letters, digits and '_'")
    ] = "ROOTSTREAM"
    """Volume label."""
    name: FileName = "boot.iso"
    """File name."""

    @property
    @override
    def inner(self) -> str:
        return "initramfs"

    @property
    @override
    def needs_kernel(self) -> str:
        return "an ISO image"

    @property
    @override
    def uefi(self) -> bool:
        return True

    @override
    def firmware(self, arch: Architecture) -> tuple[Firmware, ...]:
        return ("bios", "uefi") if ARCHITECTURES[arch].board.bios else ("uefi",)

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        yield from needs_uefi(self.kind, system, node, path)
        yield from needs_initramfs(self, system, node, path)
