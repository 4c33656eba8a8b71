"""Image `erofs`."""

from __future__ import annotations

import shlex

from rootstream.description.images.erofs import Erofs
from rootstream.plan import toolchain
from rootstream.plan.images.base import Context, Making, of_root, output, program
from rootstream.plan.model import Dependency


def plan(image: Erofs, context: Context) -> Making:
    """Make the file system, by a tool that the base has not."""
    words = [*of_root(context), f"--compression {image.compression}", f"--uuid-seed {shlex.quote(context.name)}"]
    tools = toolchain.beside("erofs-utils", context.debian)
    return Making(
        commands=[program("erofs", *words, "-o", output(context.name))],
        sets=((tools, Dependency(element=tools.name)),),
    )
