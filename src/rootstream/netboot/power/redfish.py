"""Redfish (DMTF DSP0266): on, off, cycle, state, and the next boot from the network."""

from __future__ import annotations

from typing import Any, Literal

from rootstream.description.power.redfish import Redfish
from rootstream.errors import UserError
from rootstream.host.file_text import text_of
from rootstream.netboot.power.base import Action, PowerContext, PowerState
from rootstream.netboot.power.device_http import HttpDevice, ask, object_of, shown

_RESETS = {"on": ("On", "ForceOn"), "off": ("ForceOff",), "cycle": ("ForceRestart", "PowerCycle")}


def switch(power: Redfish, context: PowerContext, action: Action) -> None:
    """Switch a machine; it is told to boot from the network first. Raises `UserError` power-failed."""
    path, system = _system(power, context)
    if action != "off":
        once = {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}}
        _ask(power, context, path, method="PATCH", body=once)
    on = system.get("PowerState") == "On"
    if action == "cycle" and not on:
        action = "on"
    if on == (action == "on") and action != "cycle":
        return
    reset = object_of(object_of(system.get("Actions")).get("#ComputerSystem.Reset"))
    target = reset.get("target", f"{path}/Actions/ComputerSystem.Reset")
    allowed = reset.get("ResetType@Redfish.AllowableValues")
    known = allowed if isinstance(allowed, list) and allowed else _RESETS[action]
    kind = next((each for each in _RESETS[action] if each in known), _RESETS[action][0])
    _ask(power, context, target, method="POST", body={"ResetType": kind})


def state(power: Redfish, context: PowerContext) -> PowerState:
    """Return whether a machine is on. Raises `UserError` power-failed."""
    _, system = _system(power, context)
    said = system.get("PowerState")
    return "on" if said in ("On", "PoweringOn") else "off" if said in ("Off", "PoweringOff") else "unknown"


def _system(power: Redfish, context: PowerContext) -> tuple[str, dict[str, Any]]:
    """Return the path of the system and what it says of itself."""
    if power.system:
        path = f"/redfish/v1/Systems/{power.system}"
        return path, _ask(power, context, path)
    members = _ask(power, context, "/redfish/v1/Systems").get("Members")
    entries = members if isinstance(members, list) else []
    paths = [each["@odata.id"] for each in entries if isinstance(object_of(each).get("@odata.id"), str)]
    if len(paths) != 1:
        known = ", ".join(shown(path.rpartition("/")[2]) for path in paths[:20]) or "none"
        raise UserError(
            "power-failed",
            f"{context.name}: the BMC has {len(paths)} systems",
            hint=f"Name one with `system:`. Available: {known}.",
        )
    return paths[0], _ask(power, context, paths[0])


def _ask(
    power: Redfish,
    context: PowerContext,
    path: object,
    *,
    method: Literal["GET", "PATCH", "POST"] = "GET",
    body: object = None,
) -> dict[str, Any]:
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//") or not _is_plain(path):
        raise UserError("power-failed", f"{context.name}: the BMC names {shown(path)}, which is not a path on it")
    login = None if power.user is None else (power.user, _password(power, context))
    device = HttpDevice(
        machine=context.name,
        protocol="Redfish",
        url=power.url,
        timeout=power.timeout,
        verify=power.verify,
        login=login,
    )
    return ask(device, path, method=method, body=body)


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and " " not in path


def _password(power: Redfish, context: PowerContext) -> str:
    if power.password_file is None:
        return ""
    return text_of(context.folder / power.password_file).rstrip("\n")
