"""Text that came from outside, as people are shown it: nothing in it that a terminal would obey.

Values of a description, file names, logs, answers of a BMC and what guests print all end in our own lines.
"""

from __future__ import annotations

import re

# C0 but tab and line feed, DEL, C1; what changes the direction of text or begins a line (Unicode, UAX #9 and #14);
# what is not seen at all; surrogates, which stand for bytes that are no UTF-8.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")  # ECMA-48, 8.3.117: select graphic rendition


def escaped(text: str) -> str:
    r"""Return a text with its control characters as Python writes them (`\x1b`); tabs and line feeds stay."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def console(text: str) -> str:
    """Return what a machine has printed, for lines of ours: no colours or carriage returns, the rest `escaped`."""
    return escaped(_COLOURS.sub("", text).replace("\r", ""))
