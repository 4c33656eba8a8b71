"""Image `kernel`: the kernel itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.description.images.base import ImageKind
from rootstream.description.system import FileName

# What Buildroot may call a kernel; of several the first is booted.
KERNELS = ("bzImage", "zImage", "Image", "vmlinuz", "uImage", "fitImage", "cuImage", "vmlinux")


class KernelImage(ImageKind):
    """The kernel itself, in the format that boot loaders use."""

    word: ClassVar[str] = "kernel"
    name: FileName | None = None
    """File name; by default that of the kernel (bzImage, Image ...)."""

    @override
    def file_name(self, kernel_file: str | None, label: str) -> str:
        return self.name or kernel_file or "kernel"

    @property
    @override
    def roots(self) -> int:
        return 0

    @property
    @override
    def needs_kernel(self) -> str:
        return "a kernel image"

    @override
    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:
        usual = ARCHITECTURES[arch].kernel_file
        return tuple(dict.fromkeys((*([] if usual == KERNELS[-1] else [usual]), *KERNELS)))

    @override
    def buildroot_name(self, label: str) -> str | None:
        return self.name

    @override
    def buildroot_symbols(self) -> Mapping[str, str]:
        return {"BR2_LINUX_KERNEL": "y"}
