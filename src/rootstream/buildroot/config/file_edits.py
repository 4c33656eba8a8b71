"""Changes of a configuration written back into the user's own files: lines are edited, comments and order stay.

Pure. A change maps a symbol to its new value as Kconfig writes it, or to None: then no line shall name it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from rootstream.formats.kconfig.fragment import PREFIX, Request, config_values, request_line, unset_line, written

Changes = Mapping[str, str | None]


def edited(text: str, changes: Changes, prefix: str = PREFIX) -> str:
    """Return a file of requests with the changes in it; the last line of a symbol is changed, others go."""
    lines = text.split("\n")
    trailing = lines.pop() if lines and not lines[-1] else None
    request, unset = request_line(prefix), unset_line(prefix)
    where: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        match = request.fullmatch(line.rstrip()) or unset.fullmatch(line.rstrip())
        if match and match[1] in changes:
            where.setdefault(match[1], []).append(number)
    gone: set[int] = set()
    for symbol, value in changes.items():
        places = where.get(symbol, [])
        if value is None:
            gone.update(places)
        elif places:
            gone.update(places[:-1])
            lines[places[-1]] = line_of(symbol, value, prefix)
        else:
            lines.append(line_of(symbol, value, prefix))
    kept = [line for number, line in enumerate(lines) if number not in gone]
    return "\n".join([*kept, trailing or ""]) if kept else ""


def line_of(symbol: str, value: str, prefix: str) -> str:
    """Return the line that asks for a value."""
    return written(Request(symbol=symbol, value=value, file="", line=0, prefix=prefix))


def changes_of(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """Return what turns one minimal configuration into another; what is at its default again is None."""
    found: dict[str, str | None] = {
        symbol: value for symbol, value in after.items() if before.get(symbol) != value
    }
    return found | {symbol: None for symbol in before if symbol not in after}


def spelled_out(changes: Changes, result: Mapping[str, str]) -> dict[str, str | None]:
    """Return changes for a file that is laid over others: a default again is asked for by its value."""
    return {symbol: result.get(symbol, "n") if value is None else value for symbol, value in changes.items()}


def parsed(words: tuple[str, ...], prefix: str) -> dict[str, str | None]:
    """Return the changes of words such as SYMBOL=y, SYMBOL=text, SYMBOL="text". Raises ValueError."""
    found: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        symbol = name.removeprefix(prefix) if prefix else name
        if not equals or not re.fullmatch(r"[A-Za-z0-9_]+", symbol):
            raise ValueError(f"{word!r} is not SYMBOL=VALUE")
        if any(ord(c) < 32 for c in value):  # noqa: PLR2004
            raise ValueError(f"{symbol}: a value must be on one line")
        found[symbol] = value if is_value(value) else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    return found


def is_value(value: str) -> bool:
    """Say whether a text is a value as Kconfig writes it: y, m, n, a number, or a string in its quotes."""
    return bool(re.fullmatch(r'[ymn]|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"', value))


def difference(name: str, before: str, after: str) -> str:
    """Return what changed in a file as a unified diff."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def values(text: str, prefix: str = PREFIX) -> dict[str, str]:
    """Return the values of a configuration."""
    return config_values(text, prefix)
