"""Image `ext`."""

from __future__ import annotations

import shlex

from rootstream.description.images.ext import Ext
from rootstream.plan.images.base import SPARSE, Context, Making, of_root, output, program


def plan(image: Ext, context: Context) -> Making:
    """Make the file system; its holes stay holes, unless it is packed as a ramdisk."""
    size = "auto" if image.size is None else str(image.size)
    words = ["ext", *of_root(context), f"--type {image.type}", f"--size {size}"]
    words += [f"--label {shlex.quote(image.label)}", f"--uuid-seed {shlex.quote(context.name)}"]
    words += (
        ["--gzip", "-o", output(context.name)] if image.gzip else ["--packed", "-o", output(context.name + SPARSE)]
    )
    return Making(commands=[program("image", *words)])
