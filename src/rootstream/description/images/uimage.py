"""Image `uimage`: a file for U-Boot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from rootstream.description.images.base import ImageKind
from rootstream.description.system import Address, FileName, Means
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System

NAMES = {"kernel": "uImage", "ramdisk": "uRamdisk", "multi": "uMulti"}


class Uimage(ImageKind):
    """An image for U-Boot's `bootm`, with the legacy uImage header."""

    word: ClassVar[str] = "uimage"
    compiled_kernel: ClassVar[bool] = True

    type: Literal["kernel", "ramdisk", "multi"] = "kernel"
    """Contents: the kernel, the root as a ramdisk, or both."""
    ramdisk: Literal["ext", "initramfs"] = "ext"
    """Image of this system to use as the ramdisk."""
    load: Address | None = None
    """Load and entry address of the kernel; by default that of its vmlinux, or the start of memory in QEMU's
    machine."""
    title: Annotated[str, Field(pattern=r"^[ -~]{0,31}$"), Means("at most 31 printable ASCII characters")] = ""
    """Image name that U-Boot shows; by default the name of the system."""
    name: FileName | None = None
    """File name; by default uImage, uRamdisk or uMulti."""

    @override
    def file_name(self, kernel_file: str | None, label: str) -> str:
        return self.name or NAMES[self.type]

    @property
    @override
    def roots(self) -> int:
        return 0 if self.type == "kernel" else 1

    @property
    @override
    def inner(self) -> str | None:
        return None if self.type == "kernel" else self.ramdisk

    @property
    @override
    def needs_kernel(self) -> str | None:
        return None if self.type == "ramdisk" else "a uimage"

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if self.inner and not any(other.kind == self.inner for other in system.images):
            where = at(node, *path, self.kind, "ramdisk")
            message = f"ramdisk: the system has no `{self.inner}` image"
            yield UserError("image-needed", message, where=where, hint=f"Add `- {self.inner}` to the images.")
