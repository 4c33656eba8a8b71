"""Image `initramfs`: the root as an archive that the kernel unpacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.architectures import Architecture
from rootstream.description.images.base import BUILDROOT_COMPRESSION, ENDINGS, Compression, ImageKind
from rootstream.description.roots import FromBuildroot
from rootstream.description.system import FileName
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Initramfs(ImageKind):
    """The root as a cpio archive that the kernel unpacks into memory."""

    word: ClassVar[str] = "initramfs"
    bootable: ClassVar[bool] = True
    in_memory: ClassVar[bool] = True
    compression: Compression = "zstd"
    """Compression format."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above that, where 19 would take
    minutes."""
    name: FileName | None = None
    """File name; by default initramfs.cpio with the suffix of the compression."""

    @override
    def file_name(self, kernel_file: str | None, label: str) -> str:
        return self.name or "initramfs.cpio" + ENDINGS[self.compression]

    @property
    @override
    def needs_kernel(self) -> str:
        return "an initramfs"

    @override
    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:
        return (f"rootfs.cpio{ENDINGS[self.compression]}",)

    @override
    def buildroot_symbols(self) -> Mapping[str, str]:
        packed = f"BR2_TARGET_ROOTFS_CPIO_{BUILDROOT_COMPRESSION[self.compression]}"
        return {"BR2_TARGET_ROOTFS_CPIO": "y", packed: "y"}

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if self.level is not None and isinstance(system.root, FromBuildroot):
            message = "level: Buildroot uses a fixed level for each compression"
            yield UserError("not-possible", message, where=at(node, *path, self.kind, "level"))
