"""Redfish (DMTF DSP0266): on, off, cycle, state, and the next boot from the network."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from rootstream.errors import UserError
from rootstream.filetext import text_of
from rootstream.machines import Redfish

_MOST = 1 << 20
_RESETS = {"on": ("On", "ForceOn"), "off": ("ForceOff",), "cycle": ("ForceRestart", "PowerCycle")}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the password is for this server alone."""

    def redirect_request(self, *_: object) -> None:
        return None


def switch(name: str, words: Redfish, folder: Path, action: Literal["on", "off", "cycle"]) -> None:
    """Switch a machine; it is told to boot from the network first. Raises `UserError` power-failed."""
    path, system = _system(name, words, folder)
    if action != "off":
        once = {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}}
        _ask(name, words, folder, path, method="PATCH", body=once)
    on = system.get("PowerState") == "On"
    if action == "cycle" and not on:
        action = "on"
    if on == (action == "on") and action != "cycle":
        return
    reset = system.get("Actions", {}).get("#ComputerSystem.Reset", {})
    target = str(reset.get("target", f"{path}/Actions/ComputerSystem.Reset"))
    allowed = reset.get("ResetType@Redfish.AllowableValues") or _RESETS[action]
    kind = next((each for each in _RESETS[action] if each in allowed), _RESETS[action][0])
    _ask(name, words, folder, target, method="POST", body={"ResetType": kind})


def state(name: str, words: Redfish, folder: Path) -> Literal["on", "off", "unknown"]:
    """Return whether a machine is on. Raises `UserError` power-failed."""
    _, system = _system(name, words, folder)
    said = system.get("PowerState")
    return "on" if said in ("On", "PoweringOn") else "off" if said in ("Off", "PoweringOff") else "unknown"


def _system(name: str, words: Redfish, folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the path of the system and what it says of itself."""
    if words.system:
        path = f"/redfish/v1/Systems/{words.system}"
        return path, _ask(name, words, folder, path)
    members = _ask(name, words, folder, "/redfish/v1/Systems").get("Members", [])
    paths = [str(each.get("@odata.id", "")) for each in members if isinstance(each, dict)]
    if len(paths) != 1:
        known = ", ".join(path.rpartition("/")[2] for path in paths) or "none"
        raise UserError(
            "power-failed",
            f"{name}: the BMC has {len(paths)} systems",
            hint=f"Name one with `system:`. There are: {known}.",
        )
    return paths[0], _ask(name, words, folder, paths[0])


def _ask(
    name: str, words: Redfish, folder: Path, path: str, *, method: str = "GET", body: object = None
) -> dict[str, Any]:
    parts = urlsplit(words.url)
    if not path.startswith("/") or path.startswith("//"):
        raise UserError("power-failed", f"{name}: the BMC names {path!r}, which is no path on it")
    request = urllib.request.Request(  # noqa: S310  (the model allows http and https)
        f"{parts.scheme}://{parts.netloc}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Accept": "application/json", "Content-Type": "application/json", "If-Match": "*"},
    )
    if words.user is not None:
        word = f"{words.user}:{_password(words, folder)}"
        request.add_header("Authorization", "Basic " + base64.b64encode(word.encode()).decode())
    context = ssl.create_default_context()
    if not words.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        _Stay(), urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=words.timeout) as answer:
            text = answer.read(_MOST)
        found = json.loads(text) if text.strip() else {}
    except urllib.error.HTTPError as error:
        said = error.read(500).decode(errors="replace")
        raise UserError(
            "power-failed", f"{name}: {words.url}{path} answers {error.code}", detail=said or None
        ) from error
    except (OSError, ValueError) as error:
        raise UserError("power-failed", f"{name}: no Redfish at {words.url}: {error}") from error
    return found if isinstance(found, dict) else {}


def _password(words: Redfish, folder: Path) -> str:
    if words.password_file is None:
        return ""
    return text_of(folder / words.password_file).rstrip("\n")
