"""Rules of images: what they need of the rest of a system, what is inside another, their names and sizes."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images.base import LEAST_SIZE
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot
from rootstream.description.yaml_nodes import MappingNode, Node, at
from rootstream.errors import UserError
from rootstream.formats.units import show_size

RESERVED = ("SHA256SUMS", "manifest.json", "inventory.jsonl", "sbom.cdx.json", "report.html")
LEAST_MEMORY = 8 << 20


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a system breaks; `node` is its settled YAML."""
    for rule in (_made_by, _files, _kernel, _modules, _sizes):
        yield from rule(system, node)
    for number, image in enumerate(system.images):
        yield from image.problems(system, node, ("images", number))


def _made_by(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is Buildroot's to make and is asked of others, and the other way round."""
    ours = isinstance(system.root, FromBuildroot)
    if ours and system.kernel is not None:
        message = "kernel: with a buildroot root, Buildroot builds the kernel"
        hint = "Set its version in the defconfig, and its configuration in `configs: linux:` of the root."
        yield UserError("bad-value", message, where=at(node, "kernel"), hint=hint)
    for number, image in enumerate(system.images):
        if ours and not image.collected and not image.buildroot_files(system.arch):
            message = f"{image.kind}: not available with a buildroot root yet"
            hint = "Have Buildroot or a post_image script create it, and export it with `- files`."
            yield UserError("not-available", message, where=at(node, "images", number), hint=hint)


def _files(system: System, node: Node) -> Iterator[UserError]:
    """Yield images whose file has the name of another."""
    taken: dict[str, int] = {}
    for number, image in enumerate(system.images):
        packaged = system.kernel and system.kernel.package
        kernel = "vmlinuz" if packaged else ARCHITECTURES[system.arch].kernel_file
        name = image.file_name(kernel, system.label)
        where = at(node, "images", number, image.kind, "name")
        if name in RESERVED:
            yield UserError("name-taken", f"{name!r} is reserved for a file of every export", where=where)
        elif name and name in taken:
            message = f"two images have the file name {name!r}; the other is number {taken[name] + 1}"
            yield UserError("name-taken", message, where=where, hint=f"Give one a `name:` below `{image.kind}:`.")
        taken.setdefault(name, number)


def _kernel(system: System, node: Node) -> Iterator[UserError]:
    """Yield images that need a kernel where there is none."""
    if system.kernel is not None or isinstance(system.root, FromBuildroot):
        return
    empty = isinstance(node, MappingNode) and "kernel" in node.entries
    hint = "Write `kernel: {}` for a kernel with default settings." if empty else "Add `kernel: {}` to the system."
    for number, image in enumerate(system.images):
        if image.needs_kernel:
            message = f"{image.needs_kernel} needs a kernel, and this system has none"
            yield UserError("kernel-needed", message, where=at(node, "images", number), hint=hint)


def _modules(system: System, node: Node) -> Iterator[UserError]:
    """Yield modules that no image has a place for: they are installed in the root."""
    if system.kernel is None or system.kernel.package or not system.kernel.modules:
        return
    if not any(image.roots for image in system.images):
        message = "modules: they are installed in the root, and no image of this system contains it"
        hint = "Add `- initramfs` or another image that contains the root, or remove `modules`."
        yield UserError("image-needed", message, where=at(node, "kernel", "modules"), hint=hint)


def _sizes(system: System, node: Node) -> Iterator[UserError]:
    """Yield sizes that are too small: a number without a unit means bytes."""
    sizes: list[tuple[int | None, int, tuple[str | int, ...]]] = [
        (system.machine.memory, LEAST_MEMORY, ("machine", "memory"))
    ]
    for number, drive in enumerate(system.machine.disks):
        sizes.append((drive.size, LEAST_SIZE, ("machine", "disks", number, "size")))
    for number, image in enumerate(system.images):
        sizes += [(size, LEAST_SIZE, ("images", number, image.kind, *path)) for size, path in image.sizes()]
    for size, least, path in sizes:
        if size is not None and size < least:
            message = f"{path[-1]}: {show_size(size)} is too small, the minimum is {show_size(least)}"
            hint = "A number without a unit is in bytes: write 512M for megabytes."
            yield UserError("bad-value", message, where=at(node, *path), hint=hint)
