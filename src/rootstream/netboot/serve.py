"""`rootstream serve`: DHCP and TFTP by dnsmasq, HTTP by aiohttp, on the named interface, until told to end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from rootstream import events
from rootstream.description.load import load
from rootstream.description.machines import commands_of
from rootstream.description.model import Description
from rootstream.errors import UserError
from rootstream.netboot import ipxe, page, running
from rootstream.netboot.dhcp import daemon, dnsmasq, interface
from rootstream.netboot.dhcp.advertise import Advertiser
from rootstream.netboot.dhcp.dnsmasq import Mode
from rootstream.netboot.dhcp.interface import Link
from rootstream.netboot.http import api, listening, log
from rootstream.netboot.http.site import CONNECTIONS, LIMITS, Routes, application
from rootstream.netboot.power.control import Switchboard
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Builds
from rootstream.netboot.store.record import adopt
from rootstream.netboot.store.state import State
from rootstream.project.project import Project

PORT = 8080
_LOOK = 1.0  # seconds between two looks at the interface and at system.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What the command line asks for."""

    interface: str
    address: str | None = None
    mode: Mode = "full"
    port: int = PORT
    ipxe: Path | None = None


class Server:
    """The boot server of a project, once. Make it, `await run()`."""

    def __init__(
        self, project: Project, wish: ServeOptions, report: events.Reporter, *, env: Mapping[str, str] = os.environ
    ) -> None:
        self._project = project
        self._wish = wish
        self._report = report
        self._env = env
        self._ended = asyncio.Event()
        self._read = 0
        self._told = ""
        self._text = ""
        self._commands = ""

    async def run(self) -> None:
        """Serve until `end` is called or the process is told to end.

        Raises `UserError` for what keeps it from starting; what goes wrong later is told, and fixed if possible.
        """
        wish = self._wish
        link = interface.look(wish.interface, wish.address)
        locks = _runtime_base(self._env) / f"rootstream-{os.getuid()}-serving"
        with interface.reserved(link, locks), contextlib.ExitStack() as stack:
            description = self._description()
            state_folder.made(self._project)
            state_folder.tell_former(self._project, self._report)
            builds = Builds(state_folder.builds(self._project), state_folder.content(self._project))
            adopt(self._project, description, builds, self._report)
            state = State(state_folder.state(self._project))
            stack.callback(state.close)
            service = BootService(description, builds, state, self._report)
            found = ipxe.programs(wish.ipxe)
            self._warn(description, found)
            runtime = daemon.prepare(_runtime(self._project, wish.interface, self._env), found)
            own = daemon.Daemon(runtime, service.heard, self._report, env=self._env)
            connections = listening.Connections(listening.allow_files())
            app = application(service, found, connections)
            switchboard = Switchboard(self._project, service)
            api.add(app, self._project, switchboard)
            page.add(app)
            Routes(app).close()
            if api.ensure_token(state_folder.tokens(self._project)):
                text = f"changes through the HTTP API need the token in {state_folder.tokens(self._project)}"
                self._report(events.Notice(level="info", text=text))
            stack.callback(log.tell_to(service.told_by_anybody, asyncio.get_running_loop()))
            runner = web.AppRunner(
                app, access_log=None, keepalive_timeout=listening.IDLE, shutdown_timeout=2.0, **LIMITS
            )
            await runner.setup()
            try:
                await self._serve(link, service, own, runner)
            finally:
                await asyncio.to_thread(switchboard.close)
                await own.stop()
                runtime.clear()
                await runner.cleanup()

    def end(self) -> None:
        """Have `run` return."""
        self._ended.set()

    async def _serve(self, link: Link, service: BootService, own: daemon.Daemon, runner: web.AppRunner) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
                loop.add_signal_handler(number, self._ended.set)
        opened = await self._open(link, service, own, runner)
        where = _url(link, self._wish)
        count = len(service.machines)
        machines = f"{count} machine{'' if count == 1 else 's'}"
        self._report(events.Notice(level="info", text=f"serving {machines} on {link.name}, {where}"))
        now: Link | None = link
        note = running.RunningServer(interface=link.name, url=where, pid=os.getpid())
        with running.noted(self._project, note):
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _LOOK)
                try:
                    now = await self._follow(now, service, own, runner, opened)
                    if now is not None:
                        now = await self._renew(now, service, own, opened)
                except OSError as error:  # no descriptor is left, no memory
                    self._once(f"{link.name} cannot be checked: {error.strerror}; serving continues")
        await opened.close()

    async def _open(self, link: Link, service: BootService, own: daemon.Daemon, runner: web.AppRunner) -> _Opened:
        """Listen, and start dnsmasq."""
        if runner.server is None:
            raise RuntimeError("the runner is not set up")
        hosts = dnsmasq.hosts(service.description.machines, link)
        opened = _Opened(doors=[], advertisers=[])
        try:
            listeners = interface.listeners(link, self._wish.port)
            connections = runner.app[CONNECTIONS]
            opened.doors.append(listening.Door(runner.server, listeners, connections, service.told_of_load))
            self._text = self._configuration(link, service.description)
            await own.start(self._text, hosts)
            opened.advertisers.append(Advertiser(link.name, lambda mac: service.known(mac) is not None))
        except BaseException:
            await opened.close()
            raise
        return opened

    async def _follow(
        self,
        before: Link | None,
        service: BootService,
        own: daemon.Daemon,
        runner: web.AppRunner,
        opened: _Opened,
    ) -> Link | None:
        """Look at the interface: without it nothing is served, with it again all is."""
        try:
            link = interface.look(self._wish.interface, self._wish.address)
        except UserError as error:
            if before is not None:
                text = f"{error.message}: serving is paused until it is back"
                self._report(events.Notice(level="warning", text=text))
                await own.stop()
                await opened.close()
            return None
        if link == before:
            return link
        await own.stop()
        await opened.close()
        try:
            again = await self._open(link, service, own, runner)
        except UserError as error:
            self._once(f"{link.name} cannot be served yet: {error.message}")
            return None
        opened.doors.extend(again.doors)
        opened.advertisers.extend(again.advertisers)
        self._report(events.Notice(level="info", text=f"{link.name} is served again, {_url(link, self._wish)}"))
        return link

    async def _renew(self, link: Link, service: BootService, own: daemon.Daemon, opened: _Opened) -> Link | None:
        """Take a system.yaml that changed; one with mistakes is told, and the old one goes on.

        Returns the link, or None if it is not served any more and is to be opened again.
        """
        try:
            if self._project.description.stat().st_mtime_ns == self._read:
                return link
            description = self._description()
            hosts = dnsmasq.hosts(description.machines, link)
            text = self._configuration(link, description)
        except (UserError, OSError) as error:
            if isinstance(error, OSError):
                self._read = 0  # it was not read
            self._once(f"{self._project.description.name} is not used: {error}")
            return link
        try:
            if text != self._text:
                await own.stop()
                await own.start(text, hosts)
                self._text = text
            else:
                own.hosts(hosts)
        except (UserError, OSError) as error:
            self._once(f"{self._project.description.name} is not used: {error}")
            await own.stop()
            await opened.close()
            return None
        service.description = description
        self._report(events.Notice(level="info", text=f"{self._project.description.name} was reloaded"))
        self._tell_commands(description)
        return link

    def _configuration(self, link: Link, description: Description) -> str:
        files = daemon.Runtime(folder=_runtime(self._project, self._wish.interface, self._env)).files()
        return dnsmasq.configuration(link, self._wish.port, description.serve, files, mode=self._wish.mode)

    def _description(self) -> Description:
        self._read = self._project.description.stat().st_mtime_ns
        return load(self._project.description)

    def _warn(self, description: Description, programs: Mapping[str, Path]) -> None:
        """Tell which machines have a firmware that finds no iPXE here."""
        for name, machines in ipxe.lacking(description.machines, programs).items():
            text = f"{', '.join(machines)}: there is no {name}, which firmware without its own iPXE needs"
            self._report(events.Notice(level="warning", text=text))
        self._tell_commands(description)

    def _tell_commands(self, description: Description) -> None:
        text = commands_of(description.machines)
        if text and text != self._commands:
            self._report(events.Notice(level="warning", text=text))
        self._commands = text

    def _once(self, text: str) -> None:
        if text != self._told:
            self._report(events.Notice(level="warning", text=text))
        self._told = text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """What listens on the interface."""

    doors: list[listening.Door]
    advertisers: list[Advertiser]

    async def close(self) -> None:
        for door in self.doors:
            await door.close()
        for advertiser in self.advertisers:
            advertiser.close()
        self.doors.clear()
        self.advertisers.clear()


def _url(link: Link, wish: ServeOptions) -> str:
    return f"http://{link.address}:{wish.port}"


def _runtime(project: Project, name: str, env: Mapping[str, str]) -> Path:
    """Return the folder for dnsmasq: not in the project, whose folder dnsmasq's user may not be able to enter."""
    mark = hashlib.sha256(f"{project.folder}\0{name}".encode()).hexdigest()[:12]
    return _runtime_base(env) / f"rootstream-{os.getuid()}-{mark}"


def _runtime_base(env: Mapping[str, str]) -> Path:
    places = (env.get("RUNTIME_DIRECTORY", "").partition(":")[0], "/run", env.get("XDG_RUNTIME_DIR", ""))
    return Path(next((each for each in places if each and os.access(each, os.W_OK)), tempfile.gettempdir()))
