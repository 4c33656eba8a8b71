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
    """The initial RAM disk that mounts a root on a disk: kernel modules and a script, for a Debian kernel."""

    word: ClassVar[str] = "initrd"
    compression: Compression = "zstd"
    """Compression format."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above that, where 19 would take
    minutes."""
    name: FileName = "initrd.img"
    """File name."""

    @property
    @override
    def roots(self) -> int:
        return 0

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if system.kernel is None or system.kernel.package is None:
            message = (
                "initrd: it loads modules of a kernel package, and this system has none (`kernel: {debian: ...}`)"
            )
            hint = "A kernel built from source has the drivers for its root built in, and needs no initrd."
            yield UserError("bad-value", message, where=at(node, *path), hint=hint)
