"""Image `squashfs`."""

from __future__ import annotations

from rootstream.description.images.squashfs import Squashfs
from rootstream.plan.images.base import Context, Making, of_root, output, program


def plan(image: Squashfs, context: Context) -> Making:
    """Make the file system."""
    words = ["squashfs", *of_root(context), f"--compression {image.compression}"]
    return Making(commands=[program("image", *words, "-o", output(context.name))])
