"""Image `firmware`."""

from __future__ import annotations

from rootstream.description.images.firmware import Firmware
from rootstream.plan.images import boot_programs
from rootstream.plan.images.base import Context, Making, output


def plan(image: Firmware, context: Context) -> Making:  # noqa: ARG001
    """Copy OpenSBI out of its package."""
    commands = [f"cp {boot_programs.opensbi_path(context.arch)} {output(context.name)}"]
    sets = ((boot_programs.opensbi_element(context.debian), boot_programs.opensbi()),)
    return Making(commands=commands, root=False, programs=False, sets=sets)
