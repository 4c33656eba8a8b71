"""The HTTP side of the boot server: scripts, kernels and ramdisks, iPXE itself. Nothing here needs a login.

Paths are looked up, never put together: a file is sent only if its build lists it under that very name.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

from rootstream.errors import UserError
from rootstream.netboot import script
from rootstream.netboot.dhcp.dnsmasq import PROGRAMS, SCRIPT
from rootstream.netboot.http import listening, requests
from rootstream.netboot.http.listening import Connections
from rootstream.netboot.http.sending import BuildFile, SentFile
from rootstream.netboot.script import Served
from rootstream.netboot.service import BootRequest, BootService, Part

SERVICE = web.AppKey("service", BootService)
PROGRAM_FILES = web.AppKey("programs", dict[str, Path])
CONNECTIONS = web.AppKey("connections", Connections)
ANSWER = 30.0  # seconds that a client may take to read an answer that is no file
# What keeps one request small: bytes of its first line and of a header, their number; no body is unpacked, and
# none that was refused is read.
LIMITS: Mapping[str, Any] = {
    "max_line_size": 4096,
    "max_field_size": 4096,
    "max_headers": 64,
    "read_bufsize": 16 << 10,
    "auto_decompress": False,
    "lingering_time": 0.0,
}
_LONGEST = 64
_PARTS: Mapping[str, Part] = {"kernel": "kernel", "capsule": "kernel", "uki": "kernel", "initramfs": "initramfs"}
_NUMBER = re.compile(r"[0-9]{1,15}")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """The routes of an application, each of which looks at what is expected before a body is sent."""

    def __init__(self, app: web.Application) -> None:
        self._router = app.router

    def add_get(self, path: str, handler: Handler, *, head: bool = True) -> None:
        """Add what is read; without `head` only GET, where an answer changes something."""
        self._router.add_get(path, handler, allow_head=head, expect_handler=requests.expect)

    def add_post(self, path: str, handler: Handler) -> None:
        """Add what changes something."""
        self._router.add_post(path, handler, expect_handler=requests.expect)

    def close(self) -> None:
        """Answer everything else, too; to be called last."""
        self._router.add_route("*", "/{rest:.*}", _nowhere, expect_handler=requests.expect)


def application(
    service: BootService, programs: Mapping[str, Path], connections: Connections | None = None
) -> web.Application:
    """Return the application; `programs` are iPXE's, by name. `Routes.close` is to end it."""
    app = web.Application(middlewares=[_guard])
    app[SERVICE] = service
    app[PROGRAM_FILES] = dict(programs)
    app[CONNECTIONS] = connections or Connections(listening.room(listening.MOST * 5))
    routes = Routes(app)
    routes.add_get(SCRIPT, _first)
    routes.add_get("/machines/{mac}.ipxe", _machine, head=False)
    routes.add_get("/menu/{target}.ipxe", _menu)
    routes.add_get("/builds/{target}/{build}/{name:.+}", _file)
    routes.add_get(PROGRAMS + "{name}", _program)
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request, whole and in time; what a user can fix, and what no descriptor is left for, is told."""
    connections = request.app[CONNECTIONS]
    with connections.busy(request.transport):
        response = await _response(request, handler)
        if request.body_exists and not request.content.is_eof():
            response.force_close()  # what was refused is not read
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers[hdrs.SERVER] = "Rootstream"
        try:
            if isinstance(response, SentFile):
                async with connections.sending(request.remote or ""):
                    listening.require_descriptors()
                    await response.prepare(request)
            else:
                async with asyncio.timeout(ANSWER):
                    await response.prepare(request)
                    await response.write_eof()
        except (TimeoutError, OSError) as error:
            if not response.prepared and not isinstance(error, ConnectionError):
                return _busy()
            if request.transport is not None:
                request.transport.abort()  # which the library sees when it ends the answer
    return response


async def _response(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the answer to a request, also to one that is refused."""
    domain = request.app[SERVICE].description.serve.domain
    if not _own(request.host, domain):
        hint = "Use its address, or set `serve: {domain: ...}` in system.yaml."
        return _told(UserError("wrong-host", "this server does not have that host name", hint=hint))
    refused = requests.refusal(request)
    if refused is not None:
        return web.Response(status=refused[0], text=f"{refused[1]}\n")
    try:
        return await handler(request)
    except UserError as error:
        return _told(error)
    except web.HTTPException as error:
        answer = web.Response(status=error.status, text=error.text)
        if hdrs.ALLOW in error.headers:
            answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return answer
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        return _busy()


def _busy() -> web.Response:
    return web.Response(
        status=web.HTTPServiceUnavailable.status_code,
        text="the server has no room for this now\n",
        headers={hdrs.RETRY_AFTER: "1"},
    )


async def _nowhere(request: web.Request) -> web.StreamResponse:
    """Say that there is nothing, or not for this method."""
    methods: set[str] = set()
    for resource in request.app.router.resources():
        if "rest" not in resource.canonical:
            _, allowed = await resource.resolve(request)
            methods |= allowed
    if methods:
        raise web.HTTPMethodNotAllowed(request.method, methods, text="method not allowed\n")
    raise web.HTTPNotFound(text="there is nothing here\n")


def _told(error: UserError) -> web.Response:
    data = {"error": error.reason, "message": error.message, "hint": error.hint}
    return web.json_response(data, status=_status(error))


def _own(host: str, domain: str | None) -> bool:
    """Say whether a browser may know this server as `host`: an address, or a name that no foreign page can have.

    A page of another domain could else have its own name lead here, and read what is shown to everybody, kernels
    and ramdisks among it. Firmware asks by the address that it was given.
    """
    name = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) else host
    name = name.lower().strip("[]").rstrip(".")
    if "." not in name or name == socket.gethostname().lower():
        return True
    if domain and name.endswith(f".{domain.lower()}"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _status(error: UserError) -> int:
    if error.reason == "wrong-host":
        return web.HTTPMisdirectedRequest.status_code
    if error.reason.startswith("unknown"):
        return web.HTTPNotFound.status_code
    if error.reason in ("cannot-write", "state-broken"):
        return web.HTTPServiceUnavailable.status_code
    return web.HTTPBadRequest.status_code


def served(request: web.Request) -> Served:
    """Return who serves, as the connection that was accepted says; what the client claims in Host is not used."""
    name = request.transport.get_extra_info("sockname") if request.transport else None
    if not name:
        raise web.HTTPServiceUnavailable
    return Served(server=name[0], base=f"http://{name[0]}:{name[1]}")


def _script(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/plain", headers={hdrs.CACHE_CONTROL: "no-store"})


async def _first(request: web.Request) -> web.Response:
    return _script(script.first(served(request)))


async def _machine(request: web.Request) -> web.Response:
    asking = BootRequest(
        mac=request.match_info["mac"].lower(),
        address=request.remote or "",
        platform=request.query.get("platform", "")[:_LONGEST],
        chip=request.query.get("chip", "")[:_LONGEST],
    )
    text = request.app[SERVICE].script(asking, served(request))
    if text is None:
        raise web.HTTPForbidden(text="nothing for you here\n")
    return _script(text)


async def _menu(request: web.Request) -> web.Response:
    platform = request.query.get("platform", "")[:_LONGEST]
    text = request.app[SERVICE].chosen_from_menu(request.match_info["target"], platform, served(request))
    if text is None:
        raise web.HTTPNotFound(text="there is no such system\n")
    return _script(text)


async def _file(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    words = request.match_info
    build = service.builds.get(words["target"], words["build"]) if words["target"] in _targets(service) else None
    file = next((each for each in build.files if each.name == words["name"]), None) if build else None
    if build is None or file is None:
        raise web.HTTPNotFound(text="there is no such file\n")
    done = None
    number = request.query.get("boot", "")
    if request.method == hdrs.METH_GET and _NUMBER.fullmatch(number):
        part = _PARTS[file.kind]
        boot = service.sending(int(number), request.remote or "", part)
        last = part == "initramfs" or build.file("initramfs") is None
        if boot is not None:
            found, size = boot, file.size
            done = lambda: service.sent(found, part, size, last=last)  # noqa: E731
    path = service.builds.path(build, file)
    if not await asyncio.to_thread(_is_regular, path):
        raise web.HTTPNotFound(text="there is no such file\n")
    return BuildFile(path, file.sha256, done=done)


def _is_regular(path: Path) -> bool:
    """Say whether a path is a file and no link. Raises `OSError` where that cannot be known."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _targets(service: BootService) -> tuple[str, ...]:
    return service.builds.targets()


async def _program(request: web.Request) -> web.StreamResponse:
    path = request.app[PROGRAM_FILES].get(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound(text="there is no such program\n")
    return SentFile(path, headers={hdrs.CONTENT_TYPE: "application/efi"})
