"""The JSON API of the boot server, below /api/v1. Reading needs no login, changing a bearer token.

Times are seconds since 1970, sizes bytes. A mistake is answered with 4xx and `{"error": reason, "message": text,
"hint": text or null}`. Shapes are those of `machine_data`, `boot_data` and `system_data`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from aiohttp import hdrs, web

from rootstream import __version__
from rootstream.errors import UserError, Where
from rootstream.netboot import phone_home
from rootstream.netboot.http import requests
from rootstream.netboot.http.site import SERVICE, Routes
from rootstream.netboot.power.base import Action
from rootstream.netboot.power.control import Switchboard
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Build
from rootstream.netboot.store.state import BootRecord, State
from rootstream.project.project import Project

BASE = "/api/v1"
PROJECT = web.AppKey("project", Project)
SWITCHBOARD = web.AppKey("switchboard", Switchboard)
MARKS: web.AppKey[_Marks] = web.AppKey("marks")
MOST_BOOTS = 200
LONGEST_WAIT = 25.0  # seconds that a question for changes may stay open
_PAUSE = 0.25
_PIECE = 64 << 10
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")
ACTIONS: Mapping[str, Action] = {each: each for each in get_args(Action)}
Json = dict[str, Any]


def add(app: web.Application, project: Project, switchboard: Switchboard) -> None:
    """Add the routes.

    GET  /api/v1                            {"version", "project", "machines": count}
    GET  /api/v1/machines                   {"machines": [machine]}
    GET  /api/v1/machines/NAME              machine
    GET  /api/v1/machines/NAME/power        {"machine", "power": "on" | "off" | "unknown"}; may take seconds
    GET  /api/v1/machines/NAME/console      ?offset=BYTES: {"machine", "offset", "next", "size", "text"}
    GET  /api/v1/boots                      ?machine=NAME&limit=50&before=ID: {"boots": [boot]}, the newest first
    GET  /api/v1/boots/ID                   boot
    GET  /api/v1/builds                     {"systems": [system]}
    GET  /api/v1/events                     ?after=ID&mark=M&wait=SECONDS: {"events": [event], "mark"}; with `wait`
                                            the answer comes when the mark is another than M, at the latest then
    POST /api/v1/machines/NAME/choose       {"system"?, "build"?, "once"?}: machine; without system and build what
                                            was chosen is taken back
    POST /api/v1/machines/NAME/power        {"action": "on" | "off" | "cycle"}: {"machine", "boot": ID or null}
    POST /api/v1/boots/ID/home              up=SECONDS&sign=SIGNATURE: a booted system reports; `home.signature`
    POST /api/v1/systems/NAME/current       {"build": ID or null}: system; null is the build before the current one

    POST wants `Content-Type: application/json` and `Authorization: Bearer TOKEN`; the file `tokens` has them.
    """
    app[PROJECT] = project
    app[SWITCHBOARD] = switchboard
    app[MARKS] = _Marks(app[SERVICE].state)
    router = Routes(app)
    router.add_get(BASE, _about)
    router.add_get(f"{BASE}/machines", _machines)
    router.add_get(f"{BASE}/machines/{{name}}", _machine)
    router.add_get(f"{BASE}/machines/{{name}}/power", _power)
    router.add_get(f"{BASE}/machines/{{name}}/console", _console)
    router.add_get(f"{BASE}/boots", _boots)
    router.add_get(f"{BASE}/boots/{{id:[0-9]{{1,15}}}}", _boot)
    router.add_post(f"{BASE}/boots/{{id:[0-9]{{1,15}}}}/home", _home)
    router.add_get(f"{BASE}/builds", _builds)
    router.add_get(f"{BASE}/events", _events)
    router.add_post(f"{BASE}/machines/{{name}}/choose", allowed(_choose))
    router.add_post(f"{BASE}/machines/{{name}}/power", allowed(_switch))
    router.add_post(f"{BASE}/systems/{{name}}/current", allowed(_select))


class _Marks:
    """The mark of the state; all who wait for another one ask the database together."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen = (0.0, "")

    def now(self) -> str:
        """Return the mark as it was a moment ago at most."""
        at, mark = self._seen
        now = time.monotonic()
        if not mark or now - at >= _PAUSE / 2:
            mark = self._state.mark()
            self._seen = (now, mark)
        return mark


# --- shapes ---------------------------------------------------------------------------------------------------


def machine_data(service: BootService, name: str) -> Json:
    """Return a machine.

    {"name", "arch", "firmware", "macs": [text], "system_mac", "address", "system_address",
     "power": kind of control, "phone_home": bool, "system": what system.yaml says, "pinned": build id or null,
     "next": {"system", "build": id or null if there is none,
              "source": "once" | "choice" | "pinned" | "description"},
     "last_boot": boot or null}
    """
    machine = service.machines[name]
    system, wanted, source = service.wanted(name)
    build = service.build(system, wanted)
    last = service.state.boots(machine=name, limit=1)
    return {
        "name": name,
        "arch": machine.arch,
        "firmware": machine.firmware,
        "macs": list(machine.macs),
        "system_mac": machine.system_mac,
        "address": machine.address,
        "system_address": machine.system_address,
        "power": machine.power.kind,
        "phone_home": machine.phone_home,
        "system": machine.system,
        "pinned": machine.build,
        "next": {"system": system, "build": build.id if build else None, "source": source},
        "last_boot": boot_data(last[0]) if last else None,
    }


def boot_data(boot: BootRecord) -> Json:
    """Return a boot.

    {"id", "machine", "mac", "address", "system", "build", "began", "changed",
     "outcome": "booting" | "served" | "up" | "passed" | "failed" | "abandoned",
     "stages": [{"name", "began", "ended" or null, "after": seconds from the boot's beginning, "seconds" or null,
                 "bytes" or null, "detail"}] in the order of time; names are those of `state.Stage`,
     "checks": [{"name", "passed", "elapsed", "detail"}]}
    """
    return {
        "id": boot.id,
        "machine": boot.machine,
        "mac": boot.mac,
        "address": boot.address,
        "system": boot.system,
        "build": boot.build,
        "began": boot.began,
        "changed": boot.changed,
        "outcome": boot.outcome,
        "stages": [
            {
                "name": stage.name,
                "began": stage.began,
                "ended": stage.ended,
                "after": round(stage.began - boot.began, 4),
                "seconds": None if stage.ended is None else round(stage.ended - stage.began, 4),
                "bytes": stage.size,
                "detail": stage.detail,
            }
            for stage in boot.stages
        ],
        "checks": [asdict(check) for check in boot.checks],
    }


def system_data(service: BootService, target: str) -> Json:
    """Return a system with its builds, the newest first.

    {"name", "current": build id or null,
     "builds": [{"id", "made", "arch", "current": bool, "files": [{"name", "kind", "size", "sha256"}]}]}
    """
    current = service.builds.current(target)
    return {
        "name": target,
        "current": current.id if current else None,
        "builds": [_build_data(build, current) for build in service.builds.of(target)],
    }


def _build_data(build: Build, current: Build | None) -> Json:
    return {
        "id": build.id,
        "made": build.made,
        "arch": build.arch,
        "current": current is not None and build.id == current.id,
        "files": [asdict(file) for file in build.files],
    }


# --- reading --------------------------------------------------------------------------------------------------


def _answer(data: Json, status: int = 200) -> web.Response:
    return web.json_response(data, status=status, headers={hdrs.CACHE_CONTROL: "no-store"})


def _named(request: web.Request) -> str:
    name = request.match_info["name"]
    if name not in request.app[SERVICE].machines:
        raise UserError("unknown-machine", "there is no such machine")
    return name


def _number(request: web.Request, name: str, default: int | None) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise UserError("bad-value", f"{name}: expected a number")
    return int(text)


async def _about(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    name = request.app[PROJECT].folder.name
    return _answer({"version": __version__, "project": name, "machines": len(service.machines)})


async def _machines(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    return _answer({"machines": [machine_data(service, name) for name in service.machines]})


async def _machine(request: web.Request) -> web.Response:
    return _answer(machine_data(request.app[SERVICE], _named(request)))


async def _power(request: web.Request) -> web.Response:
    name = _named(request)
    power = await request.app[SWITCHBOARD].seen(name)
    return _answer({"machine": name, "power": power})


async def _console(request: web.Request) -> web.Response:
    name = _named(request)
    offset = _number(request, "offset", 0) or 0
    path = state_folder.machine(request.app[PROJECT], name) / "console.log"
    size, data = await asyncio.to_thread(_piece, path, offset)
    text = data.decode(errors="replace")
    return _answer({"machine": name, "offset": offset, "next": offset + len(data), "size": size, "text": text})


def _piece(path: Path, offset: int) -> tuple[int, bytes]:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(min(offset, size))
            return size, file.read(_PIECE)
    except OSError:
        return 0, b""


async def _boots(request: web.Request) -> web.Response:
    limit = min(_number(request, "limit", 50) or 1, MOST_BOOTS)
    machine = request.query.get("machine")
    found = request.app[SERVICE].state.boots(machine=machine, limit=limit, before=_number(request, "before", None))
    return _answer({"boots": [boot_data(boot) for boot in found]})


async def _boot(request: web.Request) -> web.Response:
    boot = request.app[SERVICE].state.boot(int(request.match_info["id"]))
    if boot is None:
        raise UserError("unknown-boot", "there is no such boot")
    return _answer(boot_data(boot))


async def _builds(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    return _answer({"systems": [system_data(service, target) for target in service.builds.targets()]})


async def _events(request: web.Request) -> web.Response:
    state = request.app[SERVICE].state
    after, wait = _number(request, "after", 0) or 0, _number(request, "wait", 0) or 0
    deadline = time.monotonic() + min(wait, LONGEST_WAIT)
    known = request.query.get("mark")
    marks = request.app[MARKS]
    while (mark := marks.now()) == known and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_PAUSE)  # another process may have written it: nothing here could be told
    return _answer({"events": [asdict(each) for each in state.told(after=after)], "mark": mark})


# --- changing -------------------------------------------------------------------------------------------------

Handler = Callable[[web.Request], Awaitable[web.Response]]


def allowed(handler: Handler) -> Handler:
    """Let only those do something who have a token."""

    async def checked(request: web.Request) -> web.Response:
        word, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if word.lower() != "bearer" or not _good(given.strip(), state_folder.tokens(request.app[PROJECT])):
            return web.json_response(
                {
                    "error": "no-permission",
                    "message": "this needs a token",
                    "hint": "See the server's first lines.",
                },
                status=web.HTTPUnauthorized.status_code,
                headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
            )
        return await handler(request)

    return checked


def _good(given: str, path: Path) -> bool:
    """Compare with every token, in the same time whichever it is."""
    found = False
    for token in read_tokens(path):
        found |= hmac.compare_digest(token.encode(), given.encode(errors="replace"))
    return found


def read_tokens(path: Path) -> tuple[str, ...]:
    """Return the tokens of a file: one to a line, after `#` a note."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    words = (line.partition("#")[0].strip() for line in lines)
    return tuple(word for word in words if _TOKEN.fullmatch(word))


def ensure_token(path: Path) -> bool:
    """Make a file with a first token if there is none; whether it was made. Raises `UserError` cannot-write."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError("cannot-write", f"cannot be written: {error.strerror}", where=Where(path=path)) from error
    with os.fdopen(handle, "w") as file:
        file.write(f"{secrets.token_urlsafe(24)}  # made by `rootstream serve`\n")
    return True


async def _body(request: web.Request, *allowed: str) -> Json:
    if request.content_type != "application/json":
        raise UserError("bad-value", "expected JSON", hint="Send `Content-Type: application/json`.")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UserError("bad-value", "JSON must be UTF-8")
    try:
        data = json.loads(await requests.body(request, requests.MOST))
    except (ValueError, RecursionError) as error:
        raise UserError("bad-value", "the body is not JSON") from error
    if not isinstance(data, dict) or not data.keys() <= set(allowed):
        raise UserError("bad-value", f"expected an object with these keys: {', '.join(allowed)}")
    return data


def _text(data: Json, name: str) -> str | None:
    value = data.get(name)
    if value is not None and not (isinstance(value, str) and len(value) <= 200):  # noqa: PLR2004
        raise UserError("bad-value", f"{name}: expected text")
    return value


async def _choose(request: web.Request) -> web.Response:
    service, name = request.app[SERVICE], _named(request)
    data = await _body(request, "system", "build", "once")
    once = data.get("once", False)
    if not isinstance(once, bool):
        raise UserError("bad-value", "once: expected true or false")
    service.choose(name, system=_text(data, "system"), build=_text(data, "build"), once=once)
    return _answer(machine_data(service, name))


async def _switch(request: web.Request) -> web.Response:
    service, name = request.app[SERVICE], _named(request)
    said = _text(await _body(request, "action"), "action")
    action = ACTIONS.get(said or "")
    if action is None:
        raise UserError("bad-value", f"action: expected one of {', '.join(ACTIONS)}")
    switchboard = request.app[SWITCHBOARD]
    boot = switchboard.begin(name) if action != "off" else None
    try:
        await switchboard.switched(name, action)
    except UserError:
        if boot is not None:
            service.state.update(boot, outcome="failed")
        raise
    service.state.tell("power", f"{name} was switched {action}", machine=name)
    return _answer({"machine": name, "boot": boot})


async def _select(request: web.Request) -> web.Response:
    service, target = request.app[SERVICE], request.match_info["name"]
    if target not in service.builds.targets():
        raise UserError("unknown-system", "there is no build of this system")
    wanted = _text(await _body(request, "build"), "build")
    # a build that is being kept holds the store
    build = await asyncio.to_thread(service.builds.select, target, wanted)
    service.state.tell("build", f"{target}: build {build.id} is what machines boot from now on")
    return _answer(system_data(service, target))


async def _home(request: web.Request) -> web.Response:
    body = await requests.body(request, phone_home.MOST)
    report, number = phone_home.understood(body), int(request.match_info["id"])
    boot = request.app[SERVICE].up(number, report, request.remote or "")
    if boot is None:
        raise web.HTTPForbidden(text="this is not signed with the token of a boot in progress\n")
    return _answer({"machine": boot.machine, "boot": boot.id})
