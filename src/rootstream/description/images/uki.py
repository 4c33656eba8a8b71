"""Image `uki`: the whole system as one program for UEFI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from rootstream.architectures import Architecture
from rootstream.description.images.base import Firmware, ImageKind, needs_initramfs, needs_uefi, not_bios
from rootstream.description.system import FileName, KernelArgs
from rootstream.description.yaml_nodes import Node
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Uki(ImageKind):
    """A unified kernel image (UKI): kernel, arguments and initramfs in one EFI executable."""

    word: ClassVar[str] = "uki"
    bootable: ClassVar[bool] = True
    by_firmware: ClassVar[bool] = True
    drive: ClassVar = "esp"

    kernel_args: KernelArgs = ""
    """Kernel arguments."""
    initramfs: bool = True
    """Embed the system's initramfs, so that the root is in memory."""
    name: FileName = "linux.efi"
    """File name."""

    @property
    @override
    def roots(self) -> int:
        return 1 if self.initramfs else 0

    @property
    @override
    def inner(self) -> str | None:
        return "initramfs" if self.initramfs else None

    @property
    @override
    def needs_kernel(self) -> str:
        return "a unified kernel image"

    @property
    @override
    def uefi(self) -> bool:
        return True

    @override
    def firmware(self, arch: Architecture) -> tuple[Firmware, ...]:
        return ("uefi",)

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        yield from needs_uefi(self.kind, system, node, path)
        if self.initramfs:
            yield from needs_initramfs(self, system, node, path)
        yield from not_bios(self.kind, system, node)
