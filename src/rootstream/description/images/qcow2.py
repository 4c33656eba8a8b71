"""Image `qcow2`: the disk of a virtual machine, which takes no more room than what is on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import override

from rootstream.description.images.disk import Disk
from rootstream.description.layers import SecretsLayer
from rootstream.description.system import FileName
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Qcow2(Disk):
    """A partitioned disk image for virtual machines, in QEMU's qcow2 format; otherwise like `disk`."""

    word: ClassVar[str] = "qcow2"
    drive: ClassVar = "qcow2"

    sector_size: Literal[512] = 512
    """Sector size in bytes."""
    compression: Literal["none", "zlib", "zstd"] = "none"
    """Compression of clusters; what a running system writes is not compressed. `zstd` needs QEMU 5.1."""
    name: FileName = "disk.qcow2"
    """File name."""

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        yield from super().problems(system, node, path)
        if self.compression != "none" and any(isinstance(layer, SecretsLayer) for layer in system.layers):
            message = "compression: secrets cannot be injected into a compressed image"
            where = at(node, *path, self.kind, "compression")
            yield UserError("not-possible", message, where=where, hint="Write `compression: none`.")
