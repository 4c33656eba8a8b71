"""The HTTP side of the boot server: scripts, kernels and ramdisks, iPXE itself. Nothing here needs a login.

Paths are looked up, never put together: a file is sent only if its build lists it under that very name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import hdrs, web

from rootstream.errors import UserError
from rootstream.netboot import script
from rootstream.netboot.dnsmasq import PROGRAMS, SCRIPT
from rootstream.netboot.script import Served
from rootstream.netboot.sending import BuildFile
from rootstream.netboot.service import Asking, Part, Service

SERVICE = web.AppKey("service", Service)
PROGRAM_FILES = web.AppKey("programs", dict[str, Path])
MOST_BODY = 64 << 10
FOR_BROWSERS = ("/api/", "/page/")
_LONGEST = 64
_PARTS: Mapping[str, Part] = {"kernel": "kernel", "capsule": "kernel", "uki": "kernel", "initramfs": "initramfs"}
_NUMBER = re.compile(r"[0-9]{1,15}")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(service: Service, programs: Mapping[str, Path]) -> web.Application:
    """Return the application; `programs` are iPXE's, by name."""
    app = web.Application(middlewares=[_guard], client_max_size=MOST_BODY)
    app[SERVICE] = service
    app[PROGRAM_FILES] = dict(programs)
    app.router.add_get(SCRIPT, _first)
    app.router.add_get("/machines/{mac}.ipxe", _machine)
    app.router.add_get("/menu/{target}.ipxe", _menu)
    app.router.add_get("/builds/{target}/{build}/{name:.+}", _file)
    app.router.add_get(PROGRAMS + "{name}", _program)
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what a user can mend into an answer that says so."""
    domain = request.app[SERVICE].description.serve.domain
    if (request.path == "/" or request.path.startswith(FOR_BROWSERS)) and not _own(request.host, domain):
        return _told(UserError("wrong-host", "this server does not go by that name", hint="Use its address."))
    try:
        response = await handler(request)
    except UserError as error:
        return _told(error)
    if not response.prepared:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _told(error: UserError) -> web.Response:
    data = {"error": error.reason, "message": error.message, "hint": error.hint}
    return web.json_response(data, status=_status(error))


def _own(host: str, domain: str | None) -> bool:
    """Say whether a browser may know this server as `host`: an address, or a name that no foreign page can have.

    A page of another domain could else have its own name lead here, and read what is shown to everybody.
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
    asking = Asking(
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
    return BuildFile(service.builds.path(build, file), file.sha256, done=done)


def _targets(service: Service) -> tuple[str, ...]:
    return service.builds.targets()


async def _program(request: web.Request) -> web.StreamResponse:
    path = request.app[PROGRAM_FILES].get(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound(text="there is no such program\n")
    return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: "application/efi"})
