"""Check `poweroff`."""

from __future__ import annotations

from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.description.checks.poweroff import PoweroffCheck


def run(check: PoweroffCheck, context: CheckContext, *, limit: float) -> Answer:
    """Type the command, and wait for QEMU to end."""
    context.session.ensure(deadline=limit)
    context.session.type(check.poweroff)
    console = context.guest.console
    if not console.wait_end(limit):
        return Answer(
            good=False,
            detail="the machine is still on; a kernel without ACPI or similar can only halt or reboot",
        )
    context.dead = console.fault()
    return Answer(good=context.guest.status() == 0, detail=context.dead.message if context.dead else "")
