"""`vex.yaml`: decisions with their places, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description import vex
from rootstream.errors import Problems

GOOD = """\
decisions:
  - vulnerability: CVE-2026-1
    component: busybox
    reason: the applet is not built in
    justification: vulnerable_code_not_present
    author: Jane Doe
    date: "2026-12-01"
  - {vulnerability: CVE-2026-2, systems: [hello, "*@debug"], reason: r, author: a, date: "2026-12-01"}
"""
TARGETS = ("hello", "hello@debug", "server")


def load(text: str) -> tuple[vex.Placed, ...]:
    return vex.load(text.encode(), Path("vex.yaml"), TARGETS)


def test_decisions_have_their_lines_and_systems() -> None:
    first, second = load(GOOD)
    assert (str(first.where), str(second.where)) == ("vex.yaml:2:5", "vex.yaml:8:5")
    assert [first.is_about(each) for each in TARGETS] == [True, True, True]
    assert [second.is_about(each) for each in TARGETS] == [True, True, False]
    assert first.decision.justification == "vulnerable_code_not_present"


ROW = '- {vulnerability: CVE-1-2, reason: r, author: a, date: "2026-12-01"'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"decisions:\n{ROW}, until: '2026-11-30'}}\n", 2, "is before 2026-12-01"),
        (f"decisions:\n{ROW}, justifcation: x}}\n", 2, "did you mean 'justification'?"),
        (f"decisions:\n{ROW}, status: harmless}}\n", 2, "expected one of: not_affected, fixed"),
        ("decisions:\n- {vulnerability: CVE-1-2, reason: r, date: '2026-12-01'}\n", 2, "author"),
        ("decisions:\n- {vulnerability: CVE-1-2, reason: r, author: a, date: 2026-02-30}\n", 2, "is not a day"),
        ("decisions:\n- {vulnerability: 'CVE 1', reason: r, author: a, date: '2026-02-03'}\n", 2, "an identifier"),
        (f"decisions:\n{ROW}, systems: [helo]}}\n", 2, "there is no system 'helo'; did you mean 'hello'?"),
        (f"decisions:\n{ROW}}}\n{ROW}}}\n", 3, "is decided in line 2 already"),
        ("decision: []\n", 1, "did you mean 'decisions'?"),
        ("decisions: {}\n", 1, "expected a list"),
        ("- x\n", 1, "expected a mapping"),
        ("decisions: [\n", 2, ""),
    ],
)
def test_mistakes(text: str, line: int, words: str) -> None:
    with pytest.raises(Problems) as caught:
        load(text)
    (problem,) = caught.value.problems
    assert problem.where is not None
    assert (problem.where.line, words in problem.message) == (line, True), problem.message


def test_all_mistakes_at_once() -> None:
    with pytest.raises(Problems) as caught:
        load(f"decisions:\n{ROW}, status: x}}\n- {{}}\n")
    assert [each.where and each.where.line for each in caught.value.problems] == [2, 3, 3, 3, 3]


@pytest.mark.parametrize("text", ["", "# none yet\n", "decisions:\n"])
def test_no_decisions(text: str) -> None:
    assert load(text) == ()
