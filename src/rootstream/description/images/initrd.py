"""Image `initrd`: what mounts a root on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.description.images.base import Compression, ImageKind
from rootstream.description.system import FileName
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Initrd(ImageKind):
    """What mounts a root on a disk: the modules for it and a script, for a kernel of Debian's."""

    word: ClassVar[str] = "initrd"
    compression: Compression = "zstd"
    """How it is compressed."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above, where 19 takes minutes."""
    name: FileName = "initrd.img"
    """Name of the file."""

    @property
    @override
    def roots(self) -> int:
        return 0

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if system.kernel is None or system.kernel.package is None:
            message = (
                "initrd: it loads the modules of a kernel package, `kernel: {debian: ...}`, and there is none"
            )
            hint = "A kernel from source has the drivers for its root inside."
            yield UserError("bad-value", message, where=at(node, *path), hint=hint)
