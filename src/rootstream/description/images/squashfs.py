"""Image `squashfs`: the root as a compressed file system that is only read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from typing_extensions import override

from rootstream.architectures import Architecture
from rootstream.description.images.base import BUILDROOT_COMPRESSION, ImageKind
from rootstream.description.system import FileName


class Squashfs(ImageKind):
    """The root as a read-only, compressed file system."""

    word: ClassVar[str] = "squashfs"
    bootable: ClassVar[bool] = True
    mounted: ClassVar[bool] = True
    read_only: ClassVar[bool] = True
    compression: Literal["gzip", "xz", "zstd", "lz4"] = "zstd"
    """Compression format."""
    name: FileName | None = None
    """File name; by default rootfs.squashfs."""

    @override
    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:
        return ("rootfs.squashfs",)

    @override
    def buildroot_symbols(self) -> Mapping[str, str]:
        packed = f"BR2_TARGET_ROOTFS_SQUASHFS4_{BUILDROOT_COMPRESSION[self.compression]}"
        return {"BR2_TARGET_ROOTFS_SQUASHFS": "y", packed: "y"}
