"""Boots a system from each of its images, runs its checks, measures, and writes down what happened."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rootstream import events
from rootstream.architectures import Architecture
from rootstream.boot import accel
from rootstream.boot.checks import runner
from rootstream.boot.checks.runner import STARTS, Result
from rootstream.boot.junit import Suite, junit
from rootstream.boot.machine import prepare, run_host, start
from rootstream.boot.qemu import Accelerator, Forward
from rootstream.boot.together import RunningBoot, Turns, at_once
from rootstream.description.checks import Check
from rootstream.description.machine import BootImage, Machine, patience
from rootstream.errors import Interrupted, UserError

_END_LINES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds from QEMU's start to what the console showed; None for what it didn't show.

    `init_kernel` is the kernel's own clock at the start of init, which leaves out firmware and boot loader; `up`
    is what `up_after` says.
    """

    kernel: float | None
    init: float | None
    init_kernel: float | None
    login: float | None
    up: float | None


def up_after(*, login: float | None, init: float | None, begun: float, results: Sequence[Result]) -> float | None:
    """Return when a system was up, in seconds from QEMU's start; None if it never was.

    That is when its console first asked for a login; where it never does, when its first check passed; and without
    any checks, when init was started. A system that did not let a check in is not up. `begun` is when the first
    check began.
    """
    if any(result.logs_in and not result.passed for result in results):
        return None
    if login is not None:
        return login
    ended = begun
    for result in results:
        ended += result.elapsed
        if result.passed:
            return init if result.name == STARTS and init is not None else ended
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot: `started` in UTC (ISO 8601), `elapsed` in seconds, `console` the end of the log.

    `fault` is what kept the machine from starting at all; None for one that ran.
    """

    kind: str
    accelerator: Accelerator | None
    started: str
    elapsed: float
    times: Times
    results: tuple[Result, ...]
    log: Path
    console: str
    paste: str
    fault: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the machine started and every check passed."""
        return self.fault is None and all(result.passed for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All boots of a system, and where they are written down."""

    system: str
    arch: Architecture
    boots: tuple[Boot, ...]
    junit: Path
    summary: Path

    @property
    def passed(self) -> bool:
        """Whether every check of every boot passed."""
        return all(boot.passed for boot in self.boots)


def verify(
    system: str,
    *,
    arch: Architecture,
    machine: Machine,
    images: Sequence[BootImage],
    wanted: Sequence[Check],
    folder: Path,
    report: events.Reporter = events.ignore,
    env: Mapping[str, str] = os.environ,
) -> Verdict:
    """Boot each image, run the checks on it, and return the verdict; as many go on at once as the host can take.

    Writes into `folder`: `console-LABEL.log` for each boot, `junit.xml` and `boot.json`; those of an earlier run
    are gone. What the guest does wrong is in the verdict; `UserError` is raised for what keeps QEMU from starting
    (see `machine.prepare`, `machine.start`, `accel.choose`), after what was found with the images before it, and
    this, was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report_file, summary_file = folder / "junit.xml", folder / "boot.json"
    report_file.unlink(missing_ok=True)
    summary_file.unlink(missing_ok=True)
    boots: list[Boot] = []
    stopped: UserError | None = None
    accelerator: Accelerator | None = None
    try:
        accelerator = accel.choose(machine, arch, report=report, env=env)
        jobs = [
            _Job(
                arch=arch,
                machine=machine,
                image=image,
                wanted=tuple(wanted),
                log=folder / f"console-{image.label}.log",
                forwards=runner.forwards(wanted),
            )
            for image in images
        ]
        for boot in _boots(system, jobs, accelerator, report=report, env=env):
            boots.append(boot)  # noqa: PERF402  (those before one that fails are kept)
    except Interrupted:
        raise
    except UserError as error:
        stopped = error
        boots.append(_not_started(images[len(boots)], folder, accelerator, error))
    verdict = Verdict(
        system=system,
        arch=arch,
        boots=tuple(boots),
        junit=report_file,
        summary=summary_file,
    )
    _write(verdict.junit, junit([_suite(verdict, boot) for boot in boots]))
    _write(verdict.summary, json.dumps(summary(verdict), indent=2).encode() + b"\n")
    if stopped is not None:
        raise stopped
    return verdict


def summary(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as data for JSON."""
    return {
        "system": verdict.system,
        "arch": verdict.arch,
        "passed": verdict.passed,
        "boots": [
            {
                "kind": boot.kind,
                "passed": boot.passed,
                "fault": boot.fault,
                "accelerator": boot.accelerator,
                "started": boot.started,
                "elapsed": round(boot.elapsed, 3),
                "times": {name: _rounded(value) for name, value in asdict(boot.times).items()},
                "checks": [
                    {
                        "name": result.name,
                        "passed": result.passed,
                        "elapsed": round(result.elapsed, 3),
                        "detail": result.detail,
                    }
                    for result in boot.results
                ],
                "console": boot.log.name,
                "qemu": boot.paste,
            }
            for boot in verdict.boots
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    arch: Architecture
    machine: Machine
    image: BootImage
    wanted: tuple[Check, ...]
    log: Path
    forwards: tuple[Forward, ...]


def _boots(
    system: str, jobs: Sequence[_Job], accelerator: Accelerator, *, report: events.Reporter, env: Mapping[str, str]
) -> Iterator[Boot]:
    """Boot several times at once; give the boots in their order. All end with the first that cannot start."""
    if not jobs:
        return
    running, turns = RunningBoot(), Turns(report, len(jobs))

    def one(number: int, job: _Job) -> Boot:
        told = turns.of(number)
        try:
            told(events.Step(name="boot", text=f"Booting {system} from {job.image.label}"))
            return _boot(job, accelerator, running, report=told, env=env)
        finally:
            turns.end(number)

    with ThreadPoolExecutor(at_once(jobs[0].machine, len(jobs))) as pool:
        try:
            for future in [pool.submit(one, number, job) for number, job in enumerate(jobs)]:
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            turns.close()
            running.end()


def _boot(
    job: _Job, accelerator: Accelerator, running: RunningBoot, *, report: events.Reporter, env: Mapping[str, str]
) -> Boot:
    begun = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    host = run_host(accelerator, forwards=job.forwards)
    with (
        prepare(job.machine, job.image, arch=job.arch, host=host) as prepared,
        start(prepared, log=job.log, report=report, env=env) as guest,
    ):
        running.add(guest)
        kvm = accelerator == "kvm"
        deadline = guest.console.started + patience(job.machine, "timeout", kvm=kvm)
        before = time.monotonic() - guest.console.started
        results = runner.run(job.wanted, guest, deadline=deadline, kvm=kvm, image=job.image.label, report=report)
        transcript = guest.console.transcript
    return Boot(
        kind=job.image.label,
        accelerator=accelerator,
        started=started,
        elapsed=time.monotonic() - begun,
        times=Times(
            kernel=transcript.marks.get("kernel"),
            init=transcript.marks.get("init"),
            init_kernel=transcript.init_stamp,
            login=transcript.marks.get("login"),
            up=up_after(
                login=transcript.marks.get("login"),
                init=transcript.marks.get("init"),
                begun=before,
                results=results,
            ),
        ),
        results=results,
        log=job.log,
        console=transcript.last_lines(_END_LINES),
        paste=guest.paste,
    )


def _not_started(image: BootImage, folder: Path, accelerator: Accelerator | None, error: UserError) -> Boot:
    """Return the boot of a machine that did not start at all."""
    return Boot(
        kind=image.label,
        accelerator=accelerator,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        elapsed=0.0,
        times=Times(kernel=None, init=None, init_kernel=None, login=None, up=None),
        results=(),
        log=folder / f"console-{image.label}.log",
        console="",
        paste="",
        fault=str(error),
    )


def _suite(verdict: Verdict, boot: Boot) -> Suite:
    times = {f"time.{name}": f"{value:.3f}" for name, value in asdict(boot.times).items() if value is not None}
    return Suite(
        name=f"{verdict.system}.{boot.kind}",
        elapsed=boot.elapsed,
        timestamp=boot.started.removesuffix("+00:00"),
        properties={"arch": verdict.arch, "accelerator": boot.accelerator or "", "qemu": boot.paste, **times},
        results=boot.results,
        console=boot.console,
        fault=boot.fault,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _write(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one whole."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
