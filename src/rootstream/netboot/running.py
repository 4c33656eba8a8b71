"""The servers of a project that run, by notes beside its state; a note counts while its server holds it."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rootstream.errors import UserError
from rootstream.netboot.http.api import BASE, read_tokens
from rootstream.netboot.locks import hold, is_held
from rootstream.netboot.store import state_folder
from rootstream.project.project import Project

_PATIENCE = 120.0  # seconds; switching may take that long
_HINT = "Start it with `rootstream serve --interface IF`."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that runs: `url` is the beginning of its addresses."""

    interface: str
    url: str
    pid: int


@contextlib.contextmanager
def noted(project: Project, running: RunningServer) -> Iterator[None]:
    """Say that a server runs, for as long as the block lasts. Raises `UserError` cannot-write."""
    path = state_folder.servers(project) / f"{running.interface}.json"
    with hold(path) as handle:
        if handle is not None:  # None: one of another network namespace has it
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(asdict(running)).encode(), 0)
        yield


def servers(project: Project) -> tuple[RunningServer, ...]:
    """Return the servers that run."""
    found = (_read(path) for path in sorted(state_folder.servers(project).glob("*.json")))
    return tuple(each for each in found if each)


def _read(path: Path) -> RunningServer | None:
    try:
        return RunningServer(**json.loads(path.read_text())) if is_held(path) else None
    except (OSError, ValueError, TypeError):
        return None


def server(project: Project, interface: str | None = None) -> RunningServer:
    """Return the server of an interface, or any. Raises `UserError` no-server."""
    found = servers(project)
    for each in found:
        if interface in (None, each.interface):
            return each
    where = f" on {interface}" if found and interface else ""
    raise UserError("no-server", f"no `rootstream serve` is running for this project{where}", hint=_HINT)


def switch(project: Project, name: str, action: str, *, interface: str | None) -> None:
    """Have the server switch a virtual machine, which it owns. Raises `UserError` as `ask`."""
    ask(project, server(project, interface), f"{BASE}/machines/{name}/power", {"action": action})


def ask(project: Project, which: RunningServer, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401  (JSON)
    """Have a server change something and return its answer. Raises `UserError` no-server, and what it answers."""
    token = next(iter(read_tokens(state_folder.tokens(project))), "")
    request = urllib.request.Request(  # noqa: S310  (the address is that of our own server)
        which.url + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PATIENCE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise _answered(error) from error
    except (OSError, ValueError) as error:
        raise UserError("no-server", f"the server at {which.url} does not respond: {error}", hint=_HINT) from error


def _answered(error: urllib.error.HTTPError) -> UserError:
    try:
        said = json.load(error)
        return UserError(said["error"], said["message"], hint=said.get("hint"))
    except (OSError, ValueError, KeyError, TypeError):
        return UserError("server-failed", f"the server returned HTTP {error.code}")
