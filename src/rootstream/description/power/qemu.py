"""Power control `qemu`: a virtual machine on a bridge of this host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from rootstream.description.power.base import PowerKind
from rootstream.description.system import Means, Size
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.machines import NetMachine

Interface = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,15}$"), Means("a network interface of this host, such as br0")
]


class Qemu(PowerKind):
    """A virtual machine on this host."""

    word: ClassVar[str] = "qemu"
    virtual: ClassVar[bool] = True
    bridge: Interface
    """Bridge that its network card is attached to; use the same one for `rootstream serve --interface`."""
    memory: Size | None = None
    """Memory; by default as much as the unpacked root needs, at least 512M."""
    cores: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of processors."""
    nic: Literal["virtio", "e1000", "rtl8139"] = "virtio"
    """Model of the network card."""
    rom: Literal["ipxe", "firmware"] = "ipxe"
    """What performs the network boot: the iPXE option ROM of QEMU, or (with UEFI) the firmware itself, by PXE or
    HTTP boot."""
    http: bool = False
    """Use UEFI HTTP boot instead of PXE (with `rom: firmware`)."""
    extra_args: tuple[str, ...] = ()
    """Additional QEMU arguments."""

    @property
    @override
    def interface(self) -> str | None:
        return self.bridge

    @property
    @override
    def programs(self) -> str | None:
        return "power: qemu: extra_args" if self.extra_args else None

    @override
    def problems(self, machine: NetMachine, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if self.rom == "firmware" and machine.firmware == "bios":
            message = "rom: QEMU's BIOS can only boot from the network with iPXE; write `rom: ipxe`"
            yield UserError("bad-value", message, where=at(node, *path, "rom"))
        if self.http and self.rom != "firmware":
            message = "http: only the firmware itself supports HTTP boot; add `rom: firmware`"
            yield UserError("bad-value", message, where=at(node, *path, "http"))
