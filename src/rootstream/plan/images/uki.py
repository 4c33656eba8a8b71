"""Image `uki`."""

from __future__ import annotations

from rootstream.description.images.uki import Uki
from rootstream.plan.images import boot_programs
from rootstream.plan.images.base import Context, Making, arguments, mounting, output, program


def plan(image: Uki, context: Context) -> Making:
    """Join the kernel, its arguments and an initramfs with the stub."""
    words = boot_programs.started(context)
    return Making(
        commands=[*mounting(context), program("uki", *words, "-o", output(context.name))],
        files=arguments(image.kernel_args, context),
        root=False,
        kernel=True,
        sets=boot_programs.stub_of(context),
    )
