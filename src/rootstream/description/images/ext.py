"""Image `ext`: the root as a file system that can be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from typing_extensions import override

from rootstream.architectures import Architecture
from rootstream.description.images.base import ImageKind, Label
from rootstream.description.system import FileName, Size

_BUILDROOT_TYPES = {"ext2": "2r1", "ext4": "4"}


class Ext(ImageKind):
    """The root as an ext2 or ext4 file system."""

    word: ClassVar[str] = "ext"
    bootable: ClassVar[bool] = True
    mounted: ClassVar[bool] = True
    type: Literal["ext2", "ext4"] = "ext4"
    """File system type."""
    size: Size | None = None
    """Size of the file system; by default derived from its contents."""
    label: Label = "rootfs"
    """Volume label."""
    gzip: bool = False
    """Compress the file with gzip, for use as a ramdisk."""
    name: FileName | None = None
    """File name; by default rootfs with the type as suffix."""

    @override
    def file_name(self, kernel_file: str | None, label: str) -> str:
        return self.name or f"rootfs.{self.type}" + self._ending

    @property
    def _ending(self) -> str:
        return ".gz" if self.gzip else ""

    @override
    def sizes(self) -> Iterator[tuple[int | None, tuple[str | int, ...]]]:
        yield self.size, ("size",)

    @override
    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:
        return (f"rootfs.{self.type}{self._ending}", f"rootfs.ext2{self._ending}")

    @override
    def buildroot_symbols(self) -> Mapping[str, str]:
        found = {
            "BR2_TARGET_ROOTFS_EXT2": "y",
            f"BR2_TARGET_ROOTFS_EXT2_{_BUILDROOT_TYPES[self.type]}": "y",
            "BR2_TARGET_ROOTFS_EXT2_LABEL": f'"{self.label}"',
            f"BR2_TARGET_ROOTFS_EXT2_{'GZIP' if self.gzip else 'NONE'}": "y",
        }
        return found | ({"BR2_TARGET_ROOTFS_EXT2_SIZE": f'"{self.size // 1024}K"'} if self.size else {})
