"""A boot server without dnsmasq: the real application on the loopback, in a thread, and machines that boot."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.conftest import DERIVED, HELLO
from tests.netboot.browser import Tab

from rootstream import events
from rootstream.description.load import load
from rootstream.netboot import page
from rootstream.netboot.http import api
from rootstream.netboot.http.site import LIMITS, Routes, application
from rootstream.netboot.phone_home import signature
from rootstream.netboot.power.control import Switchboard
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Build, Builds
from rootstream.netboot.store.state import CheckResult, Stage, State
from rootstream.project.project import Project

BOX = "52:54:00:12:34:56"

MACHINES = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 127.0.0.1
    system: hello
    phone_home: true
    power:
      command:
        on: [touch, is-on]
        off: [rm, -f, is-on]
        status: [test, -e, is-on]
  shelf-2:
    macs: ["52:54:00:12:34:57", "52:54:00:12:34:58"]
    system_mac: "52:54:00:12:34:60"
    address: 10.0.2.16
    system: hello
    firmware: uefi
    power: {ipmi: {address: 127.0.0.1, password_file: password}}
  spare:
    macs: ["52:54:00:12:34:59"]
    system: hello@debug
"""


class Site:
    """A project with builds, and its server. `down` and `up` stop the server and start it at the same address."""

    def __init__(self, folder: Path, machines: str = MACHINES) -> None:
        shutil.copytree(HELLO, folder, ignore=DERIVED)
        (folder / "password").write_text("secret\n")
        marks = {"touch, is-on": f"touch, {folder}/is-on", "-f, is-on": f"-f, {folder}/is-on"}
        for before, after in {**marks, "-e, is-on": f"-e, {folder}/is-on"}.items():
            machines = machines.replace(before, after)
        with (folder / "system.yaml").open("a") as out:
            out.write(machines)
        self.folder = folder
        self.project = Project(folder=folder, kind="described")
        self.builds = Builds(state_folder.builds(self.project), state_folder.content(self.project))
        self.state = State(state_folder.state(self.project))
        api.ensure_token(state_folder.tokens(self.project))
        (self.token,) = api.read_tokens(state_folder.tokens(self.project))
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        started, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        assert started.wait(20)

    def down(self) -> None:
        self._ended.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _serve(self, started: threading.Event) -> None:
        state = State(state_folder.state(self.project))
        service = BootService(load(self.project.description), self.builds, state, events.ignore)
        self.app = application(service, {})
        switchboard = Switchboard(self.project, service)
        api.add(self.app, self.project, switchboard)
        page.add(self.app)
        Routes(self.app).close()
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.1, **LIMITS)
        await runner.setup()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        await web.SockSite(runner, listener).start()
        started.set()
        await asyncio.to_thread(self._ended.wait)
        await asyncio.to_thread(switchboard.close)
        await runner.cleanup()
        state.close()

    def end(self) -> None:
        self.down()
        self.state.close()

    # --- what happens on it -----------------------------------------------------------------------------------

    def ask(
        self, path: str, *, body: object = None, head: Mapping[str, str] | None = None, method: str | None = None
    ) -> tuple[int, Message, bytes]:
        """Ask for something; return status, headers and content."""
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        words = {**({"Content-Type": "application/json"} if body is not None else {}), **(head or {})}
        # the address is one of this test's own
        request = urllib.request.Request(self.url + path, data=data, headers=words, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def change(self, path: str, body: object) -> tuple[int, Any]:
        status, _, data = self.ask(
            f"/api/v1{path}", body=body, head={"Authorization": f"Bearer {self.token}"}, method="POST"
        )
        return status, json.loads(data)

    def build(self, text: str, target: str = "hello") -> Build:
        """Keep a build whose files say `text`."""
        out = self.project.out(target)
        out.mkdir(parents=True, exist_ok=True)
        items = []
        for name, kind in (("bzImage", "kernel"), ("initramfs.cpio.xz", "initramfs")):
            data = f"{kind} {text}\n".encode() * (40_000 if kind == "initramfs" else 3000)
            (out / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            items.append({"name": name, "kind": kind, "size": len(data), "sha256": digest})
        (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": items}))
        made = self.builds.record(target, out, args="quiet")
        assert made is not None
        return made

    def boot(self, mac: str = "52-54-00-12-34-56", *, home: bool = True) -> None:
        """Do what a machine does that boots: its script, its files, and the word that it is up."""
        status, _, script = self.ask(f"/machines/{mac}.ipxe?platform=pcbios&chip=virtio-net")
        assert status == 200
        words = script.decode().split()
        for word in words:
            if word.startswith(f"{self.url}/builds/"):
                status, _, _ = self.ask(word.removeprefix(self.url))
                assert status == 200
        if home:
            told = dict(word.split("=", 1) for word in words if word.startswith("rootstream."))
            body = f"up=1.42&sign={signature(told['rootstream.token'], 'up=1.42')}"
            path = told["rootstream.home"].removeprefix(self.url)
            status, _, _ = self.ask(path, body=body, head={"Content-Type": "application/x-www-form-urlencoded"})
            assert status == 200

    def past(self, machine: str, mac: str, build: Build, *, age: float, pace: float = 1, good: bool = True) -> int:
        """Write down a boot of some time ago: as long as one of a real machine, times `pace`."""
        began = time.time() - age
        number = self.state.begin(machine, mac, stage="power-on", at=began)
        spans: tuple[tuple[Stage, float, float, int | None, str], ...] = (
            ("power-on", 0, 0.08, None, ""),
            ("dhcp", 1.1, 1.32, None, ""),
            ("tftp", 1.36, 1.61, 74_000, "undionly.kpxe"),
            ("script", 1.95, 1.97, 620, ""),
            ("kernel", 2.01, 2.19, 3_140_000, ""),
            ("initramfs", 2.2, 2.9, 40_200_000, ""),
            ("system-dhcp", 3.6, 3.71, None, ""),
            ("phone-home", 3.75, 3.75, None, "10.0.2.15"),
            ("checks", 2.95, 5.2, None, ""),
        )
        for name, start, stop, size, detail in spans[: None if good else 6]:
            self.state.stage(
                number, name, began=began + start * pace, ended=began + stop * pace, size=size, detail=detail
            )
        self.state.update(
            number,
            system=build.target,
            build=build.id,
            address="10.0.2.15",
            outcome="passed" if good else "failed",
        )
        checks = [
            ("console: Hello World!", True, ""),
            ("command: uname -m", good, "" if good else "printed: i686"),
        ]
        self.state.checked(
            number, tuple(CheckResult(name=a, passed=b, elapsed=0.4 * pace, detail=c) for a, b, c in checks)
        )
        return number

    def console(self, machine: str, data: bytes, *, new: bool = False) -> None:
        """Write to a machine's console log."""
        place = state_folder.machine(self.project, machine)
        place.mkdir(parents=True, exist_ok=True)
        with (place / "console.log").open("wb" if new else "ab") as out:
            out.write(data)


@contextlib.contextmanager
def site(folder: Path, machines: str = MACHINES) -> Iterator[Site]:
    """Make a site and take it down again."""
    made = Site(folder, machines)
    try:
        yield made
    finally:
        made.end()


def opened(tab: Tab, lab: Site, view: str = "") -> None:
    tab.go(f"{lab.url}/#/{view}")
    tab.shows("live", "#link")


def logged_in(tab: Tab, lab: Site, view: str = "") -> None:
    opened(tab, lab, view)
    tab.click("#login-button")
    tab.type(lab.token)
    tab.key("Enter")
    tab.shows("Log out", "#login-button")
