"""Text of consoles: cleaned, searched, bounded; waits that end; commands and what they give back."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from rootstream import events
from rootstream.boot import console as module
from rootstream.boot.console import Console
from rootstream.boot.login_shell import Late, Refused, Session, lines, parse
from rootstream.boot.terminal import Cleaner
from rootstream.boot.transcript import LOGIN_PROMPT, Transcript
from rootstream.errors import UserError

LONG = 100_000.0
SOON = 0.05


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain\r\ntext\r\r\n", "plain\ntext\n"),
        (b"10%\r20%\r\n", "10%\n20%\n"),
        (b"\x1b[1;31mred\x1b[0m \x1b[?2004l\x1b=end", "red end"),
        (b"\x1b]0;title\x07a\x1b]8;;x\x1b\\b\x1bPq\x1b\\c", "abc"),
        (b"one\x1b[2;1Htwo", "one\ntwo"),
        (b"a\x08\x07\x00\x7fb\tc", "ab\tc"),
        ("é\u009b31m\ufffe".encode(), "é31m"),
        (b"\xff\xc3(", "\ufffd\ufffd("),
    ],
)
def test_escape_sequences_and_controls_are_taken_out(data: bytes, expected: str) -> None:
    assert Cleaner().feed(data, final=True) == expected
    cleaner = Cleaner()
    pieces = [cleaner.feed(data[index : index + 1]) for index in range(len(data))]
    assert "".join(pieces) + cleaner.feed(b"", final=True) == expected


def test_an_escape_sequence_without_end_is_given_up() -> None:
    cleaner = Cleaner()
    shown = "".join(cleaner.feed(b"\x1b]0;" + b"x" * 1000) for _ in range(20))
    assert len(shown) > 10_000
    assert "\x1b" not in shown


PANIC = (
    "[    1.5] x\n[    2.000001] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (PANIC, "kernel-panic"),
        ("box login: [    2.000001][    T1] Kernel panic - not syncing: x", "kernel-panic"),
        ("[    2.000001] BUG: kernel NULL pointer dereference, address: 0\n", "kernel-oops"),
        ("[    2.000001][    T1] Oops: 0002 [#1] PREEMPT SMP\n", "kernel-oops"),
        ("[    2.000001] Internal error: Oops: 96000004 [#1] SMP\n", "kernel-oops"),
        ("[    2.000001] BUG: x\n" + PANIC, "kernel-panic"),
        ("Booting from Hard Disk...\nBoot failed\nNo bootable device.\n", "no-bootable-device"),
        (
            "[DEPEND] Dependency failed for boot.mount\n\nYou are in emergency mode. After logging in, type",
            "emergency-mode",
        ),
        ("$ echo 'You are in emergency mode.'\n", None),
        ("DEBUG: fine\nthe test of BUG: and Oops is over\n[    2.0] watchdog: BUG: soft lockup", None),
    ],
)
def test_faults_are_known_by_their_text(text: str, fault: str | None) -> None:
    whole = Transcript()
    whole.append(text, elapsed=0.0)
    assert whole.fault == fault
    single = Transcript()
    for character in text:
        single.append(character, elapsed=0.0)
    assert single.fault == fault


def test_marks_are_the_first_times() -> None:
    transcript = Transcript()
    for elapsed, text in (
        (0.5, "SeaBIOS\n[    0.000000] Linux ver"),
        (0.6, "sion 6.12\n"),
        (2.0, "[    1.234567][    T1] Run /sbin/init as init process\n"),
        (2.5, "Last login: Tue\nbox login: "),
        (9.0, "\nbox login: "),
    ):
        transcript.append(text, elapsed=elapsed)
    assert transcript.marks == {"kernel": 0.5, "init": 2.0, "login": 2.5}
    assert transcript.init_stamp == 1.234567


def test_text_is_found_by_place() -> None:
    transcript = Transcript()
    for index in range(3000):
        transcript.append(f"line {index}\n", elapsed=0.0)
    found = transcript.find(re.compile(r"^line 2\d{3}$", re.MULTILINE), start=0)
    assert found is not None
    assert transcript.since(found.start).startswith("line 2000\n")
    assert transcript.find(re.compile("^ine", re.MULTILINE), start=1) is None
    assert transcript.find(re.compile("^line 1$", re.MULTILINE), start=found.end) is None
    assert transcript.since(transcript.length) == ""
    assert transcript.last_lines(2) == "line 2998\nline 2999"


def test_a_transcript_is_bounded() -> None:
    transcript = Transcript(limit=100)
    assert transcript.append("x" * 60, elapsed=0.0) == "x" * 60
    assert transcript.append("y" * 60, elapsed=0.0) == "y" * 40
    assert transcript.append("z", elapsed=0.0) == ""
    assert transcript.fault == "console-flood"
    assert transcript.length == 100


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("box login: ", True),
        ("\n(none) login: root", True),
        ("Last login: Tue Jan 1", False),
        ("login[3]: root", False),
    ],
)
def test_login_prompts(text: str, *, prompt: bool) -> None:
    assert (LOGIN_PROMPT.search(text) is not None) == prompt


@contextmanager
def line(log: Path | None = None) -> Iterator[tuple[Console, socket.socket, list[events.Event]]]:
    ours, its = socket.socketpair()
    seen: list[events.Event] = []
    with its, Console(ours, machine="box", started=time.monotonic(), log=log, report=seen.append) as console:
        yield console, its, seen


def test_waiting_finds_text_that_comes_in_pieces(tmp_path: Path) -> None:
    with line(tmp_path / "log") as (console, its, seen):
        for piece in (b"\x1b[1", b"mhal", b"lo wo", b"rld\r", b"\n"):
            its.sendall(piece)
        found = console.wait(re.compile("hallo world\n"), start=0, deadline=time.monotonic() + LONG)
        assert found is not None
        assert console.wait(re.compile("never"), start=0, deadline=time.monotonic() + SOON) is None
        console.send("typed\n")
        assert its.recv(100) == b"typed\n"
    assert "".join(event.text for event in seen if isinstance(event, events.Console)) == "hallo world\n"
    assert (tmp_path / "log").read_text() == "hallo world\n"


def test_what_matches_counts_before_a_fault() -> None:
    with line() as (console, its, _):
        its.sendall(PANIC.encode())
        deadline = time.monotonic() + LONG
        assert console.wait(re.compile("Kernel panic"), start=0, deadline=deadline) is not None
        with pytest.raises(UserError) as caught:
            console.wait(re.compile("never"), start=0, deadline=deadline)
        assert caught.value.reason == "kernel-panic"
        assert "Unable to mount root fs" in (caught.value.detail or "")


def test_the_end_of_the_machine_ends_every_wait() -> None:
    with line() as (console, its, _):
        its.sendall(b"last words")
        its.close()
        with pytest.raises(UserError) as caught:
            console.wait(re.compile("never"), start=0, deadline=time.monotonic() + LONG)
        assert caught.value.reason == "machine-exited"
        assert caught.value.detail == "last words"
        assert console.wait_end(time.monotonic() + LONG)
        with pytest.raises(UserError):
            console.send("x" * 1_000_000)


def test_a_machine_that_takes_no_input_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rootstream.boot.console._SEND_TIMEOUT", 0.1)
    with line() as (console, _, _), pytest.raises(UserError) as caught:
        console.send("x" * 10_000_000)
    assert caught.value.reason == "console-stuck"


def test_a_flood_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Transcript", partial(Transcript, limit=1 << 20))
    with line(tmp_path / "log") as (console, its, _):

        def flood() -> None:
            with suppress(OSError):
                while True:
                    its.sendall(b"flood " * 10_000)

        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(UserError) as caught:
            console.wait(re.compile("never"), start=0, deadline=time.monotonic() + LONG)
    thread.join()
    assert caught.value.reason == "console-flood"
    assert (tmp_path / "log").stat().st_size == 1 << 20


ODD = "printf 'a\\tb\\n'; echo 'it'\"'\"'s é ! 100%' | cat; cat <<E\n" + "x" * 2000 + "\nE\n(exit 3)"


@pytest.mark.parametrize(
    ("text", "status", "output"),
    [
        ("echo one; echo two >&2", 0, "one\ntwo\n"),
        ("printf without-a-newline; false", 1, "without-a-newline"),
        (ODD, 3, "a\tb\nit's é ! 100%\n" + "x" * 2000 + "\n"),
        ("", 0, ""),
    ],
)
def test_commands_as_they_are_typed_give_status_and_output(text: str, status: int, output: str) -> None:
    typed = lines(text, "token")
    assert all(len(typed_line) < 700 and typed_line.isascii() and typed_line.isprintable() for typed_line in typed)
    done = subprocess.run(
        ["sh"], input="exec 2>&1\n" + "\n".join(typed) + "\n", capture_output=True, text=True, check=True
    )
    ran = parse("\n".join(typed) + "\n" + done.stdout, "token")
    assert (ran.status, ran.output) == (status, output)


def test_a_marker_that_the_kernel_cut_is_there_again() -> None:
    cut = "RSB-to[    3.0] link up\nken\nRSB-token\nout\nRSE-tok[    3.1] x\nen:0:\nRSE-token:0:\n"
    assert parse(cut, "token").output.startswith("out\n")


class Getty(threading.Thread):
    """The other end of a console: answers each line that is typed, as a login and a shell would."""

    def __init__(self, its: socket.socket, answers: dict[str, str], greeting: str = "\r\nbox login: ") -> None:
        super().__init__()
        self._greeting = greeting
        self._its = its
        self._answers = answers
        self.start()

    def run(self) -> None:
        self._its.sendall(self._greeting.encode())
        with self._its.makefile("r") as typed:
            for text in typed:
                self._its.sendall(self._answer(text).encode())

    def _answer(self, text: str) -> str:
        token = re.search("'RSB-' '([0-9a-f]+)'", text)
        if token is None:
            return self._answers.get(text.strip(), "")
        return f"{text}RSB-{token[1]}\r\nRSE-{token[1]}:0:\r\n$ "


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ({"root": "root\r\n# "}, None),
        ({"root": "root\r\nPassword: ", "secret": "\r\nWelcome\r\n$ "}, None),
        ({"root": "root\r\nPassword: [    4.570431] link\r\n", "secret": "\r\n$ "}, None),
        ({"root": "root\r\nPassword: ", "secret": "\r\nLogin incorrect\r\nbox login: "}, "Login incorrect"),
        ({"root": "root\r\nPassword: ", "secret": "\r\nbox login: "}, "box login:"),
        ({"root": "root\r\nThis account is currently not available.\r\n"}, "not available"),
    ],
)
def test_logins(answers: dict[str, str], refusal: str | None) -> None:
    with line() as (console, its, _):
        getty = Getty(its, answers)
        session = Session(console)
        deadline = time.monotonic() + 60
        if refusal is None:
            session.login("root", "secret", deadline=deadline)
            assert session.run("true", deadline=deadline).status == 0
        else:
            with pytest.raises(Refused, match=refusal):
                session.login("root", "secret", deadline=deadline)
        assert session.user == (None if refusal else "root")
        its.shutdown(socket.SHUT_RDWR)
        getty.join()


class Flushing(Getty):
    """A login that is so slow that it throws away the first command, as login(1) does before it starts a shell."""

    def _answer(self, text: str) -> str:
        if "'RSB-'" in text and "lost" not in self._answers:
            self._answers["lost"] = ""
            return f"{text}\r\nbox:~$ [    9.570431] link up\r\n"
        return super()._answer(text)


def test_what_a_slow_login_throws_away_is_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rootstream.boot.login_shell._LOST", 0.1)
    with line() as (console, its, _):
        getty = Flushing(its, {"root": "root\r\n"})
        session = Session(console)
        session.login("root", None, deadline=time.monotonic() + 60)
        assert session.run("true", deadline=time.monotonic() + 60).status == 0
        its.shutdown(socket.SHUT_RDWR)
        getty.join()


def test_a_message_of_the_kernel_hides_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rootstream.boot.login_shell._SILENCE", 0.1)
    monkeypatch.setattr("rootstream.boot.login_shell._ALREADY", 0.1)
    with line() as (console, its, _):
        its.sendall(b"/ # [    4.570431] eth0: link becomes ready\r\n")
        getty = Getty(its, {"": "\r\n/ # "}, greeting="")
        session = Session(console)
        session.ensure(deadline=time.monotonic() + LONG)
        assert session.run("true", deadline=time.monotonic() + LONG).status == 0
        its.shutdown(socket.SHUT_RDWR)
        getty.join()


def test_a_login_that_does_not_come_is_late() -> None:
    with line() as (console, its, _):
        its.sendall(b"no prompt here")
        with pytest.raises(Late):
            Session(console).login("root", None, deadline=time.monotonic() + SOON)
