"""Turns the bytes of a serial console into plain text: no escape sequences, no control characters.

What a guest prints is hostile: the text goes into logs, reports and terminals.
"""

from __future__ import annotations

import codecs
import re

_HELD = 4096  # an escape sequence that is longer than this is none

# ECMA-48: CSI; OSC and the other strings, ended by BEL or ST; short escapes. Also their unfinished beginnings.
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*(?P<final>[@-~])|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ\\`-~])"
)
_UNFINISHED = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?|[ -/]*)|(?<!\r)\r+)\Z")
_RETURN = re.compile(r"\r+\n?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
# What firmware, boot loaders and full-screen programs of a guest leave behind on a person's terminal, undone:
# ECMA-48, and the private modes of xterm ("XTerm Control Sequences").
USUAL_MODES = (
    "\x1b[0m\x1b(B\x0f"  # no colours, ASCII
    "\x1b[?1047l\x1b[?47l"  # the ordinary screen
    "\x1b7\x1b[r\x1b8"  # all of it scrolls; the cursor stays
    "\x1b[?7h\x1b[?25h\x1b[?5l"  # long lines wrap, the cursor is seen, no reverse video
    "\x1b[4l\x1b[20l\x1b[?1l\x1b>"  # no insert mode, ordinary new lines, cursor keys and keypad
    "\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l"  # the mouse is the terminal's
    "\x1b[?1005l\x1b[?1006l\x1b[?1015l"
    "\x1b[?1004l\x1b[?2004l"  # neither focus nor pasting is reported
)
_MOVES = frozenset("Hf")  # the cursor goes elsewhere: what follows is not the same line


class Cleaner:
    """Keeps what is unfinished between two pieces of a console's output."""

    __slots__ = ("_decoder", "_held")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """Return the plain text of the next bytes; its lines end with a newline alone."""
        text = self._held + self._decoder.decode(data, final)
        self._held = ""
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _HELD))
        if unfinished and not final:
            self._held = unfinished[0]
            text = text[: unfinished.start()]
        return _plain(text)


def _plain(text: str) -> str:
    text = _ESCAPE.sub(lambda match: "\n" if match["final"] in _MOVES else "", text)
    return _CONTROL.sub("", _RETURN.sub("\n", text))
