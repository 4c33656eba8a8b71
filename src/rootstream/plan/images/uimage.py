"""Image `uimage`."""

from __future__ import annotations

import shlex

from rootstream.description.images.uimage import Uimage
from rootstream.plan import toolchain
from rootstream.plan.images.base import LOADED, Context, Making, output, program
from rootstream.plan.model import Dependency


def plan(image: Uimage, context: Context) -> Making:
    """Put U-Boot's header before the kernel, the ramdisk or both, by a tool that the base has not."""
    load = context.tools.row.load if image.load is None else image.load
    words = [image.type, f"--arch {context.tools.row.uboot}", f"--load {load:#x}"]
    words.append(f"--name {shlex.quote(image.title or context.slug)}")
    if image.type != "ramdisk":
        words.append(f"--kernel /kernel/{context.kernel_file}")
    if context.inner:
        words.append(f"--ramdisk {LOADED}/images/{context.inner.file}")
    tools = toolchain.beside("u-boot-tools", context.debian)
    return Making(
        commands=[program("uimage", *words, "-o", output(context.name))],
        root=False,
        kernel=True,
        sets=((tools, Dependency(element=tools.name)),),
    )
