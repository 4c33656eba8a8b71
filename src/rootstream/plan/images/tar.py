"""Image `tar`."""

from __future__ import annotations

from rootstream.description.images.tar import Tar
from rootstream.plan.images.base import Context, Making, of_root, output, program


def plan(image: Tar, context: Context) -> Making:
    """Make the archive."""
    words = ["tar", *of_root(context), f"--compression {image.compression}"]
    return Making(commands=[program("image", *words, "-o", output(context.name))])
