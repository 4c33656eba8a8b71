"""Rules of size budgets: that there is something of the name."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from rootstream.architectures import ARCHITECTURES
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield budgets of images that a system does not have; what Buildroot makes is only known once it is built."""
    if isinstance(system.root, FromBuildroot):
        return
    packaged = system.kernel and system.kernel.package
    kernel = "vmlinuz" if packaged else ARCHITECTURES[system.arch].kernel_file
    names = [image.file_name(kernel, system.label) for image in system.images]
    kinds = [image.kind for image in system.images]
    for pattern in system.budgets.images:
        if pattern not in kinds and not any(fnmatchcase(name, pattern) for name in names if name):
            known = ", ".join(dict.fromkeys((*kinds, *filter(None, names))))
            yield UserError(
                "unknown-image",
                f"budgets: images: {pattern!r} fits no image of this system",
                where=at(node, "budgets", "images", pattern),
                hint=f"There are: {known}",
            )
