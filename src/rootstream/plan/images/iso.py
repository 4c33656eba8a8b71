"""Image `iso`."""

from __future__ import annotations

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images.iso import Iso
from rootstream.plan.images import boot_programs
from rootstream.plan.images.base import Context, Making, arguments, output, program


def plan(image: Iso, context: Context) -> Making:
    """Make a volume that starts from UEFI, and on a PC from a BIOS."""
    words = [*boot_programs.started(context), f"--label {image.label}"]
    sets = boot_programs.stub_of(context)
    if ARCHITECTURES[context.arch].board.bios:
        words.append(f"--isolinux {boot_programs.isolinux_path()}")
        sets = ((boot_programs.isolinux_element(context.debian), boot_programs.isolinux()), *sets)
    return Making(
        commands=[program("iso", *words, "-o", output(context.name))],
        files=arguments(image.kernel_args, context),
        root=False,
        kernel=True,
        sets=sets,
    )
