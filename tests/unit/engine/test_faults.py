"""Failed runs as errors: the reason, the place and the next step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from rootstream.engine.faults import ElementError, Outcome, fault
from rootstream.engine.logs import log_end, sandbox_errors
from rootstream.engine.messages import Failure, Reader
from rootstream.errors import UserError

DATA = Path(__file__).parents[1] / "data" / "engine"


def error_of(name: str, *, log: str = "", status: int = 255, counts: Literal["build", ""] = "build") -> UserError:
    reader = Reader(mark="@0123456789ab:", logs=Path("logs"), targets=(), counts=counts)
    for line in (DATA / f"{name}.log").read_text().split("\n"):
        reader.line(line)
    reader.flush()
    return fault(
        Outcome(
            failures=reader.failures,
            log=log,
            core=reader.core_errors,
            closing=reader.closing(),
            status=status,
            casd_died=reader.casd_died,
            messages=Path("all.log"),
            project=None,
            extra=None,
            command="bst build x.bst",
        )
    )


def failed(*failures: Failure, log: str = "", closing: str = "") -> UserError:
    return fault(
        Outcome(
            failures=failures,
            log=log,
            core=(),
            closing=closing,
            status=255,
            casd_died=False,
            messages=Path("all.log"),
            project=None,
            extra=None,
            command="bst build x.bst",
        )
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("failed", "element-failed"),
        ("failed-again", "element-failed"),
        ("lost", "fetch-failed"),
        ("unreachable", "fetch-failed"),
        ("no-reference", "reference-missing"),
        ("no-element", "project-invalid"),
        ("wrong-element", "project-invalid"),
        ("not-built", "artifact-missing"),
        ("casd-killed", "engine-died"),
        ("plugin-bug", "plugin-failed"),
    ],
)
def test_the_reason(name: str, reason: str) -> None:
    assert error_of(name).reason == reason


def test_a_failed_command_shows_its_output_and_no_frame() -> None:
    error = error_of("failed", log=(DATA / "element-failed.txt").read_text())
    assert error.detail is not None
    assert error.detail.split("\n")[-1] == "fatal: no such luck"
    assert len(error.detail.split("\n")) == 20
    assert "exit status 1" in error.message
    assert error.hint is not None
    assert "rootstream shell bad.bst" in error.hint
    assert "logs/tiny/bad/" in error.hint


def test_the_place_of_a_mistake_counts_from_one() -> None:
    where = error_of("wrong-element").where
    assert where is not None
    assert (where.path.name, where.line, where.column) == ("wrong.bst", 2, 19)


def test_a_bst_that_was_killed() -> None:
    assert error_of("build", status=-9).reason == "engine-died"


def unknown(closing: str) -> UserError:
    return failed(closing=closing)


def test_words_that_nobody_knows_keep_a_command_to_paste() -> None:
    error = unknown("Strange\n\n    more")
    assert (error.reason, error.message, error.detail) == ("engine-failed", "Strange", "more")
    assert error.hint is not None
    assert "bst build x.bst" in error.hint
    assert "all.log" in error.hint


def test_a_traceback_of_bst_is_told_by_its_end() -> None:
    text = "Traceback (most recent call last):\n  File x\nValueError: odd"
    assert (unknown(text).message, unknown(text).detail) == ("ValueError: odd", text)


FUSE = (
    "2026-11-21T01:24:42.426+0000 [7502:140666680158784] [runner.cpp:546] [ERROR] "
    "[actionDigest=145f] Error executing command: std::runtime_error exception thrown at [x.cpp:707], errMsg = "
    '"Error staging "b653/748" into "": "std::runtime_error exception thrown at [y.cpp:149], errMsg = '
    '"The FUSE stager child process unexpectedly died with exit code 2"""\n'
)
SPACE = (
    "2026-11-21T01:24:31.783+0000 [29000:140118469192256] [runner.cpp:546] [ERROR] Error executing "
    'command: std::runtime_error exception thrown at [x.cpp:180], errMsg = "Error capturing "a/b" in "c": Out of '
    'space error in `merklize()` for path "a": OutOfSpaceException exception thrown at [y.cpp:5], errMsg = "Blob '
    'size exceeds total storage allocation (314572800 >= 104857600 bytes)""\n'
)


def test_a_full_disk_is_no_fault_of_the_network() -> None:
    failure = Failure(element="base.bst", action="fetch", key="", text="Cache too full", log=None)
    error = failed(failure, log="")
    assert (error.reason, "ROOTSTREAM_CACHE" in (error.hint or "")) == ("cache-full", True)
    assert unknown("Cache too full").reason == "cache-full"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (FUSE, "fuse-missing"),
        (SPACE, "cache-full"),
        ("bwrap: setting up uid map: Permission denied\n", "sandbox-forbidden"),
        ("2026-11-21T01:24:31.783+0000 [1:2] [x.cpp:1] [ERROR] odd\n", "sandbox-failed"),
        ("nothing of the kind\n", "element-failed"),
    ],
)
def test_a_sandbox_that_does_not_work_is_not_the_elements_fault(log: str, reason: str) -> None:
    failure = Failure(
        element="a.bst", action="build", key="", text="buildbox-run failed with returncode 1", log=None
    )
    error = failed(failure, log=log)
    assert error.reason == reason


def test_the_innermost_cause() -> None:
    assert sandbox_errors(FUSE) == ("The FUSE stager child process unexpectedly died with exit code 2",)


def test_the_end_of_a_log_without_its_frame() -> None:
    text = (DATA / "element-failed.txt").read_text()
    status, lines = log_end(text, 3)
    assert status == 1
    assert lines == ("line 29", "line 30", "fatal: no such luck")


def test_an_empty_log() -> None:
    assert log_end("") == (None, ())


@pytest.mark.parametrize(
    ("action", "text", "reason", "hint"),
    [
        (
            "fetch",
            "debian_packages source at base.bst: pool/main/g/gcc_0_amd64.deb is on no mirror",
            "not-on-mirror",
            "rootstream update",
        ),
        (
            "track",
            "debian_packages source at x.bst [line 4 column 2]: not in trixie for amd64: lshww",
            "no-package",
            "suite",
        ),
        (
            "track",
            "x.bst [line 4 column 2]: trixei: no mirror has this suite, or not signed with the archive's key",
            "no-suite",
            "Check its name",
        ),
        (
            "track",
            "debian_source source at x.bst [line 4 column 2]: no mirror has the suite trixei",
            "no-suite",
            "mirrors",
        ),
        (
            "track",
            "debian_packages source at x.bst [line 4 column 2]: the repository own is not signed with its key",
            "repository-unsigned",
            "key",
        ),
        (
            "track",
            "debian_packages source at x.bst [line 4 column 2]: the repository own could not be downloaded",
            "repository-unusable",
            "components",
        ),
        (
            "track",
            "python_wheels source: no wheels for Python 3.13 on x86_64: No matching distribution: six==99",
            "no-wheel",
            "from_source",
        ),
    ],
)
def test_what_a_source_could_not_get_has_its_own_advice(action: str, text: str, reason: str, hint: str) -> None:
    failure = Failure(element="base.bst", action=action, key="", text=text, log=None)
    error = failed(failure)
    assert error.reason == reason
    assert error.hint
    assert hint in error.hint


UNCONFIGURED = """\
Setting up wide (1) ...
/var/lib/dpkg/info/wide.postinst: 3: addgroup: not found
dpkg: error processing package wide (--configure):
 installed wide package post-installation script subprocess returned error exit status 127
Errors were encountered while processing:
 wide
Command 'sh -c' failed with exitcode 1
"""


def test_a_package_that_cannot_be_configured_is_named() -> None:
    failure = Failure(element="debian-1-configured.bst", action="build", key="", text="Command failed", log=None)
    error = failed(failure, log=UNCONFIGURED)
    assert isinstance(error, ElementError)
    assert error.reason == "package-not-configured"
    assert [name for name, _ in error.asked] == ["wide"]
    assert "calls addgroup" in error.asked[0][1]
    assert error.detail is not None
    assert "3: addgroup: not found" in error.detail


def test_what_a_program_says_it_is_about_is_looked_for() -> None:
    failure = Failure(element="root-box.bst", action="build", key="", text="Command failed", log=None)
    log = ("rootstream: error root-failed: of wide, differs", "rootstream:   Asked for wide")
    error = failed(failure, log="\n".join((*log, "Command 'x' failed with exitcode 2\n")))
    assert isinstance(error, ElementError)
    assert error.asked == (("wide", "of wide, differs"),)
    assert error.detail is None


@pytest.mark.parametrize(
    "text",
    [
        "Failed to contact remote execution endpoint at ['http://w:1']: UNIMPLEMENTED",
        "Failed contacting remote execution server at http://w:1.DEADLINE_EXCEEDED: Deadline Exceeded",
        "Remote server failed at executing the build request.",
        'execute() threw: std::runtime_error exception thrown at [x.cpp:1], errMsg = "no space left"',
    ],
)
def test_workers_that_do_not_do_their_part(text: str) -> None:
    failure = Failure(element="x.bst", action="build", key="k", text=text, log=None)
    outcome = Outcome(
        failures=(failure,), log="", core=(), closing="", status=255, casd_died=False, messages=Path("all.log"),
        project=None, extra=None, command="bst build x.bst", workers="http://w:1",
    )  # fmt: skip
    error = fault(outcome)
    assert error.reason == "workers-failed"
    assert "http://w:1" in error.message
    assert fault(replace(outcome, failures=(replace(failure, text="Command failed"),))).reason == "element-failed"
