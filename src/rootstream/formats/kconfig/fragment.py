"""Kconfig fragments and .config files as text: requests with their places, values to compare, the merged file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

PREFIX = "CONFIG_"
_VALUE = re.compile(r'[ymn]|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\\0-\x1f]|\\[^\0-\x1f])*"', re.ASCII)
_BARE_HEX = re.compile(r"[0-9a-fA-F]+", re.ASCII)


@cache
def request_line(prefix: str) -> re.Pattern[str]:
    """Return the pattern of SYMBOL=VALUE: group 1 is the symbol without the prefix, group 2 the value."""
    return re.compile(rf"{prefix}(\w+)=(.*)", re.ASCII)


@cache
def unset_line(prefix: str) -> re.Pattern[str]:
    """Return the pattern of "# SYMBOL is not set": group 1 is the symbol without the prefix."""
    return re.compile(rf"# {prefix}(\w+) is not set", re.ASCII)


@cache
def _nearly_unset(prefix: str) -> re.Pattern[str]:
    return re.compile(rf"#\s*{prefix}\w+\s+is\s+not\s+set\b", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a fragment asks of a symbol; `value` is n, m, y, a number, or a string with its quotes.

    `prefix` is what files write before the symbol's name, which is without it: CONFIG_, or nothing for Buildroot.
    """

    symbol: str
    value: str
    file: str
    line: int
    prefix: str = PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to tell the user.

    `severity` is error, warning or note; `kind` is a stable word for tests and tools; `got` None is "not in the
    result".
    """

    severity: str
    kind: str
    message: str
    symbol: str = ""
    file: str = ""
    line: int = 0
    wanted: str = ""
    got: str | None = None
    reason: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        mark = "" if self.severity == "error" else f"{self.severity}: "
        lines = [f"{place}{mark}{self.message}", *([self.reason] if self.reason else []), *self.details]
        return "\n    ".join(lines)


def fragment_requests(name: str, text: str, prefix: str = PREFIX) -> tuple[list[Request], list[Problem]]:
    """Return the requests of a fragment in their order, and what is wrong with its lines.

    The format is that of `conf_read_simple` in scripts/kconfig/confdata.c without its leniency: what that would
    skip or cut off is an error here.
    """
    requests: list[Request] = []
    problems: list[Problem] = []
    seen: dict[str, Request] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            request = _line_request(name, number, line.rstrip(), prefix)
        except ValueError as error:
            problems.append(
                Problem(severity="error", kind="malformed", message=str(error), file=name, line=number)
            )
            continue
        if request is None:
            continue
        earlier = seen.get(request.symbol)
        if earlier and normal(earlier.value) != normal(request.value):
            problems.append(_contradiction(earlier, request))
        seen[request.symbol] = request
        requests.append(request)
    return requests, problems


def _line_request(name: str, number: int, line: str, prefix: str) -> Request | None:
    if not line.strip():
        return None
    if match := unset_line(prefix).fullmatch(line):
        return Request(symbol=match[1], value="n", file=name, line=number, prefix=prefix)
    if line.startswith("#"):
        if _nearly_unset(prefix).match(line):
            raise ValueError(f'{line!r} is only a comment; write exactly "# {prefix}NAME is not set"')
        return None
    match = request_line(prefix).fullmatch(line)
    if not match:
        raise ValueError(f'{line!r} is neither "{prefix}NAME=value" nor "# {prefix}NAME is not set" nor a comment')
    symbol, value = match[1], match[2]
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a value for {prefix}{symbol}: y, m, n, a number, 0x and hex digits, or a string in"
            " double quotes, with nothing after it"
        )
    return Request(symbol=symbol, value=value, file=name, line=number, prefix=prefix)


def _contradiction(earlier: Request, later: Request) -> Problem:
    return Problem(
        severity="warning",
        kind="contradiction",
        message=f"{shown(later)} overrides {shown(earlier)} of line {earlier.line} in the same file",
        symbol=later.symbol,
        file=later.file,
        line=later.line,
        wanted=later.value,
    )


def shown(request: Request) -> str:
    """Return a request as a user writes it."""
    return f"{request.prefix}{request.symbol}={request.value}"


def written(request: Request) -> str:
    """Return a request as Kconfig writes it to a file."""
    if request.value == "n":
        return f"# {request.prefix}{request.symbol} is not set"
    return shown(request)


def config_values(text: str, prefix: str = PREFIX) -> dict[str, str]:
    """Return the values of a .config as Kconfig writes it, those that are not set as n."""
    values: dict[str, str] = {}
    request, unset = request_line(prefix), unset_line(prefix)
    for line in text.split("\n"):
        if match := request.fullmatch(line):
            values[match[1]] = match[2]
        elif match := unset.fullmatch(line):
            values[match[1]] = "n"
    return values


def normal(value: str) -> int | str:
    """Return a value so that equal ones are equal: numbers as int, strings unescaped after a quote."""
    if value.startswith('"'):
        return '"' + re.sub(r"\\(.)", r"\1", value[1:-1])
    if value[:2].lower() == "0x":
        return int(value, 16)
    return int(value) if value.lstrip("-").isdecimal() else value


def same(wanted: str, got: str | None) -> bool:
    """Whether a result (None: not in it) is what was asked for; hex may be asked for without its 0x."""
    if got is None:
        return wanted == "n"
    if got[:2].lower() == "0x" and _BARE_HEX.fullmatch(wanted):
        return int(wanted, 16) == int(got, 16)
    is_hex = got[:2].lower() == "0x", wanted[:2].lower() == "0x"
    return is_hex[0] == is_hex[1] and normal(wanted) == normal(got)


def last_requests(requests: Iterable[Request]) -> dict[str, Request]:
    """Return the request that holds for each symbol, in the order in which they were made."""
    last: dict[str, Request] = {}
    for request in requests:
        last.pop(request.symbol, None)
        last[request.symbol] = request
    return last


def merged(base: str, requests: Mapping[str, Request], *, old: bool, prefix: str = PREFIX) -> str:
    """Return the base's text with the requests laid over it.

    When two members of a choice are y, the newer Kconfig takes the last and the old one the first, hence the
    order. What the requests replace is left out, so nothing is assigned twice.
    """
    request_of, unset = request_line(prefix), unset_line(prefix)
    kept = [
        line
        for line in base.rstrip("\n").split("\n")
        if not ((match := request_of.fullmatch(line) or unset.fullmatch(line)) and match[1] in requests)
    ]
    asked = [written(request) for request in requests.values()]
    return "\n".join([*reversed(asked), *kept] if old else [*kept, *asked]) + "\n"
