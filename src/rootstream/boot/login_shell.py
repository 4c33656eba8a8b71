"""Logs in on a serial console and runs commands there, whatever the prompt looks like.

A command's end is known by a marker with its exit status. It is printed from two words, so that the echo of what
was typed is never taken for it, and twice, because a message of the kernel may cut the first in two.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

from rootstream.boot.console import Console
from rootstream.boot.transcript import LOGIN_PROMPT, Found

_PATIENCE = 3.0  # seconds without a known answer after which a shell is taken to wait for input
_AFTER_PASSWORD = 6.0  # login(1) waits about three seconds before it refuses
_ALREADY = 1.5  # seconds without output after which a prompt is one
_SILENCE = 5.0
_PROBE = 5.0
_LOST = 20.0
_CALM = 0.7
_GONE = 2.0
_WORD = 300  # characters of a command in one line: some shells' line editors take no more than 1024
_BRIEF = 200

_REFUSED = (
    r"(?P<refused>login incorrect|login failed|authentication failure|account is currently not available"
    r"|maximum number of (?:login )?tries)"
)
_LOGIN = f"(?P<login>{LOGIN_PROMPT.pattern})"
_PROMPT = r"(?P<prompt>^[^\n]{0,120}[#$%>] ?\Z)"
_PASSWORD = r"(?P<password>(?:password|passcode)[^\n]{0,80}: ?(?:\Z|\[ *\d+\.))"  # noqa: S105
_ENTER = r"(?P<enter>Please press Enter to activate this console)"
_FLAGS = re.MULTILINE | re.IGNORECASE
_ANSWER = re.compile(f"{_PASSWORD}|{_REFUSED}|{_LOGIN}|{_PROMPT}", _FLAGS)
_START = re.compile(f"{_LOGIN}|{_ENTER}", _FLAGS)
_START_OR_SHELL = re.compile(f"{_LOGIN}|{_ENTER}|{_PROMPT}", _FLAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command did."""

    status: int
    output: str


class Refused(Exception):  # noqa: N818  (often what was wanted)
    """The login was refused; the text says how."""


class Late(Exception):  # noqa: N818  (the caller knows the deadline)
    """The deadline passed, or the shell ended; the text says what was waited for."""


class Session:
    """Who is logged in on the console, if anybody. Deadlines are on `time.monotonic`."""

    def __init__(self, console: Console) -> None:
        self.user: str | None = None
        self._console = console
        self._from = 0  # where to look for the next login prompt

    def login(self, user: str, password: str | None, *, deadline: float) -> None:
        """Log in, after logging out whoever is there. Raises `Refused`, `Late` and the console's faults."""
        if self.user is not None:
            self._from = self._console.position
            self._type("exit")
            self.user = None
        self._identify(user, password, deadline=deadline)

    def ensure(self, *, deadline: float) -> None:
        """Make sure that a shell is there: root's without a password, or one that needs no login.

        Raises `Refused`, `Late` and the console's faults.
        """
        if self.user is None and not self._shell_is_there(deadline):
            self._identify("root", None, deadline=deadline)
        self.user = self.user or "root"

    def run(self, command: str, *, deadline: float) -> Ran:
        """Run a command in the session's shell; its standard input is the console.

        Raises `Late`, after which the command was interrupted, and the console's faults.
        """
        start = self._console.position
        token = self._send(command)
        found = self._ending(token, start=start, deadline=deadline)
        if found is None:
            raise Late(self._lost(start, token))
        return parse(self._console.text(start, found.end), token)

    def type(self, text: str) -> None:
        """Type a line, and wait for nothing."""
        self._type(text)

    def _identify(self, user: str, password: str | None, *, deadline: float) -> None:
        """Answer login prompts until a shell is there."""
        patience = _PATIENCE
        while True:
            found = self._console.wait(_START, start=self._from, deadline=deadline)
            if found is None:
                raise Late("no login prompt appeared")
            self._from = found.end
            if found.name == "enter":
                self._type("")
            elif self._answer(user, password, patience=patience, deadline=deadline):
                self.user = user
                return
            elif patience > _PATIENCE:
                raise Late(f"{user}: the login prompt keeps coming back: is there a login program?")
            else:
                patience *= 2

    def _answer(self, user: str, password: str | None, *, patience: float, deadline: float) -> bool:
        """Give name and password at a login prompt; False if it has to be done again, more slowly."""
        asked = False
        self._type(user)
        while True:
            limit = min(deadline, time.monotonic() + (_AFTER_PASSWORD if asked else patience))
            found = self._console.wait(_ANSWER, start=self._from, deadline=limit)
            if found is None or found.name == "prompt":
                return self._probe(deadline, asked=asked)
            self._from = found.start if found.name == "login" else found.end
            if found.name == "password" and not asked:
                asked = True
                self._type(password or "")
            elif not asked and found.name == "login":
                return False
            else:
                why = (
                    "the system asks for a password, and the check gives none"
                    if password is None and asked
                    else "refused"
                )
                raise Refused(f"{user}: {why}: {found.text.strip()!r}")

    def _probe(self, deadline: float, *, asked: bool) -> bool:
        """Whether a shell answers; if the machine was only slow, what was typed has spoilt this login."""
        start = self._console.position
        tokens, patience = [self._send(":")], _LOST
        while True:
            limit = min(deadline, time.monotonic() + patience)
            pattern = re.compile(f"(?P<end>RSE-(?:{'|'.join(tokens)}):)|{_REFUSED}|{_LOGIN}", _FLAGS)
            found = self._console.wait(pattern, start=start, deadline=limit)
            if found is not None:
                break
            if limit == deadline:
                raise Late("no shell responds after the login")
            # A slow login(1) throws away what was typed before it starts the shell.
            patience *= 2
            tokens.append(self._send(":"))
        if found.name == "end":
            return True
        self._from = found.start if found.name == "login" else found.end
        if asked:
            raise Refused(f"the login was refused: {found.text.strip()!r}")
        return False

    def _shell_is_there(self, deadline: float) -> bool:
        """Wait for a prompt: True for a shell's, False for one of login."""
        start = self._from
        while True:
            limit = min(deadline, time.monotonic() + _SILENCE)
            found = self._console.wait(_START_OR_SHELL, start=start, deadline=limit)
            if found is None:
                if limit == deadline:
                    raise Late("neither a login prompt nor a shell appeared")
                self._nudge()
                continue
            if found.name != "prompt":
                return False
            self._console.wait_quiet(quiet=_ALREADY, deadline=deadline)
            start = self._console.position
            if start == found.end and self._answers(deadline=min(deadline, time.monotonic() + _PROBE)):
                return True

    def _nudge(self) -> None:
        """Ask for the prompt again: a message of the kernel may stand behind the one that was there."""
        before = self._console.position
        self._console.wait_quiet(quiet=_ALREADY, deadline=time.monotonic() + _ALREADY)
        if before == self._console.position:
            self._type("")

    def _ending(self, token: str, *, start: int, deadline: float) -> Found | None:
        """Return where a command's marker is; None too if a login prompt shows that the shell ended."""
        pattern = re.compile(f"(?P<end>{_end(token)})|{_LOGIN}\\Z", _FLAGS)
        found = self._console.wait(pattern, start=start, deadline=deadline)
        if found is not None and found.name == "login":
            limit = min(deadline, time.monotonic() + _GONE)
            return self._console.wait(re.compile(_end(token)), start=found.end, deadline=limit)
        return found

    def _lost(self, start: int, token: str) -> str:
        """Interrupt a command that doesn't end, and say what became of it and of the session."""
        text = self._console.text(start, self._console.position)
        if re.search(f"{_LOGIN}\\Z", text, _FLAGS):
            self.user = None
            self._from = start
            return "the shell ended with the command"
        if not (self._interrupt("\x03") or self._interrupt("\x1c")):
            self.user = None
            self._from = self._console.position
        output = _output(text, token)[-_BRIEF:].strip()
        return f"the command did not finish; last output: {output!r}"

    def _interrupt(self, key: str) -> bool:
        """Type a key that interrupts; whether the shell answers then.

        What is typed before the command is gone would be lost with it.
        """
        self._console.send(key)
        self._console.wait_quiet(quiet=_CALM, deadline=time.monotonic() + _PROBE)
        return self._answers(deadline=time.monotonic() + _PROBE)

    def _answers(self, *, deadline: float) -> bool:
        start = self._console.position
        token = self._send(":")
        return self._ending(token, start=start, deadline=deadline) is not None

    def _send(self, command: str) -> str:
        """Type a command with its markers and return their token."""
        token = secrets.token_hex(6)
        for line in lines(command, token):
            self._type(line)
        return token

    def _type(self, line: str) -> None:
        self._console.send(line + "\n")


def lines(command: str, token: str) -> tuple[str, ...]:
    """Return what to type for a command: plain ASCII, however long and whatever is in it.

    POSIX shells: `printf %b` undoes the escapes, `command eval` survives a syntax error.
    """
    *first, last = _pieces(command)
    begin, end = f"'RSB-' '{token}'", f"'RSE-' '{token}'"
    before = '"$R"' if first else ""
    assign = (f"R={before}'{last}'", 'command eval "$(printf %b "$R")"', "R=$?")
    steps = (f"printf '%s%s\\n' {begin} {begin}", *assign, f"printf '%s%s:%s:\\n' {end} $R {end} $R")
    more = [f"R=\"$R\"'{piece}'" for piece in first[1:]]
    return (*(f"R='{piece}'" for piece in first[:1]), *more, "; ".join(steps))


def parse(text: str, token: str) -> Ran:
    """Return what a command did, from the console's text up to its marker."""
    match = re.search(_end(token), text)
    if match is None:
        raise ValueError("no marker in the text")
    return Ran(status=int(match["status"]), output=_output(text[: match.start()], token))


def _output(text: str, token: str) -> str:
    """Return what follows the line with the last marker of the beginning."""
    begin = text.rfind(f"RSB-{token}")
    return text[text.find("\n", begin) + 1 :] if begin >= 0 else text


def _end(token: str) -> str:
    return rf"RSE-{token}:(?P<status>\d+):"


def _pieces(command: str) -> list[str]:
    """Return the command with escapes for what a shell or its line editor would take for something else."""
    pieces = [""]
    for byte in command.encode():
        plain = 0x20 <= byte < 0x7F and byte not in b"'\\"  # noqa: PLR2004
        word = chr(byte) if plain else f"\\0{byte:03o}"
        if len(pieces[-1]) + len(word) > _WORD:
            pieces.append("")
        pieces[-1] += word
    return pieces
