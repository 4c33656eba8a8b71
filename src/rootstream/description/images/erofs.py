"""Image `erofs`: the root as a file system that is only read, compressed in blocks of a fixed size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from rootstream.architectures import Architecture
from rootstream.description.images.base import ImageKind
from rootstream.description.roots import FromBuildroot
from rootstream.description.system import FileName
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System

BUILDROOT = {"none": "NONE", "lz4": "LZ4HC", "lzma": "LZMA"}


class Erofs(ImageKind):
    """The root as EROFS, a read-only, compressed file system that is fast to read."""

    word: ClassVar[str] = "erofs"
    bootable: ClassVar[bool] = True
    mounted: ClassVar[bool] = True
    read_only: ClassVar[bool] = True
    compression: Literal["none", "lz4", "lzma", "zstd"] = "lz4"
    """Compression format; `lz4` needs Linux 5.13, `lzma` 5.16, `zstd` 6.10. A kernel built from source gets the
    options that it needs. The image is created with erofs-utils 1.8, which Debian has since trixie."""
    name: FileName | None = None
    """File name; by default rootfs.erofs."""

    @property
    @override
    def kernel_fragments(self) -> tuple[str, ...]:
        return ("erofs", *((f"erofs-{self.compression}",) if self.compression in ("lzma", "zstd") else ()))

    @override
    def buildroot_files(self, arch: Architecture) -> tuple[str, ...]:
        return ("rootfs.erofs",)

    @override
    def buildroot_symbols(self) -> Mapping[str, str]:
        packed = f"BR2_TARGET_ROOTFS_EROFS_{BUILDROOT.get(self.compression, 'LZ4HC')}"
        return {"BR2_TARGET_ROOTFS_EROFS": "y", packed: "y"}

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if isinstance(system.root, FromBuildroot) and self.compression not in BUILDROOT:
            message = f"compression: Buildroot's erofs has no {self.compression}, only {', '.join(BUILDROOT)}"
            yield UserError("not-possible", message, where=at(node, *path, self.kind, "compression"))
