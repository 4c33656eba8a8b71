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
    """Model of the card."""
    mac: (
        Annotated[
            str,
            Field(pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$"),
            Means("a MAC address such as 52:54:00:12:34:56"),
        ]
        | None
    ) = None
    """MAC address; by default QEMU's."""
    forward: dict[Port, Port] = {}
    """Ports of this host (on 127.0.0.1) to forward to ports of the system: `{2222: 22}`."""


class ExtraDisk(Model):
    """An additional, empty disk."""

    size: Size
    """Size of the disk."""
    bus: Literal["ide", "virtio"] = "virtio"
    """Bus that it is attached to."""


class Machine(Model):
    """The QEMU machine that boots the system."""

    memory: Size | None = None
    """Memory. The default is 256M, or more if an initramfs needs it: twice its unpacked size (Linux lets a root in
    memory use half of it), plus its packed size, plus 128M."""
    cores: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of processors. Without KVM, those of x86_64 share one host thread, so more are not faster."""
    boot: Annotated[tuple[BootFrom, ...], Field(min_length=1)] | None = None
    """Images to boot: `run` boots the first, `verify` each of them. By default all bootable ones. QEMU loads the
    kernel directly, except for `disk`, `qcow2`, `iso` (attached as a CD) and `uki` (on a disk of its own), which
    the firmware boots; a `capsule` is a kernel with an embedded root."""
    bus: Literal["ide", "virtio", "ahci"] = "ide"
    """Bus that disks are attached to. The default is `ahci` on a PC with UEFI, `ide` on other PCs, and `virtio` on
    other architectures."""
    disks: tuple[ExtraDisk, ...] = ()
    """Additional, empty disks."""
    nics: tuple[Nic, ...] = (Nic(),)
    """Network cards, each on its own user-mode network of QEMU."""
    network: Literal["isolated", "open"] = "isolated"
    """What the system can reach. `isolated`: nothing; it gets an address by DHCP, but no router, DNS server or
    IPv6, and can only answer connections to forwarded ports and from checks. `open`: everything that this host can
    reach, including the host's own services on 127.0.0.1 (as 10.0.2.2). Checks that download something need
    `open`."""
    firmware: Literal["auto", "bios", "uefi"] = "auto"
    """Firmware: `auto` selects the one that each image boots from; `verify` boots an ISO image with both."""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """`auto` uses KVM if a test guest actually runs on it."""
    kernel_args: KernelArgs = ""
    """Kernel arguments for direct kernel boot; console= and root= are added if missing."""
    console: Terminal = "ttyS0"
    """Serial console of the system."""
    extra_args: tuple[str, ...] = ()
    """Additional QEMU arguments."""
    timeout: Duration = 120.0
    """Time limit for a boot with all its checks. The default, like that of `within` in checks, is five times as
    long without KVM."""


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
