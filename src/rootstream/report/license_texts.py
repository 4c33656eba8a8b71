"""Which license a text is: only one whose words are all those of a license in SPDX's list, and of no other.

`license_texts.json` has a digest of each text of that list (tools/license_texts.py): no text has to be kept. What
SPDX's guidelines leave to whoever uses a license is left out of both: copyright lines, titles, numbers
of paragraphs, and whose names the BSD licenses contain.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

TABLE = "license_texts.json"
MOST = 200_000  # characters of a text; the longest license has a third of that
_TITLES = 3  # lines at the beginning that may be a title
_TITLE = re.compile(r"[\w .,()/'-]{0,60}\blicen[cs]es?\b[\w ,()/'-]{0,40}")
_COPYRIGHT = re.compile(
    r"(?:portions )?copyright:? ?(?:\(c\)|©|<|\[|[0-9]{4}).*"
    r"|\(c\) (?:copyright|[0-9]{4}).*|©.*|all rights reserved\.?"
)
_BULLET = re.compile(r"\A(?:\(?(?:[0-9]{1,2}|[a-z])[.)]|[*•-])\s+")
_NAMES = (
    (re.compile(r"neither the names? of .{1,100}? nor the names of (?:\w+ )?contributors"), "neither name"),
    (re.compile(r"is provided by [^.]{1,100}? ['\"`\u201c\u2018]*as is\b"), "is provided as is"),
    (re.compile(r"in no event shall [^.]{1,100}? be liable"), "in no event is anybody liable"),
)
_INLINE = re.compile(r"\((?:[0-9]{1,2}|[a-z]|i{2,3}|i?v|vi{0,3})\)")
_AROUND = " \t#*/;=-_"
_END = "end of terms and conditions"  # of Apache-2.0: an appendix follows that is not a part of it
_WORD = re.compile(r"[a-z0-9]+")
_HTTPS = re.compile(r"\bhttps://")


def identified(text: str) -> str | None:
    """Return the SPDX identifier of the license that a text is, None if it is no license, or also another one."""
    return table().get(digest(text)) if len(text) <= MOST else None


def of_files(texts: Sequence[tuple[str, str]]) -> str | None:
    """Return the license of something by its license files, names and texts; None unless all are the same one."""
    found = {identified(text) for name, text in texts if not name.upper().startswith(("NOTICE", "COPYRIGHT"))}
    return found.pop() if len(found) == 1 else None


def digest(text: str) -> str:
    """Return what stands for the words of a text."""
    return hashlib.sha256(words(text).encode()).hexdigest()


def words(text: str) -> str:
    """Return the words of a text that decide which license it is."""
    lines = [" ".join(line.strip(_AROUND).split()) for line in text.lower().splitlines()]
    lines = [line for line in lines if line and not _COPYRIGHT.fullmatch(line)]
    head = [line for line in lines[:_TITLES] if not _TITLE.fullmatch(line)]
    told = " ".join(_BULLET.sub("", line, count=1) for line in [*head, *lines[_TITLES:]])
    told = _INLINE.sub(" ", _HTTPS.sub("http://", told).partition(_END)[0])
    for pattern, standing in _NAMES:
        told = pattern.sub(standing, told)
    return " ".join(_WORD.findall(told))


@cache
def table() -> Mapping[str, str]:
    """Return the identifiers of licenses by the digests of their texts."""
    found: dict[str, str] = json.loads((resources.files(__package__) / TABLE).read_text("utf-8"))
    return found
