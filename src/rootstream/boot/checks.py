"""Runs the checks of a system on a running machine, in order, each with its deadline; each has a result."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rootstream import events
from rootstream.boot import network
from rootstream.boot.login_shell import Late, Refused, Session
from rootstream.boot.machine import Guest
from rootstream.boot.network import Answer
from rootstream.boot.qemu import Forward
from rootstream.boot.transcript import LOGIN_PROMPT
from rootstream.description.machine import (
    Check,
    CommandCheck,
    ConsoleCheck,
    HttpCheck,
    LoginCheck,
    PortCheck,
    PoweroffCheck,
    patience,
)
from rootstream.errors import UserError

STARTS = "starts"
_DETAIL = 4000
_OUTPUT = 1000
_STARTED = re.compile(rf"Run /\S+ as init process|{LOGIN_PROMPT.pattern}", re.MULTILINE | re.IGNORECASE)
_SETTLED = 1.0  # an init that dies takes the kernel with it, within moments
_SETTLING = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a check ended: `elapsed` in seconds; `detail` says what was seen, and why it failed.

    `logs_in` is whether it needed a login on the console.
    """

    name: str
    passed: bool
    elapsed: float
    detail: str
    logs_in: bool = False


def name_of(check: Check) -> str:
    """Return the name of a check for reports."""
    match check:
        case ConsoleCheck():
            name = f"console: {check.console}"
        case LoginCheck():
            name = f"login: {check.login.user}{' is refused' if check.login.refused else ''}"
        case CommandCheck():
            name = f"command: {check.command}"
        case PortCheck():
            name = f"port: {check.port}"
        case HttpCheck():
            name = f"http: {check.http.path} on {check.http.port}"
        case PoweroffCheck():
            name = f"poweroff: {check.poweroff}"
    return check.name or name


def forwards(checks: Sequence[Check]) -> tuple[Forward, ...]:
    """Return the forwarded ports that the checks need, each on any free port of this host."""
    ports = {check.port for check in checks if isinstance(check, PortCheck)}
    ports |= {check.http.port for check in checks if isinstance(check, HttpCheck)}
    return tuple(Forward(host=0, guest=port) for port in sorted(ports))


def run(
    checks: Sequence[Check],
    guest: Guest,
    *,
    deadline: float,
    kvm: bool = True,
    image: str | None = None,
    report: events.Reporter = events.ignore,
) -> tuple[Result, ...]:
    """Run the checks and return a result for each; without any, the one that the machine starts.

    `deadline` on `time.monotonic` is that of all together; without `kvm`, checks that nobody gave a time have
    longer (see `machine.patience`). A failed check doesn't stop the others, but once the machine is dead the rest
    fail at once with the reason.
    """
    runner = _Runner(guest, deadline, kvm=kvm)
    results = []
    for check in checks or (None,):
        result = runner.result(check)
        report(
            events.Checked(
                machine=guest.name,
                image=image,
                name=result.name,
                passed=result.passed,
                elapsed=result.elapsed,
                detail=result.detail,
            )
        )
        results.append(result)
    return tuple(results)


class _Runner:
    """What the checks of one machine share: its session, and what it died of."""

    def __init__(self, guest: Guest, deadline: float, *, kvm: bool) -> None:
        self._guest = guest
        self._kvm = kvm
        self._console = guest.console
        self._session = Session(guest.console)
        self._deadline = deadline
        self._dead: UserError | None = None

    def result(self, check: Check | None) -> Result:
        """Do one check; None is the one that the machine starts. Never raises for what the guest does."""
        before = time.monotonic()
        limit = self._deadline
        if check is not None:
            limit = min(before + patience(check, "within", kvm=self._kvm), self._deadline)
        answer = self._answer(check, limit)
        if not answer.good and self._dead is None and time.monotonic() >= self._deadline:
            answer = Answer(good=False, detail=f"{answer.detail} (the time for the whole boot is over)")
        return Result(
            name=STARTS if check is None else name_of(check),
            passed=answer.good,
            elapsed=time.monotonic() - before,
            detail=answer.detail[-_DETAIL:],
            logs_in=isinstance(check, LoginCheck | CommandCheck | PoweroffCheck),
        )

    def _answer(self, check: Check | None, limit: float) -> Answer:
        if self._dead is not None and not isinstance(check, ConsoleCheck):
            return Answer(good=False, detail=f"not possible: {self._dead.message}")
        try:
            return self._do(check, limit)
        except (Refused, Late) as error:
            return Answer(good=False, detail=str(error))
        except UserError as error:
            if self._dead is not None:
                return Answer(good=False, detail=f"not shown, and {self._dead.message}")
            self._dead = error
            return Answer(good=False, detail=str(error))

    def _do(self, check: Check | None, limit: float) -> Answer:  # noqa: PLR0911  (a table)
        match check:
            case None:
                return self._starts(limit)
            case ConsoleCheck():
                return self._text(check, limit)
            case LoginCheck():
                return self._login(check, limit)
            case CommandCheck():
                return self._command(check, limit)
            case PortCheck():
                return self._without_network(check.port) or network.port(self._guest, check.port, deadline=limit)
            case HttpCheck():
                missing = self._without_network(check.http.port)
                return missing or network.http_answer(self._guest, check.http, deadline=limit)
            case PoweroffCheck():
                return self._poweroff(check, limit)

    def _starts(self, limit: float) -> Answer:
        found = self._console.wait(_STARTED, start=0, deadline=limit)
        if found is None:
            return Answer(good=False, detail="neither init nor a login prompt was reached")
        self._console.wait_quiet(quiet=_SETTLED, deadline=min(limit, time.monotonic() + _SETTLING))
        return Answer(good=True, detail=f"reached: {found.text.strip()}")

    def _text(self, check: ConsoleCheck, limit: float) -> Answer:
        pattern = re.compile(check.console if check.regex else re.escape(check.console), re.MULTILINE)
        found = self._console.wait(pattern, start=0, deadline=limit)
        if found is None:
            return Answer(good=False, detail=f"the console did not show {check.console!r}")
        return Answer(good=True, detail=found.text)

    def _login(self, check: LoginCheck, limit: float) -> Answer:
        wanted = check.login
        try:
            self._session.login(wanted.user, wanted.password, deadline=limit)
        except Refused as error:
            return Answer(good=wanted.refused, detail=str(error))
        detail = f"{wanted.user} logged in"
        return Answer(good=not wanted.refused, detail=f"{detail}, but must not" if wanted.refused else detail)

    def _command(self, check: CommandCheck, limit: float) -> Answer:
        self._session.ensure(deadline=limit)
        ran = self._session.run(check.command, deadline=limit)
        shown = ran.output[-_OUTPUT:].strip()
        if ran.status != check.exit:
            return Answer(good=False, detail=f"exit status {ran.status}, not {check.exit}: {shown}")
        if check.output is not None and not re.search(check.output, ran.output, re.MULTILINE):
            return Answer(good=False, detail=f"the output doesn't match {check.output!r}: {shown}")
        return Answer(good=True, detail=shown)

    def _without_network(self, port: int) -> Answer | None:
        if network.reachable(self._guest, port):
            return None
        return Answer(good=False, detail=f"port {port} can't be reached: the machine has no network card")

    def _poweroff(self, check: PoweroffCheck, limit: float) -> Answer:
        self._session.ensure(deadline=limit)
        self._session.type(check.poweroff)
        if not self._console.wait_end(limit):
            return Answer(
                good=False,
                detail="the machine is still on; a kernel without ACPI or such can only halt or restart itself",
            )
        self._dead = self._console.fault()
        good = self._guest.status() == 0
        return Answer(good=good, detail=self._dead.message if self._dead else "")
