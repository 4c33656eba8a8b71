"""What programs of the sandbox tell the user in a build's log, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.engine import said
from rootstream.engine.faults import Outcome, fault
from rootstream.engine.messages import Failure
from rootstream.errors import Problems, UserError
from rootstream.formats.kconfig.fragment import Problem
from rootstream.formats.kconfig.report import log_text

LOST = Problem(
    severity="error",
    kind="dependency",
    message="CONFIG_USB=y was requested, but is not in the final configuration",
    symbol="USB",
    file="linux.config",
    line=3,
    reason="depends on PCI (drivers/usb/Kconfig:1)",
    details=("unmet: PCI [=n]",),
)
OTHER = Problem(severity="error", kind="unknown", message="CONFIG_UBS=y was lost", file="a b:c.config", line=1)
DOUBT = Problem(severity="warning", kind="renamed", message="CONFIG_A=y has no effect", file="x", line=2)
FRAME = """\
[00:00:01] START   make
+ make -s tinyconfig
{said}
+ exit 2
Command 'sh -c -e python3' failed with exitcode 2
"""


def failed(*problems: Problem) -> UserError:
    failure = Failure(element="linux-x.bst", action="build", key="", text="Command failed", log=Path("l.log"))
    return fault(
        Outcome(
            failures=[failure],
            log=FRAME.format(said=log_text(problems)),
            core=(),
            closing="",
            status=255,
            casd_died=False,
            messages=Path("all.log"),
            project=None,
            extra=None,
            command="bst build x.bst",
        )
    )


def test_the_explanation_comes_first() -> None:
    error = failed(DOUBT, LOST)
    assert error.reason == "symbol-dependency"
    assert str(error).startswith("linux.config:3: CONFIG_USB=y was requested")
    assert error.where is not None
    assert (error.where.path, error.where.line) == (Path("linux.config"), 3)
    assert error.detail == "depends on PCI (drivers/usb/Kconfig:1)\nunmet: PCI [=n]"
    assert "rootstream shell linux-x.bst" in str(error.hint)
    assert "l.log" in str(error.hint)
    assert "+ " not in str(error)


def test_all_of_them_are_told() -> None:
    error = failed(LOST, OTHER)
    assert isinstance(error, Problems)
    assert [each.reason for each in error.problems] == ["symbol-dependency", "symbol-unknown"]
    places = [each.where for each in error.problems]
    assert [(str(each.path), each.line) for each in places if each] == [("linux.config", 3), ("a b:c.config", 1)]


def test_warnings_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text(FRAME.format(said=log_text([LOST, DOUBT])))
    (warning,) = said.in_log(log)
    assert warning.text == "x:2: CONFIG_A=y has no effect"
    assert said.in_log(tmp_path / "none.log") == ()
    assert said.in_log(None) == ()


@pytest.mark.parametrize(
    "line",
    [
        "rootstream: nonsense",
        "rootstream:   goes on",
        " rootstream: error x: y",
        "rootstream: error: y",
        "echo rootstream",
    ],
)
def test_other_lines_say_nothing(line: str) -> None:
    assert list(said.messages([line])) == []
