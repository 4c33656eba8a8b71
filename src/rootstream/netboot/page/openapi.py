"""The API as OpenAPI 3.1, from one table; and what it has beside `netboot.api`: this description, and a login.

Tests hold the table against the routes of the server and against its answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from aiohttp import hdrs, web

from rootstream import __version__
from rootstream.netboot.http.api import ACTIONS, BASE, LONGEST_WAIT, MOST_BOOTS, allowed
from rootstream.netboot.http.site import Routes
from rootstream.netboot.power.base import PowerState
from rootstream.netboot.store.state import STAGES, Outcome

Schema = dict[str, Any]
PATH = f"{BASE}/openapi.json"
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES: Schema = {"type": "boolean"}
TIME: Schema = {"type": "number", "description": "seconds since 1970"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**words: Schema) -> Schema:
    return {"type": "object", "properties": words, "required": list(words), "additionalProperties": False}


def _wish(**words: Schema) -> Schema:
    return {"type": "object", "properties": words, "additionalProperties": False}


SCHEMAS: Schema = {
    "Error": _object(error=TEXT, message=TEXT, hint=_or_null(TEXT)),
    "Machine": _object(
        name=TEXT,
        arch=TEXT,
        firmware={"enum": ["bios", "uefi"]},
        macs=_list(TEXT),
        system_mac=_or_null(TEXT),
        address=_or_null(TEXT),
        system_address=_or_null(TEXT),
        power={"enum": ["none", "command", "qemu", "ipmi", "redfish"]},
        phone_home=YES,
        system={**TEXT, "description": "what system.yaml describes"},
        pinned=_or_null(TEXT),
        next=_object(
            system=TEXT,
            build=_or_null(TEXT),
            source={"enum": ["once", "choice", "pinned", "description"]},
        ),
        last_boot=_or_null(_ref("Boot")),
    ),
    "Boot": _object(
        id=COUNT,
        machine=TEXT,
        mac=TEXT,
        address=TEXT,
        system={**TEXT, "description": "empty until the machine has its script"},
        build=TEXT,
        began=TIME,
        changed=TIME,
        outcome={"enum": list(get_args(Outcome))},
        stages=_list(_ref("Stage")),
        checks=_list(_ref("Check")),
    ),
    "Stage": _object(
        name={"enum": list(STAGES)},
        began=TIME,
        ended=_or_null(TIME),
        after={**NUMBER, "description": "seconds from the beginning of the boot"},
        seconds=_or_null(NUMBER),
        bytes=_or_null(COUNT),
        detail=TEXT,
    ),
    "Check": _object(name=TEXT, passed=YES, elapsed={**NUMBER, "description": "seconds"}, detail=TEXT),
    "System": _object(name=TEXT, current=_or_null(TEXT), builds=_list(_ref("Build"))),
    "Build": _object(id=TEXT, made=TIME, arch=TEXT, current=YES, files=_list(_ref("File"))),
    "File": _object(
        name=TEXT,
        kind={"enum": ["kernel", "initramfs", "capsule", "uki"]},
        size=COUNT,
        sha256={**TEXT, "pattern": "^[0-9a-f]{64}$"},
    ),
    "Event": _object(id=COUNT, at=TIME, machine={**TEXT, "description": "or empty"}, kind=TEXT, text=TEXT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be asked: `query` are parameters with their schemas, `body` makes it one that changes something.

    `faults` are the answers, beside 200, that it may give.
    """

    path: str
    summary: str
    answer: Schema
    query: tuple[tuple[str, Schema, str], ...] = ()
    body: Schema | None = None
    form: str = "application/json"
    token: bool = False
    faults: tuple[int, ...] = ()

    @property
    def method(self) -> str:
        """Return the method: what takes a body changes something."""
        return "post" if self.body is not None else "get"


OPERATIONS = (
    Operation(
        path="",
        summary="The server and its project",
        answer=_object(version=TEXT, project=TEXT, machines=COUNT),
    ),
    Operation(path="/machines", summary="All machines", answer=_object(machines=_list(_ref("Machine")))),
    Operation(path="/machines/{name}", summary="A machine", answer=_ref("Machine"), faults=(404,)),
    Operation(
        path="/machines/{name}/power",
        summary="Whether a machine is on; may take seconds",
        answer=_object(machine=TEXT, power={"enum": list(get_args(PowerState))}),
        faults=(400, 404),
    ),
    Operation(
        path="/machines/{name}/console",
        summary="A part of a machine's console log",
        answer=_object(machine=TEXT, offset=COUNT, next=COUNT, size=COUNT, text=TEXT),
        query=(("offset", COUNT, "where in the log it begins, in bytes"),),
        faults=(400, 404),
    ),
    Operation(
        path="/boots",
        summary="The last boots, the newest first",
        answer=_object(boots=_list(_ref("Boot"))),
        query=(
            ("machine", TEXT, "only those of this machine"),
            ("limit", {**COUNT, "default": 50}, f"how many, at most {MOST_BOOTS}"),
            ("before", COUNT, "only those before this one"),
        ),
        faults=(400,),
    ),
    Operation(path="/boots/{id}", summary="A boot", answer=_ref("Boot"), faults=(404,)),
    Operation(
        path="/builds",
        summary="The systems and their builds, the newest first",
        answer=_object(systems=_list(_ref("System"))),
    ),
    Operation(
        path="/events",
        summary="Events; optionally waits for a new one",
        answer=_object(events=_list(_ref("Event")), mark=TEXT),
        query=(
            ("after", COUNT, "only events after this one"),
            ("mark", TEXT, "the mark of the last response"),
            ("wait", COUNT, f"seconds to wait while the mark is still that one, at most {LONGEST_WAIT:g}"),
        ),
        faults=(400,),
    ),
    Operation(path="/openapi.json", summary="This description", answer={"type": "object"}),
    Operation(
        path="/login",
        summary="Whether a token allows changes",
        answer=_object(allowed={"const": True}),
        body=_wish(),
        token=True,
    ),
    Operation(
        path="/machines/{name}/choose",
        summary="Set what a machine boots; without system and build, what system.yaml describes",
        answer=_ref("Machine"),
        body=_wish(system=_or_null(TEXT), build=_or_null(TEXT), once=YES),
        token=True,
        faults=(400, 404),
    ),
    Operation(
        path="/machines/{name}/power",
        summary="Switch a machine",
        answer=_object(machine=TEXT, boot=_or_null(COUNT)),
        body={**_wish(action={"enum": list(ACTIONS)}), "required": ["action"]},
        token=True,
        faults=(400, 404),
    ),
    Operation(
        path="/systems/{name}/current",
        summary="Make a build current; null selects the one before the current build",
        answer=_ref("System"),
        body=_wish(build=_or_null(TEXT)),
        token=True,
        faults=(400, 404),
    ),
    Operation(
        path="/boots/{id}/home",
        summary="A booted system reports the seconds since its kernel started, signed with the token of its boot: "
        "SHA-256 of the token and of the SHA-256 of the token and the text `up=SECONDS`, in hexadecimal",
        answer=_object(machine=TEXT, boot=COUNT),
        body=_object(up={"type": "number"}, sign={**TEXT, "pattern": "^[0-9a-f]{64}$"}),
        form="application/x-www-form-urlencoded",
        faults=(403,),
    ),
)
_FAULTS = {
    400: "the request is invalid",
    401: "this needs a token",
    403: "the token or the signature is invalid",
    404: "not found",
    408: "the body did not arrive in time",
    413: "the body is too large, or none is accepted",
    415: "the body is compressed",
    421: "the server does not have the name in `Host`",
    503: "the state cannot be read or written, or the server is busy",
}
_ANYWHERE = (413, 415, 421, 503)
_KINDS = {
    **dict.fromkeys((403, 408, 413, 415), ("text/plain",)),
    503: ("application/json", "text/plain"),
}
_IDS = {"id": COUNT}


def document() -> Schema:
    """Return the API as an OpenAPI document."""
    paths: Schema = {}
    for each in OPERATIONS:
        paths.setdefault(BASE + each.path, {})[each.method] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rootstream's boot server",
            "version": __version__,
            "description": "Reading needs no login. Changes need a token from the file `tokens`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(each: Operation) -> Schema:
    named = [word[1:-1] for word in each.path.split("/") if word.startswith("{")]
    inside = [{"name": name, "in": "path", "required": True, "schema": _IDS.get(name, TEXT)} for name in named]
    asked = [
        {"name": name, "in": "query", "schema": schema, "description": text} for name, schema, text in each.query
    ]
    codes = sorted({*each.faults, *_ANYWHERE, *([401] if each.token else []), *([408] if each.body else [])})
    made: Schema = {
        "operationId": "_".join([each.method, *(word.strip("{}") for word in each.path.split("/") if word)]),
        "summary": each.summary,
        "responses": {
            "200": {"description": "as asked", "content": {"application/json": {"schema": each.answer}}},
            **{str(code): _fault(code) for code in codes},
        },
        "security": [{"token": []}] if each.token else [],
    }
    if inside or asked:
        made["parameters"] = [*inside, *asked]
    if each.body:
        made["requestBody"] = {"required": True, "content": {each.form: {"schema": each.body}}}
    return made


def _fault(code: int) -> Schema:
    schemas = {"text/plain": TEXT, "application/json": _ref("Error")}
    kinds = _KINDS.get(code, ("application/json",))
    return {"description": _FAULTS[code], "content": {kind: {"schema": schemas[kind]} for kind in kinds}}


def add(app: web.Application) -> None:
    """Add the description and the login to the API."""
    routes = Routes(app)
    routes.add_get(PATH, _document)
    routes.add_post(f"{BASE}/login", allowed(_login))


async def _document(_: web.Request) -> web.Response:
    return web.json_response(document(), headers={hdrs.CACHE_CONTROL: "no-cache"})


async def _login(_: web.Request) -> web.Response:
    return web.json_response({"allowed": True}, headers={hdrs.CACHE_CONTROL: "no-store"})
