"""Rules of what starts a system: kernels that Debian has built, boot loaders of disks, programs for UEFI."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES, HOST, UEFI
from rootstream.description.images import (
    Disk,
    MakeCapsule,
    MakeDisk,
    MakeInitramfs,
    MakeInitrd,
    MakeIso,
    MakeUimage,
    MakeUki,
)
from rootstream.description.model import System
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

KERNEL_PACKAGES = tuple(name for name, row in ARCHITECTURES.items() if row.kernel_package)


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a system breaks; `node` is its settled YAML."""
    yield from _packaged(system, node)
    yield from _programs(system, node)
    for number, image in enumerate(system.images):
        if isinstance(image, MakeDisk):
            yield from _started(system, image.disk, node, ("images", number, "disk"))


def _packaged(system: System, node: Node) -> Iterator[UserError]:
    """Yield what cannot be done with a kernel that Debian has built, and what only such a kernel has."""
    packaged = system.kernel is not None and system.kernel.package is not None
    if system.kernel is not None and packaged:
        for word in sorted(system.kernel.model_fields_set - {"debian"}):
            message = f"{word}: has no meaning for a kernel that is not compiled: `debian` takes a package"
            hint = "Leave it out, or leave `debian` out: then the kernel is built from source."
            yield UserError("bad-value", message, where=at(node, "kernel", word), hint=hint)
        if system.arch not in KERNEL_PACKAGES:
            message = (
                f"debian: there is no kernel package for {system.arch}, only for {', '.join(KERNEL_PACKAGES)}"
            )
            yield UserError("not-available", message, where=at(node, "kernel", "debian"))
    mounts = any(isinstance(image, MakeInitrd) for image in system.images)
    for number, image in enumerate(system.images):
        where = at(node, "images", number)
        if isinstance(image, MakeInitrd) and not packaged:
            message = (
                "initrd: it loads the modules of a kernel package, `kernel: {debian: ...}`, and there is none"
            )
            hint = "A kernel from source has the drivers for its root inside."
            yield UserError("bad-value", message, where=where, hint=hint)
        if packaged and isinstance(image, MakeCapsule | MakeUimage):
            word = next(iter(type(image).model_fields))
            message = f"{word}: only a kernel from source can be in it, not a kernel package"
            yield UserError("not-available", message, where=where)
    for number, kind in enumerate(system.machine.boot or ()):
        if packaged and kind in ("ext", "squashfs") and not mounts:
            message = f"boot: {kind} needs an initrd: the drivers of this kernel are modules"
            where = at(node, "machine", "boot", number)
            yield UserError("image-needed", message, where=where, hint="Add `- initrd` to the images.")


def _started(system: System, disk: Disk, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
    """Yield what a disk's boot loader lacks in the rest of the system."""
    if disk.initramfs:
        where = at(node, *path, "initramfs")
        if disk.loader == "none":
            message = "initramfs: there is no boot loader on this disk that could load it"
            yield UserError("bad-value", message, where=where)
        elif not any(isinstance(image, MakeInitramfs) for image in system.images):
            message = "initramfs: the system makes no initramfs"
            yield UserError("image-needed", message, where=where, hint="Add `- initramfs` to the images.")
    if disk.loader == "uki":
        if system.arch not in UEFI:
            message = f"bootloader: there is no UEFI for {system.arch}, only for {', '.join(UEFI)}"
            yield UserError("not-available", message, where=at(node, *path, "bootloader"))
        if system.machine.firmware == "bios":
            message = "firmware: uki starts from UEFI, not from bios"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))
    if disk.loader == "syslinux":
        if system.arch != HOST:
            message = f"syslinux starts {HOST} machines only, not {system.arch}"
            yield UserError("bad-value", message, where=at(node, *path, "bootloader"))
        if system.machine.firmware == "uefi":
            message = "firmware: syslinux starts from BIOS, not from uefi"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))


def _programs(system: System, node: Node) -> Iterator[UserError]:
    """Yield what an image that is started as one program lacks."""
    for number, image in enumerate(system.images):
        if not isinstance(image, MakeUki | MakeIso):
            continue
        where = at(node, "images", number)
        kind = "iso" if isinstance(image, MakeIso) else "uki"
        if system.arch not in UEFI:
            message = f"{kind}: there is no UEFI for {system.arch}, only for {', '.join(UEFI)}"
            yield UserError("not-available", message, where=where)
        wanted = isinstance(image, MakeIso) or image.uki.initramfs
        if wanted and not any(isinstance(other, MakeInitramfs) for other in system.images):
            message = f"{kind}: its root is the system's initramfs, and the system makes none"
            yield UserError("image-needed", message, where=where, hint="Add `- initramfs` to the images.")
        if isinstance(image, MakeUki) and system.machine.firmware == "bios":
            message = "firmware: uki starts from UEFI, not from bios"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))
