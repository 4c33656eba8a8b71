"""IPMI 2.0 by ipmitool: on, off, cycle, state, and the next boot from the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rootstream.description.machines import Ipmi
from rootstream.errors import UserError
from rootstream.host import process

_PROGRAM = "ipmitool"


def switch(
    name: str,
    words: Ipmi,
    folder: Path,
    action: Literal["on", "off", "cycle"],
    *,
    uefi: bool,
    env: Mapping[str, str],
) -> None:
    """Switch a machine; it is told to boot from the network first. Raises `UserError` power-failed.

    With `uefi` its BMC is told so: without that, many have the machine boot as with a BIOS.
    """
    if action != "off":
        _run(name, words, folder, ("chassis", "bootdev", "pxe", *(["options=efiboot"] if uefi else [])), env)
    if action == "cycle" and state(name, words, folder, env=env) == "off":
        action = "on"  # a cycle of a machine that is off is an error to most BMCs
    _run(name, words, folder, ("chassis", "power", "reset" if action == "cycle" else action), env)


def state(name: str, words: Ipmi, folder: Path, *, env: Mapping[str, str]) -> Literal["on", "off"]:
    """Return whether a machine is on. Raises `UserError` power-failed."""
    said = _run(name, words, folder, ("chassis", "power", "status"), env)
    return "on" if said.strip().lower().endswith("on") else "off"


def _run(name: str, words: Ipmi, folder: Path, what: tuple[str, ...], env: Mapping[str, str]) -> str:
    process.require(_PROGRAM, hint="Install it (Debian: `apt install ipmitool`).")
    argv = (
        *(_PROGRAM, "-I", "lanplus", "-H", words.address, "-p", str(words.port), "-U", words.user),
        # the file, not the password: a command line can be seen by others
        *("-f", str(folder / words.password_file), *what),
    )
    done = process.run(argv, env=env, timeout=words.timeout, check=False)
    if done.status != 0:
        raise UserError(
            "power-failed",
            f"{name}: IPMI at {words.address} says: {process.tail(done.stderr or done.stdout, 1)}",
            hint=f"To try it by hand: {process.paste(argv)}",
        )
    return done.stdout
