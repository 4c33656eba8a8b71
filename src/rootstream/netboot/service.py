"""What the boot server knows and decides: who a machine is, what it boots, and how far it has come.

Everything it is told comes from the network, where anybody may say anything.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rootstream import events
from rootstream.architectures import ARCHITECTURES, HOST
from rootstream.description.machines import NetMachine
from rootstream.description.model import Description
from rootstream.errors import UserError
from rootstream.netboot import ipxe, phone_home, script
from rootstream.netboot.dhcp.dnsmasq import DhcpMessage, TftpTransfer, VendorClass, complaint, understood
from rootstream.netboot.event_log import Teller
from rootstream.netboot.phone_home import Report
from rootstream.netboot.script import Served
from rootstream.netboot.store.builds import Build, Builds
from rootstream.netboot.store.state import BootRecord, State

SAME_BOOT = 180.0  # seconds from one sign of life of a firmware to the next
POWER_ON = 900.0  # seconds that a firmware may take to its first sign of life
_REMEMBERED = 4096
_MAC = re.compile(r"[0-9a-f]{2}(-[0-9a-f]{2}){5}")
# What the drivers of our own iPXE call themselves: another name is that of an iPXE in the firmware.
OWN = ("undionly", "snponly", "niionly", "snp", "nii", "mnp")
Part = Literal["kernel", "initramfs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """Who asks for a script, as its iPXE says: `chip` is the driver of the card."""

    mac: str
    address: str
    platform: str
    chip: str


class BootService:
    """The state of a boot server; all calls come from one thread."""

    def __init__(
        self,
        description: Description,
        builds: Builds,
        state: State,
        report: events.Reporter,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.description = description
        self.builds = builds
        self.state = state
        self._teller = Teller(state, report, clock)
        self._clock = clock
        self._vendors: OrderedDict[str, str] = OrderedDict()
        self._strangers: OrderedDict[str, float] = OrderedDict()

    @property
    def machines(self) -> Mapping[str, NetMachine]:
        """Return the machines that are served."""
        return self.description.machines

    def known(self, mac: str) -> tuple[str, NetMachine] | None:
        """Return the machine that has a card of that address."""
        mac = mac.lower().replace("-", ":")
        for name, machine in self.machines.items():
            if mac in machine.macs or mac == machine.system_mac:
                return name, machine
        return None

    def told_by_anybody(self, text: str) -> None:
        """Tell what anybody on the network can cause: some of it."""
        self._teller.tell_some("http", text)

    def told_of_load(self, text: str) -> None:
        """Tell that there is more to do than room for it, the same once in a while."""
        self._teller.tell_once(text)

    # --- what a machine boots --------------------------------------------------------------------------------

    def wanted(self, name: str, *, take: bool = False) -> tuple[str, str | None, str]:
        """Return the system of a machine's next boot, its build (None: the current one), and who says so.

        Who: once, choice, pinned or description. With `take` a choice for one boot is used up.
        """
        machine = self.machines[name]
        choice = self.state.take(name) if take else self.state.choice(name)
        if choice is None:
            return machine.system, machine.build, "pinned" if machine.build else "description"
        system = choice.system or machine.system
        build = choice.build or (machine.build if system == machine.system else None)
        return system, build, "once" if choice.once else "choice"

    def build(self, target: str, name: str | None) -> Build | None:
        """Return a build: that one, or the current one of the system."""
        return self.builds.get(target, name) if name else self.builds.current(target)

    def choose(self, name: str, *, system: str | None, build: str | None, once: bool) -> None:
        """Have a machine boot something else. Raises `UserError` unknown-system, unknown-build."""
        target = system or self.machines[name].system
        if system is not None and system not in self.description.names():
            names = ", ".join(self.description.names())
            raise UserError("unknown-system", f"there is no system {system!r}", hint=f"Systems: {names}.")
        if build is not None and self.builds.get(target, build) is None:
            raise UserError("unknown-build", f"there is no build {build!r} of {target}")
        self.state.choose(name, system=system, build=build, once=once)
        what = (
            f"{target}{f', build {build}' if build else ''}" if system or build else "what system.yaml describes"
        )
        self.state.tell("choice", f"{name} boots {what}{' once' if once else ''}", machine=name)

    def script(self, asking: BootRequest, served: Served) -> str | None:
        """Return the script for who asks; None where nothing is to be said to it. Raises what the state raises."""
        if not _MAC.fullmatch(asking.mac):
            return None
        found = self.known(asking.mac)
        if found is None:
            return self._stranger(asking, served)
        name, machine = found
        try:
            return self._recorded(name, machine, asking, served)
        except UserError as error:  # a full disk is no reason not to boot
            self._teller.cannot_note(error)
        return self._unrecorded(name, machine, served)

    def _recorded(self, name: str, machine: NetMachine, asking: BootRequest, served: Served) -> str:
        """Return the script of a machine, and note its boot."""
        boot = self._opened(name, asking)
        own = ipxe.program(machine)
        if machine.ipxe == "own" and own and asking.chip.lower() not in OWN:
            return script.own(served, own)
        now = self._clock()
        if boot.build:  # asks once more: it gets what it got
            build = self.builds.get(boot.system, boot.build)
        else:
            target, wanted, who = self.wanted(name, take=True)
            build = self.build(target, wanted)
            if build is None:
                text = f"there is no build {wanted} of {target}" if wanted else f"{target} is not built yet"
                self._teller.tell("warning", f"{name}: {text}", machine=name)
                return script.wait(text, served)
            self._teller.tell("boot", f"{name} boots {target}, build {build.id} ({who})", machine=name)
        if build is None:
            return script.wait(f"the build {boot.build} of {boot.system} is gone", served)
        words = {"address": asking.address, "system": build.target, "build": build.id}
        if machine.phone_home:
            words["token"] = secrets.token_urlsafe(24)
        self.state.update(boot.id, **words)
        told = phone_home.words(served.base, boot.id, words.get("token", ""))
        text = self._start(name, machine, build, served, boot=boot.id, home=told)
        self.state.stage(boot.id, "script", began=now, ended=self._clock(), size=len(text))
        return text

    def _unrecorded(self, name: str, machine: NetMachine, served: Served) -> str:
        """Return the script of a machine whose boot cannot be noted."""
        try:
            target, wanted, _ = self.wanted(name)
        except UserError:
            target, wanted = machine.system, machine.build
        build = self.build(target, wanted)
        if build is None:
            return script.wait(f"there is no build of {target}", served)
        return self._start(name, machine, build, served, boot=None, home=())

    def _start(
        self,
        name: str,
        machine: NetMachine,
        build: Build,
        served: Served,
        *,
        boot: int | None,
        home: Sequence[str],
    ) -> str:
        console = ARCHITECTURES[machine.arch].board.console
        try:
            args = script.kernel_args(name, machine, build, served, console=console, home=home)
        except UserError as error:
            self._teller.tell("warning", f"{name}: {error.message}", machine=name)
            return script.wait(error.message, served)
        efi = machine.firmware == "uefi"
        made = script.start(name, build, served, args=args, boot=boot, efi=efi)
        if made is None:
            self._teller.tell(
                "warning", f"{name}: build {build.id} of {build.target} contains nothing that it can boot"
            )
            return script.wait(f"build {build.id} of {build.target} contains nothing for this machine", served)
        return made

    def _stranger(self, asking: BootRequest, served: Served) -> str | None:
        now = self._clock()
        if now - self._strangers.get(asking.mac, 0) > SAME_BOOT:
            text = (
                f"request from a machine not in `machines:`:  {asking.mac.replace('-', ':')} at {asking.address}"
            )
            self._teller.tell_some("stranger", text)
        self._strangers[asking.mac] = now
        while len(self._strangers) > _REMEMBERED:
            self._strangers.popitem(last=False)
        serve = self.description.serve
        if serve.unknown == "refuse":
            return script.refusal()
        if serve.unknown == "local":
            return script.local()
        return script.menu(self.builds.targets(), served, timeout=serve.menu_timeout)

    def chosen_from_menu(self, target: str, asking_platform: str, served: Served) -> str | None:
        """Return the script of a system that a person chose from the menu; None where there is no menu."""
        build = self.builds.current(target)
        if self.description.serve.unknown != "menu" or build is None:
            return None
        row = next((row for name, row in ARCHITECTURES.items() if name == build.arch), ARCHITECTURES[HOST])
        try:
            words = script.own_args(build)
        except UserError as error:
            return script.wait(error.message, served)
        if not any(word.startswith("console=") for word in words):
            words += ["console=tty0", f"console={row.board.console}"]
        args = " ".join([*words, "BOOTIF=01-${netX/mac:hexhyp}"])
        made = script.start("this machine", build, served, args=args, boot=None, efi=asking_platform == "efi")
        return made or script.wait(f"{target} contains nothing for this machine", served)

    # --- how far it has come -----------------------------------------------------------------------------------

    def _opened(self, name: str, asking: BootRequest) -> BootRecord:
        """Return the boot that goes on, or a new one."""
        mac = asking.mac.replace("-", ":")
        found = self._going_on(name)
        if found is None:
            number = self.state.begin(name, mac, stage="script")
            found = self.state.boot(number)
            if found is None:
                raise UserError("state-broken", f"the boot {number} of {name} cannot be read back")
        self.state.update(found.id, mac=mac, address=asking.address)
        return found

    def _going_on(self, name: str) -> BootRecord | None:
        found = self.state.current(name)
        if found is None or found.outcome != "booting":
            return None
        only_power = all(stage.name == "power-on" for stage in found.stages)
        limit = POWER_ON if only_power else SAME_BOOT
        return found if self._clock() - found.changed < limit else None

    def heard(self, line: str) -> None:
        """Take a line of dnsmasq's log."""
        told = understood(line)
        with self._teller.noting():
            match told:
                case VendorClass():
                    self._vendors[told.xid] = told.name
                    while len(self._vendors) > _REMEMBERED:
                        self._vendors.popitem(last=False)
                case DhcpMessage():
                    self._spoken(told)
                case TftpTransfer():
                    self._sent(told)
                case None:
                    text = complaint(line)
                    if text:
                        self._teller.tell_some("warning", f"dnsmasq: {text}")

    def _spoken(self, told: DhcpMessage) -> None:
        found = self.known(told.mac)
        if found is None:
            return
        name, machine = found
        vendor = self._vendors.get(told.xid, "")
        firmware = vendor.startswith(("PXEClient", "HTTPClient")) and told.mac in machine.macs
        now = self._clock()
        if firmware and told.verb in ("DHCPDISCOVER", "PXE"):
            boot = self._going_on(name)
            if boot is None:
                self.state.begin(name, told.mac, stage="dhcp", at=now)
            else:
                self.state.stage(boot.id, "dhcp", began=now)
        elif firmware and told.verb == "DHCPACK":
            boot = self._going_on(name)
            if boot is not None:
                self.state.stage(boot.id, "dhcp", ended=now)
                self.state.update(boot.id, address=told.address or "")
        elif not firmware and told.verb in ("DHCPDISCOVER", "DHCPREQUEST", "DHCPACK"):
            current = self.state.current(name)
            # whoever has had the kernel and asks as no firmware does is the system
            started = current is not None and any(stage.name == "kernel" for stage in current.stages)
            if current is not None and started:
                ended = now if told.verb == "DHCPACK" else None
                self.state.stage(current.id, "system-dhcp", began=now, ended=ended)
                if told.verb == "DHCPACK":
                    self.state.update(current.id, address=told.address or "")

    def _sent(self, told: TftpTransfer) -> None:
        boot = self.state.booting_at(told.address)
        if boot is not None and boot == self._going_on(boot.machine):
            now = self._clock()
            began = max((stage.ended or stage.began for stage in boot.stages), default=now)
            self.state.stage(boot.id, "tftp", began=began, ended=now, detail=told.name)

    def sending(self, number: int, address: str, part: Part) -> BootRecord | None:
        """Note that a file is being sent; return its boot, if who asks is the machine that it was begun for."""
        with self._teller.noting():
            boot = self.state.boot(number)
            if boot is not None and boot.outcome == "booting" and boot.address == address:
                self.state.stage(boot.id, part, began=self._clock())
                return boot
        return None

    def sent(self, boot: BootRecord, part: Part, size: int, *, last: bool) -> None:
        """Note that a file was sent whole."""
        with self._teller.noting():
            self.state.stage(boot.id, part, ended=self._clock(), size=size)
            if last:
                self.state.served(boot.id)

    def up(self, number: int, report: Report | None, address: str) -> BootRecord | None:
        """Note that the system of a boot reports to be up; None without its signature, or said before."""
        token = self.state.token(number) if report else ""
        boot = self.state.redeem(number, token) if report and phone_home.signed(report, token) else None
        if report is None or boot is None:
            self._teller.tell_some("warning", f"{address} reports for boot {number} with an invalid signature")
            return None
        now = self._clock()
        said = f"{address}, {report.up:.2f} s after the kernel started"
        self.state.stage(boot.id, "phone-home", began=now, ended=now, detail=said)
        self._teller.tell("up", f"{boot.machine} is up, at {address}", machine=boot.machine)
        return boot
