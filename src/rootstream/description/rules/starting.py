"""Rules of kernels that Debian has built."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images import KINDS
from rootstream.description.model import System
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

KERNEL_PACKAGES = tuple(name for name, row in ARCHITECTURES.items() if row.kernel_package)


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a system breaks; `node` is its settled YAML."""
    yield from _packaged(system, node)


def _packaged(system: System, node: Node) -> Iterator[UserError]:
    """Yield what cannot be done with a kernel that Debian has built, and what only such a kernel has."""
    packaged = system.kernel is not None and system.kernel.package is not None
    if system.kernel is not None and packaged:
        for word in sorted(system.kernel.model_fields_set - {"debian"}):
            message = f"{word}: not allowed together with `debian`, which uses a prebuilt kernel package"
            hint = "Remove it, or remove `debian` to build the kernel from source."
            yield UserError("bad-value", message, where=at(node, "kernel", word), hint=hint)
        if system.arch not in KERNEL_PACKAGES:
            message = (
                f"debian: there is no kernel package for {system.arch}, only for {', '.join(KERNEL_PACKAGES)}"
            )
            yield UserError("not-available", message, where=at(node, "kernel", "debian"))
    mounts = any(image.kind == "initrd" for image in system.images)
    for number, image in enumerate(system.images):
        if packaged and image.compiled_kernel:
            message = f"{image.kind}: it needs a kernel built from source, not a kernel package"
            yield UserError("not-available", message, where=at(node, "images", number))
    for number, kind in enumerate(system.machine.boot or ()):
        if packaged and KINDS[kind].mounted and not mounts:
            message = f"boot: {kind} needs an initrd, because the drivers of this kernel are modules"
            where = at(node, "machine", "boot", number)
            yield UserError("image-needed", message, where=where, hint="Add `- initrd` to the images.")
