"""`rootstream boot`: switches a machine on, follows it from DHCP to its last check, and writes that down."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rootstream import events
from rootstream.boot import accel
from rootstream.boot.checks import runner
from rootstream.boot.checks.runner import Result
from rootstream.boot.junit import Suite, junit
from rootstream.boot.machine import Guest
from rootstream.description.checks import Check
from rootstream.description.machine import Machine, patience
from rootstream.description.machines import NetMachine, Ssh
from rootstream.description.model import Described, Description
from rootstream.description.validation_messages import nearest
from rootstream.errors import UserError, Where
from rootstream.netboot import boot_override, running, ssh
from rootstream.netboot.line import opened
from rootstream.netboot.power import control
from rootstream.netboot.power.base import PowerContext, held, is_on, virtual_driver
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.state import BootRecord, CheckResult, State, Timed
from rootstream.project.lock import write_atomically
from rootstream.project.project import Project

_PAUSE = 0.2
_END_LINES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NetbootVerdict:
    """A boot of a machine: `elapsed` in seconds; without checks `results` is empty."""

    machine: str
    boot: BootRecord
    results: tuple[Result, ...]
    elapsed: float
    log: Path
    junit: Path | None
    fault: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the machine booted and every check passed."""
        return self.fault is None and all(result.passed for result in self.results)


def find(description: Description, name: str, project: Project) -> NetMachine:
    """Return a machine by its name. Raises `UserError` unknown-machine."""
    machine = description.machines.get(name)
    if machine is None:
        names = tuple(description.machines)
        raise UserError(
            "unknown-machine",
            f"no machine {name!r}{nearest(name, names)}",
            where=Where(path=project.description),
            hint=f"Machines: {', '.join(names)}." if names else "Add them to `machines:` in system.yaml.",
        )
    return machine


def boot(
    project: Project,
    description: Description,
    name: str,
    *,
    verify: bool,
    report: events.Reporter,
    env: Mapping[str, str] = os.environ,
) -> NetbootVerdict:
    """Switch a machine on (off before, if it is on) and follow its boot; with `verify` run its system's checks.

    A server must run for the project. Raises `UserError` unknown-machine, no-server, and those of `power`.
    """
    machine = find(description, name, project)
    bridge = machine.power.interface
    running.server(project, bridge)
    state_folder.made(project)
    state = State(state_folder.state(project))
    try:
        job = _Job(project, description, name, machine, state, report, env)
        return job.run(verify=verify)
    finally:
        state.close()


class _Job:
    """One boot of one machine."""

    def __init__(
        self,
        project: Project,
        description: Description,
        name: str,
        machine: NetMachine,
        state: State,
        report: events.Reporter,
        env: Mapping[str, str],
    ) -> None:
        self._project = project
        self._description = description
        self._name = name
        self._machine = machine
        self._state = state
        self._service = BootService(description, boot_override.builds(project), state, events.ignore)
        self._report = report
        self._env = env
        self._folder = state_folder.machine(project, name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = self._folder / "console.log"
        self._kvm = True
        if machine.power.virtual:
            self._kvm = accel.choose(Machine(), machine.arch, env=env) == "kvm"
        self._patience = patience(machine, "timeout", kvm=self._kvm)

    def run(self, *, verify: bool) -> NetbootVerdict:
        """Boot, while nobody else boots the machine; a virtual one that the server runs is switched off first."""
        power = self._machine.power
        if power.virtual and is_on(self._project, self._name):
            running.switch(self._project, self._name, "off", interface=power.interface)
        with held(self._project, self._name):
            return self._run(verify=verify)

    def _run(self, *, verify: bool) -> NetbootVerdict:
        begun = time.monotonic()
        deadline = begun + self._patience
        started = datetime.now(UTC).isoformat(timespec="seconds")
        number = self._state.begin(self._name, self._machine.macs[0], stage="power-on")
        results: tuple[Result, ...] = ()
        fault: UserError | None = None
        console = ""
        try:
            with self._switched_on(number) as guest:
                if verify:
                    results, console = self._check(number, guest, deadline)
                else:
                    self._follow(number, guest, deadline)
        except UserError as error:
            if error.reason == "interrupted":
                raise
            fault = error
        boot = self._end(number, results, fault)
        verdict = NetbootVerdict(
            machine=self._name,
            boot=boot,
            results=results,
            elapsed=time.monotonic() - begun,
            log=self._log,
            junit=self._folder / "junit.xml" if verify else None,
            fault=str(fault) if fault else None,
        )
        if verify:
            self._write(verdict, started, console)
        if fault is not None:
            raise fault
        return verdict

    def _with_console(self, guest: Guest | None) -> Guest:
        if guest is None:
            message = f"{self._name} has no console to run its checks on"
            raise UserError("no-console", message, hint="Add `console_command:` or `ssh:` to it.")
        return guest

    @contextlib.contextmanager
    def _switched_on(self, number: int) -> Iterator[Guest | None]:
        """Switch the machine on and give its console, if it has one; a virtual machine is off after the block."""
        power = self._machine.power
        if power.virtual:
            with virtual_driver(power).started(
                power,
                PowerContext(name=self._name, machine=self._machine, project=self._project, env=self._env),
                ramdisk=boot_override.ramdisk(self._service, self._name),
                log=self._log,
                report=self._report,
            ) as guest:
                self._state.stage(number, "power-on", ended=time.time())
                yield guest
            return
        with self._by_command() as guest_or_none:
            if power.by_hand:
                text = f"{self._name} cannot be switched on from here: switch it on now"
                self._report(events.Notice(level="info", text=text))
            else:
                control.switch(self._project, self._name, self._machine, "cycle", env=self._env)
                self._state.stage(number, "power-on", ended=time.time())
            yield guest_or_none

    @contextlib.contextmanager
    def _by_command(self) -> Iterator[Guest | None]:
        """Open the console that a command gives."""
        argv = self._machine.console_command
        if argv is None:
            yield None
            return
        address = self._machine.system_address or self._machine.address
        with opened(
            argv, name=self._name, address=address, log=self._log, report=self._report, env=self._env
        ) as guest:
            yield guest

    def _follow(self, number: int, guest: Guest | None, deadline: float) -> None:
        """Wait until the machine has all that it boots, and has reported if it is to."""
        goal = ("up", "passed", "failed") if self._machine.phone_home else ("served", "up")
        told: set[str] = set()
        while True:
            boot = self._boot(number)
            for stage in boot.stages:
                if stage.ended is not None and stage.name not in told:
                    told.add(stage.name)
                    self._report(events.Notice(level="info", text=line(boot, stage)))
            if guest is not None:
                guest.console.check()
            if boot.outcome in goal:
                return
            if time.monotonic() >= deadline:
                raise self._late(boot)
            time.sleep(_PAUSE)

    def _late(self, boot: BootRecord) -> UserError:
        names = [stage.name for stage in boot.stages]
        reached = names[-1] if names else "nothing"
        hint = None
        if names == ["power-on"]:
            hint = "It made no request: does it boot from the network, and is `rootstream serve` running?"
        limit = f"{self._patience:g} seconds"
        return UserError(
            "boot-timeout", f"{self._name} did not boot within {limit}; it reached {reached}", hint=hint
        )

    def _check(self, number: int, guest: Guest | None, deadline: float) -> tuple[tuple[Result, ...], str]:
        """Run the checks of the system that the machine was given; return them and the end of what was printed."""
        if self._machine.ssh is None:
            self._with_console(guest)
        boot = self._boot(number)
        while boot.outcome == "booting":
            if guest is not None:
                guest.console.check()
            if time.monotonic() >= deadline:
                raise self._late(boot)
            time.sleep(_PAUSE)
            boot = self._boot(number)
        wanted: tuple[Check, ...] = self._described(boot.system).system.checks
        if not self._machine.power.virtual:
            # whether another machine is off is not seen on its console
            wanted = tuple(each for each in wanted if not each.needs_virtual)
        began = time.time()
        if self._machine.ssh is not None:
            results, console = self._over_ssh(self._machine.ssh, boot, wanted, deadline)
        else:
            found = self._with_console(guest)
            results = runner.run(wanted, found, deadline=deadline, kvm=self._kvm, report=self._report)
            console = found.console.transcript.last_lines(_END_LINES)
        self._state.stage(number, "checks", began=began, ended=time.time())
        return results, console

    def _over_ssh(
        self, words: Ssh, boot: BootRecord, wanted: tuple[Check, ...], deadline: float
    ) -> tuple[tuple[Result, ...], str]:
        """Make the checks that a shell is enough for; that one can log in is the first."""
        possible = tuple(each for each in wanted if not each.needs_console)
        others = [runner.name_of(each) for each in wanted if each not in possible]
        if others:
            text = f"{self._name}: not checked over SSH: {', '.join(others)}"
            self._report(events.Notice(level="warning", text=text))
        address = self._machine.system_address or self._machine.address or boot.address
        before = time.monotonic()
        with ssh.connected(
            words,
            address,
            self._project.folder,
            name=self._name,
            log=self._folder / "ssh.log",
            deadline=deadline,
            report=self._report,
            env=self._env,
        ) as shell:
            first = Result(
                name=f"ssh: {words.user}",
                passed=True,
                elapsed=time.monotonic() - before,
                detail=f"logged in at {address}",
            )
            self._report(
                events.Checked(
                    machine=self._name,
                    name=first.name,
                    passed=first.passed,
                    elapsed=first.elapsed,
                    detail=first.detail,
                )
            )
            more: tuple[Result, ...] = ()
            if possible:
                more = runner.run(possible, shell, deadline=deadline, kvm=self._kvm, report=self._report)
            return (first, *more), shell.console.transcript.last_lines(_END_LINES)

    def _described(self, target: str) -> Described:
        found = next((each for each in self._description.systems if each.target == target), None)
        if found is None:
            raise UserError("unknown-system", f"{self._name} boots {target}, which is not in the project")
        return found

    def _boot(self, number: int) -> BootRecord:
        found = self._state.boot(number)
        if found is None:
            raise UserError("state-broken", f"the boot {number} is no longer in the database")
        return found

    def _end(self, number: int, results: tuple[Result, ...], fault: UserError | None) -> BootRecord:
        self._state.checked(
            number,
            tuple(
                CheckResult(name=each.name, passed=each.passed, elapsed=each.elapsed, detail=each.detail)
                for each in results
            ),
        )
        outcome: Literal["passed", "failed"] | None = None
        if fault is not None:
            outcome = "failed"
        elif results:
            outcome = "passed" if all(each.passed for each in results) else "failed"
        if outcome:
            self._state.update(number, outcome=outcome)
            self._state.tell(outcome, f"{self._name}: the boot {outcome}", machine=self._name)
        return self._boot(number)

    def _write(self, verdict: NetbootVerdict, started: str, console: str) -> None:
        boot = verdict.boot
        times = {f"time.{each.name}": f"{(each.ended or each.began) - boot.began:.3f}" for each in boot.stages}
        suite = Suite(
            name=f"{self._name}.netboot",
            elapsed=verdict.elapsed,
            timestamp=started.removesuffix("+00:00"),
            properties={"system": boot.system, "build": boot.build, "firmware": self._machine.firmware, **times},
            results=verdict.results,
            console=console,
            fault=verdict.fault,
        )
        write_atomically(self._folder / "junit.xml", junit([suite]))
        data = {
            "machine": self._name,
            "passed": verdict.passed,
            "fault": verdict.fault,
            "elapsed": round(verdict.elapsed, 3),
            "boot": asdict(boot),
        }
        write_atomically(self._folder / "boot.json", (json.dumps(data, indent=2) + "\n").encode())


def line(boot: BootRecord, stage: Timed) -> str:
    """Return a line for people on a stage of a boot."""
    after = stage.began - boot.began
    took = "" if stage.ended is None else f", took {stage.ended - stage.began:.2f} s"
    size = "" if stage.size is None else f", {stage.size / 1e6:.2f} MB"
    return f"{stage.name:<12} after {after:6.2f} s{took}{size}{f' ({stage.detail})' if stage.detail else ''}"


def summary(verdict: NetbootVerdict) -> tuple[str, ...]:
    """Return a verdict as lines for people."""
    boot = verdict.boot
    failed = [result for result in verdict.results if not result.passed]
    count = (
        f": {len(verdict.results) - len(failed)} of {len(verdict.results)} checks passed"
        if verdict.results
        else ""
    )
    word = "ok" if verdict.passed else "FAILED"
    lines = [f"{word:<6} {verdict.machine} boots {boot.system}, build {boot.build}{count}"]
    lines += [f"       {line(boot, stage)}" for stage in boot.stages]
    lines += [f"       {result.name}: {result.detail}" for result in failed]
    if failed:
        lines.append(f"       console: {verdict.log}")
    if verdict.junit is not None:
        lines.append(f"       {verdict.junit}")
    return tuple(lines)
