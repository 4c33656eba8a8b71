"""Image `initrd`."""

from __future__ import annotations

from rootstream.description.images.initrd import Initrd
from rootstream.plan.images.base import Context, Making, initrd, output


def plan(image: Initrd, context: Context) -> Making:
    """Pack what the kernel package came with."""
    commands = [initrd(context, image.compression, image.level, output(context.name))]
    return Making(commands=commands, root=False, kernel=True)
