"""Image `files`: what Buildroot made, as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field
from typing_extensions import override

from rootstream.description.images.base import ExportPath, ImageKind, below
from rootstream.description.roots import FromBuildroot
from rootstream.description.system import Means
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System

BuiltFile = Annotated[str, AfterValidator(below), Means("the name of a file that Buildroot creates")]


class Files(ImageKind):
    """The contents of Buildroot's images folder, unchanged: boot loaders, ISO images, vmlinux ..."""

    word: ClassVar[str] = "files"
    collected: ClassVar[bool] = True

    names: Annotated[dict[BuiltFile, ExportPath], Field(max_length=200)] = {}
    """Files to export under other names: maps names in Buildroot's images folder to paths below out/SYSTEM."""
    only: bool = False
    """Export only the files in `names`, instead of all files."""

    @property
    @override
    def roots(self) -> int:
        return 0

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if not isinstance(system.root, FromBuildroot):
            message = "files: only a buildroot root has files of its own to export"
            yield UserError("bad-value", message, where=at(node, *path))
