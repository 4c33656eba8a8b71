"""What is looked at before a request is answered: its body, which is read in time and never past its limit.

Nothing is unpacked: a few kilobytes of gzip can be gigabytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest

PATIENCE = 10.0  # seconds that a body may take
MOST = 4096  # bytes of a body of JSON
_DATES = {hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE}
_CONDITIONS = (hdrs.RANGE, hdrs.IF_RANGE, hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, *sorted(_DATES))
# RFC 9110, 5.6.7: the preferred form and the two obsolete ones, none of a year past 9999
_DATE = re.compile(r"[A-Z][a-z]{2,8}[,]? [0-9A-Za-z :-]{10,30}")
_YEAR = re.compile(r"[0-9]{5}")


def refusal(request: BaseRequest) -> tuple[int, str] | None:
    """Return the status and the words with which a request is refused for what its head says of its body."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if encoding not in ("", "identity"):
        return web.HTTPUnsupportedMediaType.status_code, "content encodings are not supported in requests"
    length = request.content_length
    if length is not None and length > most(request):
        return (
            web.HTTPRequestEntityTooLarge.status_code,
            f"a body of at most {most(request)} bytes is accepted here",
        )
    if request.body_exists and not most(request):
        return web.HTTPRequestEntityTooLarge.status_code, "no body is accepted here"
    return None


def most(request: BaseRequest) -> int:
    """Return the bytes that a body may have."""
    return MOST if request.method == hdrs.METH_POST else 0


async def body(request: web.Request, limit: int) -> bytes:
    """Return the body. Raises `HTTPException` for one that is too long, too slow, or no body."""
    found = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            while piece := await request.content.readany():
                found += piece
                if len(found) > limit:
                    raise web.HTTPRequestEntityTooLarge(
                        limit, len(found), text=f"at most {limit} bytes are accepted\n"
                    )
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {PATIENCE:g} seconds\n") from None
    except (web.RequestPayloadError, ConnectionError):  # broken, or its client has gone
        raise web.HTTPBadRequest(text="the body is broken\n") from None
    return bytes(found)


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Ask for a body that is announced with `Expect: 100-continue`; refuse what is expected else."""
    if request.version < (1, 1):
        return None
    if request.headers.get(hdrs.EXPECT, "").strip().lower() != "100-continue":
        raise web.HTTPExpectationFailed(text="only Expect: 100-continue is supported\n")
    if refusal(request) is None:
        with contextlib.suppress(ConnectionError):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    return None


def conditions(request: BaseRequest) -> dict[str, str]:
    """Return the headers that decide what of a file is sent, but not those to be ignored (RFC 9110, 13.1).

    `Accept-Encoding` is none: a build may have `initramfs` and `initramfs.gz`, and they are two files.
    """
    found = {name: request.headers[name] for name in _CONDITIONS if name in request.headers}
    for name in _DATES & found.keys():
        if not _DATE.fullmatch(found[name].strip()) or _YEAR.search(found[name]):
            del found[name]
    return {name: value for name, value in found.items() if value.isascii()}
