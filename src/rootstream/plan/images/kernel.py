"""Image `kernel`."""

from __future__ import annotations

from rootstream.description.images.kernel import KernelImage
from rootstream.plan.images.base import Context, Making, output


def plan(image: KernelImage, context: Context) -> Making:  # noqa: ARG001
    """Copy the kernel."""
    commands = [f"cp /kernel/{context.kernel_file} {output(context.name)}"]
    return Making(commands=commands, root=False, kernel=True, programs=False)
