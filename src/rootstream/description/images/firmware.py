"""Image `firmware`: what starts a kernel on RISC-V."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images.base import ImageKind
from rootstream.description.system import FileName
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class Firmware(ImageKind):
    """OpenSBI, the firmware that starts a kernel on RISC-V; with it, booting does not need that of the host."""

    word: ClassVar[str] = "firmware"

    name: FileName = "opensbi.bin"
    """File name."""

    @property
    @override
    def roots(self) -> int:
        return 0

    @override
    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if not ARCHITECTURES[system.arch].opensbi:
            message = f"firmware: OpenSBI is for RISC-V, not for {system.arch}"
            yield UserError("bad-value", message, where=at(node, *path))
