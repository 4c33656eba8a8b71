"""Smart plugs with Tasmota (https://tasmota.github.io/docs/Commands/): on, off, cycle and state over HTTP."""

from __future__ import annotations

import time
from typing import Literal

from rootstream.description.power.tasmota import Tasmota
from rootstream.errors import UserError
from rootstream.host.file_text import text_of
from rootstream.netboot.power.base import Action, PowerContext, PowerState
from rootstream.netboot.power.device_http import HttpDevice, ask, shown


def switch(power: Tasmota, context: PowerContext, action: Action) -> None:
    """Switch an outlet, and see that it did. Raises `UserError` power-failed."""
    if action == "cycle":
        _switch(power, context, "OFF")
        time.sleep(power.pause)
    _switch(power, context, "OFF" if action == "off" else "ON")


def state(power: Tasmota, context: PowerContext) -> PowerState:
    """Return whether an outlet is on. Raises `UserError` power-failed."""
    return "on" if _say(power, context) == "ON" else "off"


def _switch(power: Tasmota, context: PowerContext, wanted: Literal["ON", "OFF"]) -> None:
    if _say(power, context, wanted) != wanted:
        message = f"{context.name}: the plug at {power.url} does not switch {wanted.lower()}"
        hint = "Tasmota's PowerLock, PulseTime and Interlock settings can prevent or undo that."
        raise UserError("power-failed", message, hint=hint)


def _say(power: Tasmota, context: PowerContext, *value: str) -> Literal["ON", "OFF"]:
    """Give a command, or ask without a value, and return the state that the plug answers."""
    login = {}
    if power.password_file is not None:
        password = text_of(context.folder / power.password_file).rstrip("\n")
        login = {"user": power.user, "password": password}
    device = HttpDevice(machine=context.name, protocol="Tasmota", url=power.url, timeout=power.timeout)
    number = "" if power.outlet is None else str(power.outlet)
    answer = ask(device, "/cm", query={**login, "cmnd": " ".join((f"Power{number}", *value))})
    # a device with one relay leaves out the number, one with several has it in any case
    names = ("POWER", "POWER1") if power.outlet in (None, 1) else (f"POWER{power.outlet}",)
    said = next((answer[name] for name in names if name in answer), None)
    if said in ("ON", "OFF"):
        return "ON" if said == "ON" else "OFF"
    raise UserError(
        "power-failed",
        f"{context.name}: the plug at {power.url} has no state of {names[-1]}: it returned {shown(answer)}",
        hint="`outlet:` must be the number of one of its relays; a plug with a password needs a `password_file:`.",
    )
