"""Image `capsule`: a kernel with its root inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images.base import Compression, ExportPath, ImageKind
from rootstream.description.system import Address, ProjectFolder
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Capsule(ImageKind):
    """A kernel with an embedded root: a single ELF file (vmlinux), for hypervisors and simple boot loaders."""

    word: ClassVar[str] = "capsule"
    bootable: ClassVar[bool] = True
    in_memory: ClassVar[bool] = True
    compiled_kernel: ClassVar[bool] = True

    compression: Compression = "zstd"
    """Compression format of the embedded root."""
    level: Annotated[int, Field(ge=1, le=22)] | None = None
    """Compression level; by default gzip 9, xz 6, zstd 19 up to 32 MiB and 9 above that, where 19 would take
    minutes."""
    payload: ProjectFolder | None = None
    """Folder in the project whose files are added to the embedded root, below /payload."""
    load: Address | None = None
    """Physical load address; by default the start of memory in QEMU's machine. 0 keeps the address that the kernel
    was linked for."""
    entry: Literal["physical", "linked"] = "physical"
    """Entry point: a physical address, for a loader that jumps to it, or the one that the kernel was linked with
    (on RISC-V a virtual address, that of the lowest segment)."""
    name: ExportPath | None = None
    """Path of the file; by default boot/binaries/ARCHITECTURE/supervisor, where ARCHITECTURE is, for example,
    riscv64gc."""

    @override
    def file_name(self, kernel_file: str | None, label: str) -> str:
        return self.name or f"boot/binaries/{label}/supervisor"

    @property
    @override
    def needs_kernel(self) -> str:
        return "a capsule"

    @property
    @override
    def folders(self) -> tuple[str, ...]:
        return (self.payload,) if self.payload is not None else ()

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        able = tuple(name for name, row in ARCHITECTURES.items() if row.capsules)
        if system.arch not in able:
            message = f"capsule: not available for {system.arch} yet, only for {' and '.join(able)}"
            yield UserError("not-available", message, where=at(node, *path))
