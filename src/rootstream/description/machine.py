"""The part of the description that says what boots a system, and what it must show then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstream.architectures import Isa
from rootstream.description.images import BOOTABLE
from rootstream.description.images.base import Firmware
from rootstream.description.system import (
    Duration,
    FileName,
    KernelArgs,
    Means,
    Model,
    Port,
    Size,
    Terminal,
)

if TYPE_CHECKING:
    BootFrom = str
else:
    BootFrom = Literal[BOOTABLE]


class Nic(Model):
    """A network card."""

    model: Literal["virtio", "e1000", "rtl8139", "none"] = "virtio"
    """What the system sees."""
    mac: (
        Annotated[
            str,
            Field(pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$"),
            Means("an address such as 52:54:00:12:34:56"),
        ]
        | None
    ) = None
    """Its address; by default QEMU's."""
    forward: dict[Port, Port] = {}
    """Ports of this host (on 127.0.0.1) that lead to ports of the system: `{2222: 22}`."""


class ExtraDisk(Model):
    """A further, empty disk."""

    size: Size
    """Its size."""
    bus: Literal["ide", "virtio"] = "virtio"
    """How it is attached."""


class Machine(Model):
    """The machine that boots the system in QEMU."""

    memory: Size | None = None
    """Memory. Where nothing is written, 256M, or what the root of an initramfs needs where that is more: twice its
    size unpacked, its size packed, and 128M, since Linux gives half of the memory to a root in it."""
    cores: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of processors. Without KVM those of x86_64 take turns on one of the host: more are not faster."""
    boot: Annotated[tuple[BootFrom, ...], Field(min_length=1)] | None = None
    """Images to boot from: `run` takes the first, `verify` each. By default all bootable ones.
    The kernel is given to QEMU directly, except with `disk`, `iso` (a CD) and `uki` (on a disk with nothing else),
    which the firmware starts; `capsule` is a kernel that has its root inside."""
    bus: Literal["ide", "virtio", "ahci"] = "ide"
    """How disks are attached. Where nothing is written: `ahci` on a PC that UEFI starts, `ide` on other PCs,
    `virtio` elsewhere."""
    disks: tuple[ExtraDisk, ...] = ()
    """Further, empty disks."""
    nics: tuple[Nic, ...] = (Nic(),)
    """Network cards, each on a network of its own behind this host."""
    network: Literal["isolated", "open"] = "isolated"
    """What the system reaches: with `isolated` nothing but an address by DHCP, without a router, a name server or
    IPv6, and whoever comes through a forwarded port or a check; with `open` all that this host reaches, and this
    host's own services on 127.0.0.1 (as 10.0.2.2). A check whose command downloads something needs `open`."""
    firmware: Literal["auto", "bios", "uefi"] = "auto"
    """Firmware: `auto` takes for each image what it starts from; `verify` boots an ISO image from both."""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """`auto` takes KVM where a guest really runs on it."""
    kernel_args: KernelArgs = ""
    """Kernel arguments when the kernel is started directly; console= and root= are added where missing."""
    console: Terminal = "ttyS0"
    """Serial console of the system."""
    extra_args: tuple[str, ...] = ()
    """Further arguments for QEMU."""
    timeout: Duration = 120.0
    """How long a boot with all its checks may take. Like `within` of a check, it is five times as long without KVM
    where nothing is written."""


USUAL_MEMORY = 256 << 20
WITHOUT_KVM = 5  # how many times longer what nobody gave a time may take


def patience(part: Model, written: Literal["timeout", "within"], *, kvm: bool) -> float:
    """Return how long a boot or a check may take: what is written, else the default, longer without KVM."""
    seconds: float = getattr(part, written)
    return seconds if kvm or written in part.model_fields_set else seconds * WITHOUT_KVM


class BootImage(Model):
    """What a machine is given to boot, as files: the exported images of one system."""

    kind: BootFrom
    """Which of them the root comes from."""
    kernel: str | None
    """Path of the kernel, for a direct start."""
    file: str
    """Path of the image."""
    name: FileName
    """Name of the system."""
    initrd: str | None = None
    """Path of what mounts the root on the image, for a direct start."""
    isa: Isa | None = None
    """Instruction set that it is made for, where the processor has a choice."""
    sbi: str | None = None
    """Path of the OpenSBI that came with it."""
    ramdisk: str | None = None
    """Path of the initramfs that a medium holds, where the system exports it, too."""
    firmware: Firmware = "bios"
    """What it starts from, where the machine's description leaves that to the image."""

    @property
    def label(self) -> str:
        """What this boot is called among those of its system."""
        return f"{self.kind}-{self.firmware}" if self.kind == "iso" else self.kind


def firmware_of(machine: Machine, image: BootImage) -> Firmware:
    """Return the firmware that a machine starts an image with."""
    return image.firmware if machine.firmware == "auto" else machine.firmware
