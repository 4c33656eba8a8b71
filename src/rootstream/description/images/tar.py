"""Image `tar`: the root as an archive that keeps all that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from rootstream.architectures import Architecture
from rootstream.description.images.base import BUILDROOT_COMPRESSION, ENDINGS, Compression, ImageKind
from rootstream.description.system import FileName


class Tar(ImageKind):
    """The root as a tar archive, with owners, modes, extended attributes and device nodes."""

    word: ClassVar[str] = "tar"
    compression: Compression = "none"
    """Compression format."""
    name: FileName | None = None
    """File name; by default rootfs.tar with the suffix of the compression."""

    @override
    def file_name(self, kernel_file: str | None, label: str) -> str:
        return self.name or "rootfs.tar" + ENDINGS[self.compression]

    @override
    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:
        return (f"rootfs.tar{ENDINGS[self.compression]}",)

    @override
    def buildroot_symbols(self) -> Mapping[str, str]:
        packed = f"BR2_TARGET_ROOTFS_TAR_{BUILDROOT_COMPRESSION[self.compression]}"
        return {"BR2_TARGET_ROOTFS_TAR": "y", packed: "y"}
