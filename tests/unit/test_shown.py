"""Text from outside in our own lines: nothing in it is obeyed by a terminal, wherever it comes from."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rootstream.__main__ import main
from rootstream.boot.checks.runner import Result
from rootstream.boot.junit import Suite, junit
from rootstream.cli.front import echo
from rootstream.errors import UserError, Where
from rootstream.events import Checked, Console, Event, Exported, Notice, Phase, Step
from rootstream.host.escape import console, escaped
from rootstream.progress import Plain, error_as_json, reporting
from rootstream.progress.lines import as_json

# A title, a cleared screen, the clipboard (C0 and C1), a line that hides the one before, text that runs backwards,
# two kinds of ends of lines, a byte that is no UTF-8, DEL.
EVIL = (
    "\x1b]0;T\x07\x1b[2J\x1b]52;c;ZQ==\x07\x9b31m\x9d0;T\x9c ok\r"
    "FAILED \u202egnp\u2066 \u2028\u2029 \udcff \x7f\x00\x08"
)
OBEYED = [
    chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x2066, 0xDCFF)
]


def harmless(text: str) -> bool:
    return not any(character in text for character in OBEYED)


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert harmless(escaped(EVIL))
    assert escaped("a\tb\nc äöü 漢字 🙂") == "a\tb\nc äöü 漢字 🙂"
    assert escaped("\x1b[2J\u202e\x9b") == "\\x1b[2J\\u202e\\x9b"


def test_a_console_loses_its_colours_only() -> None:
    assert console("[\x1b[0;32m  OK  \x1b[0m] Started\r\n\x1b[2J") == "[  OK  ] Started\n\\x1b[2J"


@pytest.mark.parametrize(
    "event",
    [
        Notice(level="warning", text=EVIL, element=EVIL),
        Step(name="x", text=EVIL),
        Console(machine="m", text=EVIL),
        Checked(machine=EVIL, name=EVIL, passed=False, elapsed=1.0, detail=EVIL),
        Exported(system="s", path=Path(EVIL.replace("\0", "")), size=1, stored=1),
        Phase(element="e", text=EVIL),
    ],
    ids=lambda event: type(event).__name__,
)
def test_no_event_reaches_a_terminal_as_it_is(event: Event) -> None:
    plain, live = io.StringIO(), io.StringIO()
    Plain(plain)(event)
    assert harmless(plain.getvalue())
    with reporting("terminal", stream=live, env={}) as report:
        report(event)
    assert "\x1b]" not in live.getvalue()
    assert "\x1b[31" not in live.getvalue().replace("\x1b[31mm:", "")
    assert "\x9b" not in live.getvalue()
    assert "\u202e" not in live.getvalue()


def test_json_has_no_control_character_either() -> None:
    error = UserError("x", EVIL, where=Where(path=Path("a\x1b[2J")), hint=EVIL, detail=EVIL)
    for line in (error_as_json(error, now=0), as_json(Notice(level="info", text=EVIL), now=0)):
        assert harmless(line)
        assert EVIL in json.loads(line).values()


@pytest.mark.parametrize(
    "text",
    [
        'systems:\n  "\\e]0;PWNED\\a\\e[2J\\e]52;c;ZXZpbA==\\a": {root: busybox}\n',
        'systems:\n  hello: {root: busybox, "\\e[31mx": 1, layers: [overlay: "no\\e[31m"]}\n',
        'systems:\n  hello: {root: "\\u202egnp", kernel: {fragments: ["\\x9b31m"]}}\n',
        'systems:\n  hello: {root: busybox, layers: [{hostname: "a\\u2028b\\rc"}]}\n',
        "systems:\n  hello: {root: busybox, ? \x1b[31m : 1}\n",
        '"\\e[2J": 1\n',
    ],
)
def test_a_description_is_quoted_escaped(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "system.yaml").write_text(text)
    assert main(["show", "-C", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert harmless(said.err + said.out)


def test_names_of_files_and_words_of_the_command_line_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "\x1b[2J\u202e"
    folder.mkdir()
    (folder / "system.yaml").write_text("systems: {a: {root: busybox}}\n")
    (folder / "out").symlink_to("\x1b]0;T\x07")
    assert main(["show", "-C", str(folder)]) == 2
    assert main(["show", "\x1b[2J", "-C", str(tmp_path)]) == 2
    assert main(["\x1b[2J"]) == 2
    assert main(["show", "--\x1b[2J"]) == 2
    assert main(["init", "\x1b[2J"]) == 2
    said = capsys.readouterr()
    assert harmless(said.err + said.out)
    assert "\\x1b[2J" in said.err


def test_a_log_is_shown_escaped_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        out = io.StringIO()
        out.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign, misc]
        monkeypatch.setattr(sys, "stdout", out)
        echo(EVIL, exact=True)
        assert harmless(out.getvalue()) == terminal


def test_reports_of_checks_are_xml_that_shows_them() -> None:
    result = Result(name=EVIL, passed=False, elapsed=1.0, detail=EVIL)
    suite = Suite(
        name=EVIL,
        elapsed=1.0,
        timestamp="2026-01-01T00:00:00",
        properties={EVIL: EVIL},
        results=[result],
        console=EVIL,
        fault=EVIL,
    )
    data = junit([suite])
    assert harmless(data.decode())
    case = ET.fromstring(data).find(".//testcase")
    assert case is not None
    assert "\\x1b]0;T" in case.attrib["name"]
