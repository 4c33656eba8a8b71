"""IPMI 2.0 by ipmitool: on, off, cycle, state, and the next boot from the network."""

from __future__ import annotations

from rootstream.description.power.ipmi import Ipmi
from rootstream.errors import UserError
from rootstream.host import process
from rootstream.netboot.power.base import Action, PowerContext, PowerState

_PROGRAM = "ipmitool"


def switch(power: Ipmi, context: PowerContext, action: Action) -> None:
    """Switch a machine; it is told to boot from the network first. Raises `UserError` power-failed.

    The BMC of a machine with UEFI is told so: without that, many have the machine boot as with a BIOS.
    """
    if action != "off":
        efi = ["options=efiboot"] if context.machine.firmware == "uefi" else []
        _run(power, context, "chassis", "bootdev", "pxe", *efi)
    if action == "cycle" and state(power, context) == "off":
        action = "on"  # a cycle of a machine that is off is an error to most BMCs
    _run(power, context, "chassis", "power", "reset" if action == "cycle" else action)


def state(power: Ipmi, context: PowerContext) -> PowerState:
    """Return whether a machine is on. Raises `UserError` power-failed."""
    said = _run(power, context, "chassis", "power", "status")
    return "on" if said.strip().lower().endswith("on") else "off"


def _run(power: Ipmi, context: PowerContext, *what: str) -> str:
    process.require(_PROGRAM, hint="Install it (Debian: `apt install ipmitool`).")
    argv = (
        *(_PROGRAM, "-I", "lanplus", "-H", power.address, "-p", str(power.port), "-U", power.user),
        # the file, not the password: a command line can be seen by others
        *("-f", str(context.folder / power.password_file), *what),
    )
    done = process.run(argv, env=context.env, timeout=power.timeout, check=False)
    if done.status != 0:
        raise UserError(
            "power-failed",
            f"{context.name}: IPMI at {power.address} reports: {process.tail(done.stderr or done.stdout, 1)}",
            hint=f"To run it by hand: {process.paste(argv)}",
        )
    return done.stdout
