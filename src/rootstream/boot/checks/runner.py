"""Runs the checks of a system on a running machine, in order, each with its deadline; each has a result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from rootstream import events
from rootstream.boot import network
from rootstream.boot.checks import starts
from rootstream.boot.checks.base import CheckContext, CheckRun
from rootstream.boot.login_shell import Late, Refused, Session
from rootstream.boot.machine import Guest
from rootstream.boot.network import Answer
from rootstream.boot.qemu import Forward
from rootstream.description import kinds
from rootstream.description.checks import Check
from rootstream.description.machine import patience
from rootstream.errors import UserError

STARTS = "starts"
_DETAIL = 4000


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
    return check.name or check.title


def forwards(checks: Sequence[Check]) -> tuple[Forward, ...]:
    """Return the forwarded ports that the checks need, each on any free port of this host."""
    ports = {port for check in checks for port in check.ports}
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
    """Makes the checks of one machine."""

    def __init__(self, guest: Guest, deadline: float, *, kvm: bool) -> None:
        self._context = CheckContext(guest=guest, session=Session(guest.console))
        self._kvm = kvm
        self._deadline = deadline

    def result(self, check: Check | None) -> Result:
        """Do one check; None is the one that the machine starts. Never raises for what the guest does."""
        before = time.monotonic()
        limit = self._deadline
        if check is not None:
            limit = min(before + patience(check, "within", kvm=self._kvm), self._deadline)
        answer = self._answer(check, limit)
        if not answer.good and self._context.dead is None and time.monotonic() >= self._deadline:
            answer = Answer(good=False, detail=f"{answer.detail} (the time limit for the whole boot is over)")
        return Result(
            name=STARTS if check is None else name_of(check),
            passed=answer.good,
            elapsed=time.monotonic() - before,
            detail=answer.detail[-_DETAIL:],
            logs_in=check is not None and check.logs_in,
        )

    def _answer(self, check: Check | None, limit: float) -> Answer:
        context = self._context
        if context.dead is not None and not (check is not None and check.works_after_end):
            return Answer(good=False, detail=f"not possible: {context.dead.message}")
        try:
            return self._do(check, limit)
        except (Refused, Late) as error:
            return Answer(good=False, detail=str(error))
        except UserError as error:
            if context.dead is not None:
                return Answer(good=False, detail=f"not shown, and {context.dead.message}")
            context.dead = error
            return Answer(good=False, detail=str(error))

    def _do(self, check: Check | None, limit: float) -> Answer:
        if check is None:
            return starts.run(None, self._context, limit=limit)
        for port in check.ports:
            if not network.reachable(self._context.guest, port):
                message = f"port {port} can't be reached: the machine has no network card"
                return Answer(good=False, detail=message)
        name = check.runner or f"rootstream.boot.checks.{check.kind}"
        run = cast("CheckRun", kinds.module(check, name, "run").run)
        return run(check, self._context, limit=limit)
