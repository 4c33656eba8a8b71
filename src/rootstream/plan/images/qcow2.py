"""Image `qcow2`."""

from __future__ import annotations

from dataclasses import replace

from rootstream.description.images.qcow2 import Qcow2
from rootstream.plan import toolchain
from rootstream.plan.images import disk
from rootstream.plan.images.base import Context, Making
from rootstream.plan.model import Dependency


def plan(image: Qcow2, context: Context) -> Making:
    """Write a disk and convert it, by a tool that the base has not."""
    making = disk.made(image, context, f"qcow2-{image.compression}", context.name)
    tools = toolchain.beside("qemu-utils", context.debian)
    return replace(making, sets=(*making.sets, (tools, Dependency(element=tools.name))))
