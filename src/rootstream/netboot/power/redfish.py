"""Redfish (DMTF DSP0266): on, off, cycle, state, and the next boot from the network.

A BMC may be anybody: what it answers is bounded in size and, as a whole, in time; a value may be of any type.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from rootstream.description.machines import Redfish
from rootstream.errors import UserError
from rootstream.host.file_text import text_of

_MOST = 1 << 20  # bytes of an answer
_SHOWN = 300  # characters of an answer that is quoted
_RESETS = {"on": ("On", "ForceOn"), "off": ("ForceOff",), "cycle": ("ForceRestart", "PowerCycle")}


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
    reset = _object(_object(system.get("Actions")).get("#ComputerSystem.Reset"))
    target = reset.get("target", f"{path}/Actions/ComputerSystem.Reset")
    allowed = reset.get("ResetType@Redfish.AllowableValues")
    known = allowed if isinstance(allowed, list) and allowed else _RESETS[action]
    kind = next((each for each in _RESETS[action] if each in known), _RESETS[action][0])
    _ask(name, words, folder, target, method="POST", body={"ResetType": kind})


def state(name: str, words: Redfish, folder: Path) -> Literal["on", "off", "unknown"]:
    """Return whether a machine is on. Raises `UserError` power-failed."""
    _, system = _system(name, words, folder)
    said = system.get("PowerState")
    return "on" if said in ("On", "PoweringOn") else "off" if said in ("Off", "PoweringOff") else "unknown"


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _system(name: str, words: Redfish, folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the path of the system and what it says of itself."""
    if words.system:
        path = f"/redfish/v1/Systems/{words.system}"
        return path, _ask(name, words, folder, path)
    members = _ask(name, words, folder, "/redfish/v1/Systems").get("Members")
    entries = members if isinstance(members, list) else []
    paths = [each["@odata.id"] for each in entries if isinstance(_object(each).get("@odata.id"), str)]
    if len(paths) != 1:
        known = ", ".join(_shown(path.rpartition("/")[2]) for path in paths[:20]) or "none"
        raise UserError(
            "power-failed",
            f"{name}: the BMC has {len(paths)} systems",
            hint=f"Name one with `system:`. There are: {known}.",
        )
    return paths[0], _ask(name, words, folder, paths[0])


def _ask(
    name: str, words: Redfish, folder: Path, path: object, *, method: str = "GET", body: object = None
) -> dict[str, Any]:
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//") or not _is_plain(path):
        raise UserError("power-failed", f"{name}: the BMC names {_shown(path)}, which is no path on it")
    headers = {"Accept": "application/json", "If-Match": "*", "Accept-Encoding": "identity"}
    if words.user is not None:
        word = f"{words.user}:{_password(words, folder)}"
        headers["Authorization"] = "Basic " + base64.b64encode(word.encode()).decode()
    try:
        status, text = asyncio.run(_answer(words, path, method, body, headers))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        late = isinstance(error, TimeoutError)
        why = f"no whole answer within {words.timeout:g} seconds" if late else _shown(error)
        raise UserError("power-failed", f"{name}: no Redfish at {words.url}: {why}") from error
    if not 200 <= status < 300:  # noqa: PLR2004  (a redirection is not followed: the password is for this server)
        message = f"{name}: {words.url}{path} answers {status}"
        raise UserError("power-failed", message, detail=_shown(text.decode(errors="replace")) if text else None)
    if len(text) > _MOST:
        raise UserError("power-failed", f"{name}: {words.url}{path} answers more than {_MOST >> 20} MiB")
    try:
        return _object(json.loads(text)) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UserError("power-failed", f"{name}: {words.url}{path} answers what is no JSON") from error


async def _answer(
    words: Redfish, path: str, method: str, body: object, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Ask, and return the status and the body, which is cut behind `_MOST`; `timeout` is for all of it."""
    context = ssl.create_default_context()
    if not words.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    parts = urlsplit(words.url)
    limit = aiohttp.ClientTimeout(total=words.timeout)
    url = URL(f"{parts.scheme}://{parts.netloc}{path}", encoded=True)
    async with (
        aiohttp.ClientSession(timeout=limit, auto_decompress=False) as session,
        session.request(method, url, json=body, headers=headers, allow_redirects=False, ssl=context) as answer,
    ):
        text = bytearray()
        async for piece in answer.content.iter_chunked(1 << 16):
            text += piece
            if len(text) > _MOST:
                break
        return answer.status, bytes(text)


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and " " not in path


def _shown(value: object) -> str:
    """Return what a BMC says so that it is text on one line, and not much of it."""
    text = str(value)[:_SHOWN]
    return "".join(char if char.isprintable() else " " for char in text)


def _password(words: Redfish, folder: Path) -> str:
    if words.password_file is None:
        return ""
    return text_of(folder / words.password_file).rstrip("\n")
