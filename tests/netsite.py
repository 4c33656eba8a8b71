"""A boot server over loopback, without DHCP: what its tests ask."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from rootstream import events
from rootstream.netboot.http import api
from rootstream.netboot.http.senders import Loop
from rootstream.netboot.http.site import LIMITS, Routes, application
from rootstream.netboot.power.control import Switchboard
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Builds
from rootstream.netboot.store.state import State
from rootstream.project.project import Project
from tests.loading import GOOD, read

MAC = "52-54-00-00-00-01"
KERNEL, RAMDISK = b"kernel" * 1000, b"ramdisk" * 100_000
SYSTEM = "systems:\n" + GOOD.replace("[initramfs]", "[kernel, initramfs]")
MACHINES = """
machines:
  box:
    macs: ["52:54:00:00:00:01"]
    system: good
    kernel_args: name={name} from={server}
    phone_home: true
    power: {command: {on: ["true"], off: ["false"], cycle: ["true"], status: ["true"]}}
"""


class Site:
    """A server on a free port of loopback, and what it works on."""

    def __init__(self, folder: Path, text: str) -> None:
        self.project = Project(folder=folder, kind="described")
        description = read(folder, text)
        self.builds = Builds(state_folder.builds(self.project), state_folder.content(self.project))
        self.state = State(state_folder.state(self.project))
        self.told: list[events.Event] = []
        self.service = BootService(description, self.builds, self.state, self.told.append)
        self.switchboard = Switchboard(self.project, self.service)
        self.port = 0

    def export(self, kernel: bytes = KERNEL, ramdisk: bytes = RAMDISK) -> str:
        out = self.project.out("good")
        out.mkdir(parents=True, exist_ok=True)
        items = []
        for kind, name, data in (("kernel", "bzImage", kernel), ("initramfs", "initramfs.cpio", ramdisk)):
            (out / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            items.append({"name": name, "kind": kind, "size": len(data), "sha256": digest})
        (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": items}))
        build = self.builds.record("good", out, args="quiet")
        assert build
        return build.id

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        app = application(self.service, {})
        api.add(app, self.project, self.switchboard)
        Routes(app).close()
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=1.0, shutdown_timeout=0.5, **LIMITS)
        await runner.setup()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        await web.SockSite(runner, listener).start()
        try:
            yield
        finally:
            await runner.cleanup()
            self.state.close()

    async def raw(self, text: bytes, *, wait: float = 10.0) -> bytes:
        """Send bytes as they are and return all that comes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        try:
            async with asyncio.timeout(wait):
                return await reader.read()
        except (TimeoutError, ConnectionError):
            return b""
        finally:
            writer.close()

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        head: dict[str, str] | None = None,
        body: str = "",
        host: str = "127.0.0.1:8080",
    ) -> tuple[int, dict[str, str], bytes]:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (head or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        answer = await self.raw("\r\n".join([*lines, "", body]).encode())
        top, _, rest = answer.partition(b"\r\n\r\n")
        first, *others = top.decode().split("\r\n")
        named = (line.partition(": ") for line in others)
        return int(first.split()[1]), {name.lower(): value for name, _, value in named}, rest


def run_to_end(work: Coroutine[Any, Any, None]) -> None:
    """Run something in the event loop that the server has."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(work)
