"""Switches machines on and off: by commands, IPMI, Redfish, or as virtual machines of this host."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rootstream import events
from rootstream.description.machines import NetMachine
from rootstream.errors import UserError
from rootstream.netboot import boot_override
from rootstream.netboot.power.base import Action, PowerContext, PowerState, driver, held, is_on, virtual_driver
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.project.project import Project

_FRESH = 2.0  # seconds for which an answer of a machine's power control is as good as a new one
_AT_ONCE = 16


def switch(
    project: Project, name: str, machine: NetMachine, action: Action, *, env: Mapping[str, str] = os.environ
) -> None:
    """Switch a machine that is no virtual one; before it goes on it is told to boot from the network, if it can.

    Raises `UserError` no-power-control, power-failed, program-missing, process-timeout.
    """
    context = PowerContext(name=name, machine=machine, project=project, env=env)
    driver(machine.power).switch(machine.power, context, action)


def state(project: Project, name: str, machine: NetMachine, *, env: Mapping[str, str] = os.environ) -> PowerState:
    """Return whether a machine is on, as far as that can be known. Raises as `switch` does."""
    context = PowerContext(name=name, machine=machine, project=project, env=env)
    return driver(machine.power).state(machine.power, context)


@dataclass(slots=True)
class _Running:
    thread: threading.Thread
    stop: threading.Event
    ready: threading.Event = field(default_factory=threading.Event)
    error: UserError | None = None


class Switchboard:
    """Switches machines for the server, which owns the virtual ones that it switched on.

    It has threads of its own: a BMC that does not answer keeps nobody waiting but who asks for it.
    """

    def __init__(self, project: Project, service: BootService, *, env: Mapping[str, str] = os.environ) -> None:
        self._project = project
        self._service = service
        self._env = env
        self._running: dict[str, _Running] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._asked: dict[str, tuple[float, asyncio.Future[PowerState]]] = {}
        self._switching, self._asking = (
            ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=name) for name in ("switching", "asking")
        )

    async def switched(self, name: str, action: Action) -> None:
        """Do what `switch` does, in a thread."""
        await asyncio.get_running_loop().run_in_executor(self._switching, self.switch, name, action)
        self._asked.pop(name, None)

    async def seen(self, name: str) -> PowerState:
        """Return what `state` does; who asks meanwhile, or just after, gets the same answer."""
        loop = asyncio.get_running_loop()
        at, asked = self._asked.get(name, (0.0, None))
        if asked is None or (asked.done() and loop.time() - at > _FRESH):
            asked = loop.run_in_executor(self._asking, self.state, name)
            asked.add_done_callback(_looked_at)
            self._asked[name] = (loop.time(), asked)
        return await asyncio.shield(asked)

    def switch(self, name: str, action: Action) -> None:
        """Switch a machine; blocks until that is done. Raises as `switch` of this module, unknown-machine."""
        machine = self._service.machines.get(name)
        if machine is None:
            raise UserError("unknown-machine", f"there is no machine {name!r}")
        with self._locks[name]:
            if not machine.power.virtual:
                switch(self._project, name, machine, action, env=self._env)
            else:
                if action in ("off", "cycle"):
                    self._off(name)
                if action in ("on", "cycle"):
                    self._on(name, machine)

    def begin(self, name: str) -> int:
        """Note that a boot begins because the machine is switched on; return its number."""
        machine = self._service.machines[name]
        return self._service.state.begin(name, machine.macs[0], stage="power-on")

    def state(self, name: str) -> PowerState:
        """Return whether a machine is on. Raises as `state` of this module."""
        running = self._running.get(name)
        if running is not None and running.thread.is_alive():
            return "on"
        return state(self._project, name, self._service.machines[name], env=self._env)

    def close(self) -> None:
        """Switch off all virtual machines that were switched on here."""
        for name in list(self._running):
            with self._locks[name]:
                self._off(name)
        for pool in (self._switching, self._asking):
            pool.shutdown(wait=False, cancel_futures=True)

    def _off(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            running.stop.set()
            running.thread.join()
        elif is_on(self._project, name):
            hint = "It is switched off when the `rootstream boot` that started it ends."
            raise UserError("machine-runs", f"{name} is on, but was not switched on from here", hint=hint)

    def _on(self, name: str, machine: NetMachine) -> None:
        before = self._running.get(name)
        if before is not None and before.thread.is_alive():
            return
        stop = threading.Event()
        running = _Running(stop=stop, thread=threading.Thread(target=lambda: None))
        running.thread = threading.Thread(
            target=self._attend, args=(name, machine, running), name=f"machine {name}", daemon=True
        )
        self._running[name] = running
        running.thread.start()
        running.ready.wait()
        if running.error is not None:
            raise running.error

    def _attend(self, name: str, machine: NetMachine, running: _Running) -> None:
        """Keep a virtual machine on until it is to go off, or ends by itself."""
        log = state_folder.machine(self._project, name) / "console.log"
        context = PowerContext(name=name, machine=machine, project=self._project, env=self._env)
        try:
            with (
                held(self._project, name),
                virtual_driver(machine.power).started(
                    machine.power,
                    context,
                    ramdisk=boot_override.ramdisk(self._service, name),
                    log=log,
                    report=events.ignore,
                    reboot=True,
                ) as guest,
            ):
                running.ready.set()
                while not running.stop.wait(0.2) and not guest.console.ended:
                    pass
        except UserError as error:
            running.error = error
        finally:
            running.ready.set()


def _looked_at(asked: asyncio.Future[PowerState]) -> None:
    """Take note of an error that nobody may be waiting for any more."""
    if not asked.cancelled():
        asked.exception()
