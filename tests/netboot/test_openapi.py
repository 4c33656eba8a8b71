"""The description of the API, held against the routes of the server and against what it really answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tests.netboot.pagesite import Site

from rootstream.netboot.http.api import BASE
from rootstream.netboot.page.openapi import OPERATIONS, document


def test_it_is_openapi() -> None:
    validate(document())


def test_it_is_served(lab: Site) -> None:
    status, head, body = lab.ask(f"{BASE}/openapi.json")
    assert (status, head["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == document()


def test_it_has_every_route(lab: Site) -> None:
    served = set()
    for resource in lab.app.router.resources():
        path = re.sub(r":[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "}", resource.canonical)
        if path.startswith(BASE):
            served |= {(route.method, path) for route in resource if route.method != "HEAD"}
    assert served == {(each.method.upper(), BASE + each.path) for each in OPERATIONS}


def checked(
    lab: Site,
    method: str,
    path: str,
    values: Mapping[str, object] = MappingProxyType({}),
    *,
    query: str = "",
    login: bool = True,
    body: object = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, Any]:
    """Ask, and hold the answer against the description; `values` fill in the path, `more` are headers."""
    words = document()["paths"][BASE + path][method]
    head = {"Authorization": f"Bearer {lab.token}"} if login and words["security"] else {}
    status, headers, data = lab.ask(
        BASE + path.format(**values) + query, body=body, head={**head, **more}, method=method.upper()
    )
    (kind, told), *others = words["responses"][str(status)]["content"].items()
    assert not others
    assert headers["Content-Type"].partition(";")[0] == kind
    if kind != "application/json":
        return status, data.decode()
    answer = json.loads(data)
    schema = {**told["schema"], "components": document()["components"]}
    Draft202012Validator(schema).validate(answer)
    return status, answer


def test_answers_are_as_described(lab: Site) -> None:
    build = lab.build("one")
    lab.past("box", "52:54:00:12:34:56", build, age=60, good=False)
    lab.boot()
    lab.console("box", b"Hello World!\n")
    opened: dict[str, dict[str, object]] = {
        "": {},
        "/machines": {},
        "/machines/{name}": {"name": "box"},
        "/machines/{name}/power": {"name": "box"},
        "/machines/{name}/console": {"name": "box"},
        "/boots": {},
        "/boots/{id}": {"id": 1},
        "/builds": {},
        "/events": {},
        "/openapi.json": {},
    }
    assert set(opened) == {each.path for each in OPERATIONS if each.method == "get"}
    for path, values in opened.items():
        status, answer = checked(lab, "get", path, values)
        assert (status, bool(answer)) == (200, True)
    done: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "/login": ({}, {}),
        "/machines/{name}/choose": ({"name": "box"}, {"system": "hello", "build": build.id, "once": True}),
        "/machines/{name}/power": ({"name": "box"}, {"action": "on"}),
        "/systems/{name}/current": ({"name": "hello"}, {"build": build.id}),
    }
    for path, (values, body) in done.items():
        status, _ = checked(lab, "post", path, values, body=body)
        assert status == 200
        assert checked(lab, "post", path, values, body=body, login=False)[0] == 401
        bodies = document()["paths"][BASE + path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator(bodies).validate(body)


def test_faults_are_as_described(lab: Site) -> None:
    for path in ("/machines/{name}", "/machines/{name}/power", "/machines/{name}/console"):
        assert checked(lab, "get", path, {"name": "nobody"})[0] == 404
    assert checked(lab, "get", "/boots/{id}", {"id": 99})[0] == 404
    for path in ("/machines/{name}/choose", "/machines/{name}/power", "/systems/{name}/current"):
        assert checked(lab, "post", path, {"name": "nobody"}, body={})[0] == 404
    assert checked(lab, "get", "/machines/{name}/console", {"name": "box"}, query="?offset=-1")[0] == 400
    assert checked(lab, "get", "/boots", query="?limit=many")[0] == 400
    assert checked(lab, "get", "/events", query="?after=x")[0] == 400
    assert checked(lab, "post", "/machines/{name}/choose", {"name": "box"}, body={"once": "yes"})[0] == 400
    assert checked(lab, "post", "/machines/{name}/choose", {"name": "box"}, body={"system": "nothing"})[0] == 404
    assert checked(lab, "post", "/machines/{name}/power", {"name": "box"}, body={"action": "explode"})[0] == 400
    assert checked(lab, "post", "/machines/{name}/power", {"name": "spare"}, body={"action": "on"})[0] == 400
    assert checked(lab, "post", "/boots/{id}/home", {"id": 99})[0] == 403


def test_what_is_no_request_for_it_is_as_described(lab: Site) -> None:
    assert checked(lab, "get", "/machines", body={"why": "a body"})[0] == 413
    home = ("post", "/boots/{id}/home", {"id": 1})
    assert checked(lab, *home, body="x" * 100_000)[0] == 413
    assert checked(lab, *home, body="x", more={"Content-Encoding": "gzip"})[0] == 415
    assert checked(lab, *home, body="x", more={"Host": "elsewhere.example"})[0] == 421
