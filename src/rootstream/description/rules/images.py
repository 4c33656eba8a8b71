"""Rules of images: what they need of the rest of a system, what is inside another, their names and sizes."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images import (
    MakeCapsule,
    MakeDisk,
    MakeExt,
    MakeFiles,
    MakeFirmware,
    MakeInitramfs,
    MakeIso,
    MakeKernel,
    MakeSquashfs,
    MakeTar,
    MakeUimage,
    MakeUki,
    file_name,
)
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot
from rootstream.description.rules import disks
from rootstream.description.system import Model
from rootstream.description.yaml_nodes import Mapping, Node, at
from rootstream.errors import UserError
from rootstream.formats.units import show_size

CAPSULES = tuple(name for name, row in ARCHITECTURES.items() if row.capsules)
RESERVED = ("SHA256SUMS", "manifest.json")
LEAST_MEMORY = 8 << 20
LEAST_SIZE = 64 << 10
_WITH_ROOT = (MakeInitramfs, MakeExt, MakeSquashfs, MakeTar, MakeDisk, MakeUki, MakeIso, MakeCapsule)
_NATIVE = (MakeDisk, MakeUki, MakeIso, MakeCapsule, MakeUimage, MakeFirmware)


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a system breaks; `node` is its settled YAML."""
    for rule in (_made_by, _files, _inside, _kernel, _modules, _sizes):
        yield from rule(system, node)
    for number, image in enumerate(system.images):
        if isinstance(image, MakeDisk):
            yield from disks.check(image.disk, node, ("images", number, "disk"))


def _made_by(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is Buildroot's to make and is asked of others, and the other way round."""
    ours = isinstance(system.root, FromBuildroot)
    if ours and system.kernel is not None:
        message = "kernel: the kernel of a buildroot root is built by Buildroot"
        hint = "Its version belongs into the defconfig, its configuration below `configs: linux:` of the root."
        yield UserError("bad-value", message, where=at(node, "kernel"), hint=hint)
    for number, image in enumerate(system.images):
        where = at(node, "images", number)
        if isinstance(image, MakeFiles) and not ours:
            yield UserError("bad-value", "files: only a buildroot root makes files of its own", where=where)
        if isinstance(image, MakeFirmware) and not ARCHITECTURES[system.arch].opensbi:
            yield UserError("bad-value", f"firmware: OpenSBI is for RISC-V, not for {system.arch}", where=where)
        if isinstance(image, _NATIVE) and ours:
            word = next(iter(type(image).model_fields))
            message = f"{word}: cannot be made from a buildroot root yet"
            hint = "Let Buildroot or a post_image script make it, and export it with `- files`."
            yield UserError("not-available", message, where=where, hint=hint)


def _files(system: System, node: Node) -> Iterator[UserError]:
    """Yield images whose file has the name of another."""
    taken: dict[str, int] = {}
    for number, image in enumerate(system.images):
        kind = type(image).__name__.removeprefix("Make").lower()
        packaged = system.kernel and system.kernel.package
        kernel = "vmlinuz" if packaged else ARCHITECTURES[system.arch].kernel_file
        name = file_name(image, kernel, system.label)
        where = at(node, "images", number, kind, "name")
        if name in RESERVED:
            yield UserError("name-taken", f"{name!r} is a file that every export has", where=where)
        elif name and name in taken:
            message = f"two images are called {name!r}; the other is number {taken[name] + 1}"
            yield UserError("name-taken", message, where=where, hint=f"Give one a `name:` below `{kind}:`.")
        taken.setdefault(name, number)


def _inside(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is to be inside another image but is not made, and kernels that cannot be linked again."""
    kinds: dict[str, type[Model]] = {"ext": MakeExt, "initramfs": MakeInitramfs}
    for number, image in enumerate(system.images):
        if isinstance(image, MakeUimage) and image.uimage.type != "kernel":
            wanted = image.uimage.ramdisk
            if not any(isinstance(other, kinds[wanted]) for other in system.images):
                where = at(node, "images", number, "uimage", "ramdisk")
                message = f"ramdisk: the system makes no {wanted}"
                yield UserError("image-needed", message, where=where, hint=f"Add `- {wanted}` to the images.")
        if isinstance(image, MakeCapsule) and system.arch not in CAPSULES:
            message = f"capsule: there is none for {system.arch} yet, only for {' and '.join(CAPSULES)}"
            yield UserError("not-available", message, where=at(node, "images", number))


def _kernel(system: System, node: Node) -> Iterator[UserError]:
    """Yield images that need a kernel where there is none."""
    if system.kernel is not None or isinstance(system.root, FromBuildroot):
        return
    empty = isinstance(node, Mapping) and "kernel" in node.entries
    hint = "Write `kernel: {}` for a kernel with the defaults." if empty else "Add `kernel: {}` to the system."
    for number, image in enumerate(system.images):
        kind = "a kernel" if isinstance(image, MakeKernel) else None
        kind = "an initramfs" if isinstance(image, MakeInitramfs) else kind
        kind = "a capsule" if isinstance(image, MakeCapsule) else kind
        if isinstance(image, MakeUimage) and image.uimage.type != "ramdisk":
            kind = "a uimage"
        kind = "an ISO image" if isinstance(image, MakeIso) else kind
        kind = "a unified kernel image" if isinstance(image, MakeUki) else kind
        if isinstance(image, MakeDisk) and image.disk.loader != "none":
            kind = f"a disk with {image.disk.loader}"
        if kind:
            message = f"{kind} needs a kernel, and this system has none"
            yield UserError("kernel-needed", message, where=at(node, "images", number), hint=hint)


def _modules(system: System, node: Node) -> Iterator[UserError]:
    """Yield modules that no image has a place for: they are installed in the root."""
    if system.kernel is None or system.kernel.package or not system.kernel.modules:
        return
    if not any(isinstance(image, _WITH_ROOT) for image in system.images):
        message = "modules: no image of this system holds a root, which they are installed in"
        hint = "Add `- initramfs` or another image with the root, or leave `modules` out."
        yield UserError("image-needed", message, where=at(node, "kernel", "modules"), hint=hint)


def _sizes(system: System, node: Node) -> Iterator[UserError]:
    """Yield sizes that are too small: a number without a unit means bytes."""
    sizes: list[tuple[int | None, int, tuple[str | int, ...]]] = [
        (system.machine.memory, LEAST_MEMORY, ("machine", "memory"))
    ]
    for number, drive in enumerate(system.machine.disks):
        sizes.append((drive.size, LEAST_SIZE, ("machine", "disks", number, "size")))
    for number, image in enumerate(system.images):
        if isinstance(image, MakeExt):
            sizes.append((image.ext.size, LEAST_SIZE, ("images", number, "ext", "size")))
        if isinstance(image, MakeDisk):
            for part, partition in enumerate(image.disk.partitions):
                steps = ("images", number, "disk", "partitions", part, "size")
                sizes.append((partition.size, LEAST_SIZE, steps))
    for size, least, path in sizes:
        if size is not None and size < least:
            message = f"{path[-1]}: {show_size(size)} is too little, the least is {show_size(least)}"
            hint = "A number alone means bytes: write 512M for megabytes."
            yield UserError("bad-value", message, where=at(node, *path), hint=hint)
