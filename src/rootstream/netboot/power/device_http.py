"""Asks a BMC or a plug over HTTP. It may be anybody: its answer is bounded in size and, as a whole, in time."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from rootstream.errors import UserError

_MOST = 1 << 20  # bytes of an answer
_SHOWN = 300  # characters of an answer that is quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpDevice:
    """Who is asked: a machine's BMC or plug, what it should speak, and where."""

    machine: str
    protocol: str
    url: str
    timeout: float
    verify: bool = True
    login: tuple[str, str] | None = None
    """User and password for HTTP's basic authentication."""


def ask(
    device: HttpDevice,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    method: Literal["GET", "PATCH", "POST"] = "GET",
    body: object = None,
) -> dict[str, Any]:
    """Return the JSON object of an answer, empty where it is another value; what is in it may be of any type.

    No message has the query, which may hold a password. No redirection is followed: the password is for this
    server. Raises `UserError` power-failed.
    """
    where = f"{device.machine}: {device.url}{path}"
    try:
        status, text = asyncio.run(_answer(device, path, query or {}, method, body))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        late = isinstance(error, TimeoutError)
        why = f"no complete response within {device.timeout:g} seconds" if late else shown(_why(error))
        message = f"{device.machine}: no {device.protocol} at {device.url}: {why}"
        raise UserError("power-failed", message) from None
    if not 200 <= status < 300:  # noqa: PLR2004
        detail = shown(text.decode(errors="replace")) if text else None
        raise UserError("power-failed", f"{where} returned HTTP {status}", detail=detail)
    if len(text) > _MOST:
        raise UserError("power-failed", f"{where} returned more than {_MOST >> 20} MiB")
    try:
        return object_of(json.loads(text)) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UserError("power-failed", f"{where} returned something that is not JSON") from error


def object_of(value: object) -> dict[str, Any]:
    """Return a value if it is an object of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def shown(value: object) -> str:
    """Return what a device says so that it is text on one line, and not much of it."""
    text = str(value)[:_SHOWN]
    return "".join(char if char.isprintable() else " " for char in text)


def _why(error: Exception) -> object:
    """Return an error without the address that was asked for, which aiohttp's text has."""
    return f"{error.status}, {error.message}" if isinstance(error, aiohttp.ClientResponseError) else error


def _tls(device: HttpDevice) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not device.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _answer(
    device: HttpDevice, path: str, query: Mapping[str, str], method: str, body: object
) -> tuple[int, bytes]:
    """Ask, and return the status and the body, which is cut behind `_MOST`; `timeout` is for all of it."""
    parts = urlsplit(device.url)
    context = _tls(device) if parts.scheme == "https" else True
    limit = aiohttp.ClientTimeout(total=device.timeout)
    asked = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in query.items())
    url = URL(f"{parts.scheme}://{parts.netloc}{path}{'?' if asked else ''}{asked}", encoded=True)
    headers = {"Accept": "application/json", "If-Match": "*", "Accept-Encoding": "identity"}
    if device.login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(device.login).encode()).decode()
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
