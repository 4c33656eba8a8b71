"""The status page: static files that the boot server hands out, which talk to its API. Nothing in it is secret."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from aiohttp import ETag, hdrs, web

from rootstream.netboot.http.site import Routes
from rootstream.netboot.page import openapi

BASE = "/page/"
_TYPES = MappingProxyType(
    {
        "css": "text/css",
        "html": "text/html",
        "js": "text/javascript",
        "svg": "image/svg+xml",
    }
)
# Only files of this server, nothing written into the page, and no text of anybody's taken for markup.
_RULES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
POLICY = "; ".join(_RULES)
HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        hdrs.CACHE_CONTROL: "no-cache",  # a browser asks each time whether its copy is still right
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """A file of the page; `tag` is the hash of its content."""

    content_type: str
    body: bytes
    tag: str


def files() -> dict[str, Static]:
    """Return the files of the page by name."""
    found = {}
    for each in (resources.files(__package__) / "static").iterdir():
        kind = _TYPES.get(each.name.rpartition(".")[2])
        if kind is not None:
            body = each.read_bytes()
            tag = hashlib.sha256(body).hexdigest()[:32]
            found[each.name] = Static(content_type=kind, body=body, tag=tag)
    return found


FILES = web.AppKey("page", dict[str, Static])


def add(app: web.Application) -> None:
    """Add the page at `/`, its files below `/page/`, and the description of the API."""
    app[FILES] = files()
    routes = Routes(app)
    routes.add_get("/", _index)
    routes.add_get(BASE + "{name}", _file)
    openapi.add(app)


async def _index(request: web.Request) -> web.Response:
    return _answer(request, request.app[FILES]["index.html"])


async def _file(request: web.Request) -> web.Response:
    found = request.app[FILES].get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound(text="the page has no such file\n")
    return _answer(request, found)


def _answer(request: web.Request, file: Static) -> web.Response:
    known = request.if_none_match or ()
    if any(each.value in (file.tag, "*") for each in known):
        response = web.Response(status=web.HTTPNotModified.status_code, headers=dict(HEADERS))
    else:
        response = web.Response(
            body=file.body, content_type=file.content_type, charset="utf-8", headers=dict(HEADERS)
        )
    response.etag = ETag(value=file.tag)
    return response
