"""What to tell the user of a configuration: which requests did not come out, why, and the report of it all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rootstream.formats.kconfig.facts import LEVELS, Facts, Reason, level, unknown_reason
from rootstream.formats.kconfig.fragment import PREFIX, Problem, Request, same, shown

SHOWN_DIFFERENCES = 10
WAYS_TO_A_MODULE = "{symbol}=y builds it into the kernel; `modules: true` below `kernel` builds modules."
UNKNOWN = re.compile(r"warning: (?:unknown symbol:|trying to assign nonexistent symbol) (\w+)", re.ASCII)
_UNMET_SELECTION = re.compile(r"unmet direct dependencies detected for (\w+)\n((?:  .*\n?)*)", re.ASCII)


def doubtful(
    requests: Mapping[str, Request], result: Mapping[str, str], unknown: Iterable[str] | None
) -> list[Request]:
    """Return the requests to explain: those that came out differently, and those for n of an unknown symbol.

    Where the tree does not say which are unknown (None), that is every request for n that the result lacks.
    """
    names = set(requests) - set(result) if unknown is None else set(unknown)
    return [
        request
        for request in requests.values()
        if not same(request.value, result.get(request.symbol)) or request.symbol in names
    ]


def chosen_later(request: Request, facts: Facts, requests: Mapping[str, Request]) -> bool:
    """Whether a later fragment asked for another member of the same choice, which overrides as a value would."""
    if request.value != "y" or not facts["choice"]:
        return False
    order = list(requests)
    later = [
        requests[member[2]]
        for member in facts["choice"]["members"]
        if level(member) == LEVELS["y"] and member[2] in requests
    ]
    return any(
        other.value == "y"
        and other.file != request.file
        and order.index(other.symbol) > order.index(request.symbol)
        for other in later
    )


def problem_of(request: Request, got: str | None, reason: Reason, *, optional: bool) -> Problem:
    """Return what to tell the user about a request that did not come out."""
    met = same(request.value, got)
    severity = "note" if optional else "warning" if met or reason.kind == "renamed" else "error"
    if met:
        message = f"{shown(request)} has no effect"
    elif got is None:
        message = f"{shown(request)} was requested, but is not in the final configuration"
    else:
        quoted = got if got.startswith('"') else f'"{got}"'
        message = f"{shown(request)} was requested, but the final configuration has {quoted}"
    return Problem(
        severity=severity,
        kind=reason.kind,
        message=message,
        symbol=request.symbol,
        file=request.file,
        line=request.line,
        wanted=request.value,
        got=got,
        reason=reason.text,
        details=reason.details,
    )


def explained(requests: Sequence[Request], lines: Iterable[str]) -> dict[str, Reason | Facts]:
    """Return what explain.c printed, by symbol: its facts, or why for one that the tree lacks."""
    parsed = [json.loads(line) for line in lines if line.strip()]
    names: list[str] = next((entry["names"] for entry in parsed if "names" in entry), [])
    known: dict[str, Reason | Facts] = {entry["symbol"]: entry for entry in parsed if "symbol" in entry}
    for entry in parsed:
        if "unknown" in entry:
            known[entry["unknown"]] = unknown_reason(entry["unknown"], mentioned=entry["mentioned"], names=names)
    silence = Reason(kind="unexplained", text="the tree's Kconfig code gives no reason")
    return {request.symbol: silence for request in requests} | known


def base_differences(
    name: str, base: Mapping[str, str], result: Mapping[str, str], asked: Iterable[str]
) -> list[Problem]:
    """Return the values of a base file that came out differently and that no fragment asked to change."""
    asked = set(asked)
    return [
        Problem(
            severity="warning",
            kind="base-changed",
            message=f"{PREFIX}{symbol}={value} of the base "
            + (f"became {result[symbol]}" if symbol in result else "is not in the final configuration"),
            symbol=symbol,
            file=name,
            wanted=value,
            got=result.get(symbol),
        )
        for symbol, value in base.items()
        if symbol not in asked and not same(value, result.get(symbol))
    ]


def unmet_selections(said: str) -> list[Problem]:
    """Return a warning for each symbol that Kconfig reports as selected against its own dependencies."""
    return [
        Problem(
            severity="warning",
            kind="unmet-selection",
            message=f"{PREFIX}{match[1]} was selected although its own dependencies are unmet",
            symbol=match[1],
            details=tuple(line.strip() for line in match[2].splitlines()),
        )
        for match in _UNMET_SELECTION.finditer(said)
    ]


def changed_since(report: Mapping[str, Any], result: Mapping[str, str]) -> list[Problem]:
    """Return what has another value than when the report was written."""
    problems = []
    for entry in report["requested"]:
        request = Request(**entry)
        before, now = report["result"][request.symbol], result.get(request.symbol)
        if before != now and not (before in (None, "n") and now in (None, "n")):
            problems.append(
                Problem(
                    severity="error",
                    kind="changed-later",
                    message=f"{PREFIX}{request.symbol} was configured as {before or 'n'} and is {now or 'n'} now",
                    symbol=request.symbol,
                    file=request.file,
                    line=request.line,
                    wanted=request.value,
                    got=now,
                    reason="`make` changed it: it needs the ARCH, compiler and variables that configured the tree",
                )
            )
    return problems


def report_of(
    requests: Mapping[str, Request], result: Mapping[str, str], problems: Sequence[Problem]
) -> dict[str, Any]:
    """Return the report as JSON data: requested, result (of what was requested), problems, ok."""
    return {
        "requested": [asdict(request) for request in requests.values()],
        "result": {symbol: result.get(symbol) for symbol in requests} if result else {},
        "problems": [asdict(problem) for problem in problems],
        "ok": not any(problem.severity == "error" for problem in problems),
    }


def unbuilt_modules(
    name: str,
    base: Mapping[str, int],
    requests: Mapping[str, Request],
    result: Mapping[str, str],
    optional: frozenset[str],
    *,
    wanted: bool,
) -> list[Problem]:
    """Return what to tell of modules that the configuration has, where none are built.

    `base` holds the lines of the symbols that the user's own base file makes modules, if `name` is such a file.
    `wanted` says whether the base is one that asks for drivers: what is a module by default only is a note.
    """
    modules = [symbol for symbol, value in result.items() if value == "m"]
    found = [
        Problem(
            severity="note" if symbol in optional else "error",
            kind="module-not-built",
            message=f"{shown(requests[symbol])} was requested, but no modules are built",
            symbol=symbol,
            file=requests[symbol].file,
            line=requests[symbol].line,
            wanted="m",
            got="m",
            reason=WAYS_TO_A_MODULE.format(symbol=f"{PREFIX}{symbol}"),
        )
        for symbol in modules
        if symbol in requests and requests[symbol].value == "m"
    ]
    others = [symbol for symbol in modules if symbol not in requests]
    return [*found, _others_not_built(name, base, others, wanted=wanted)] if others else found


def without_modules(requests: Mapping[str, Request], result: Mapping[str, str]) -> list[Problem]:
    """Return what to tell of a configuration that can have no modules, where modules are to be built."""
    if result.get("MODULES") == "y":
        return []
    request = requests.get("MODULES")
    return [
        Problem(
            severity="error",
            kind="modules-off",
            message="`modules: true` is set, but this configuration has no modules",
            symbol="MODULES",
            file=request.file if request else "",
            line=request.line if request else 0,
            wanted="y",
            got=result.get("MODULES"),
            reason=f"{PREFIX}MODULES=y in a fragment enables them; otherwise, remove `modules`.",
        )
    ]


def not_static(name: str, requests: Mapping[str, Request], result: Mapping[str, str]) -> list[Problem]:
    """Return what to tell of programs that would want a C library, where none is in the image.

    `name` is the base, which decides where no fragment does.
    """
    request = requests.get("STATIC")
    if result.get("STATIC") == "y":
        return []
    return [
        Problem(
            severity="error",
            kind="not-static",
            message="without CONFIG_STATIC=y, BusyBox needs a C library, and the image has none",
            symbol="STATIC",
            file=request.file if request else name,
            line=request.line if request else 0,
            wanted="y",
            got=result.get("STATIC"),
        )
    ]


def _others_not_built(name: str, base: Mapping[str, int], modules: Sequence[str], *, wanted: bool) -> Problem:
    """Return the warning about modules that no fragment asks for; one of the user's own base goes first."""
    first = next((symbol for symbol in modules if symbol in base), modules[0])
    more = [f"{PREFIX}{symbol}" for symbol in modules if symbol != first]
    count = f" (and {len(more)} more)" if more else ""
    also = ", ".join(more[:SHOWN_DIFFERENCES]) + (" ..." if more[SHOWN_DIFFERENCES:] else "")
    return Problem(
        severity="warning" if wanted else "note",
        kind="module-not-built",
        message=f"{PREFIX}{first}=m{count}, from the base or by default, has no effect: no modules are built",
        symbol=first,
        file=name if first in base else "",
        line=base.get(first, 0),
        wanted="m",
        got="m",
        reason=WAYS_TO_A_MODULE.format(symbol=f"{PREFIX}{first}"),
        details=(f"also: {also}",) if more else (),
    )


def _reason(problem: Problem) -> str:
    return problem.kind if problem.kind == "not-configured" else f"symbol-{problem.kind}"


def log_text(problems: Sequence[Problem]) -> str:
    """Return all problems as text for a build's log, in which `rootstream.engine.said` finds them.

    Of a base file's differences only the first few are in it.
    """
    changed = [problem for problem in problems if problem.kind == "base-changed"]
    told = [
        (problem.severity, _reason(problem), str(replace(problem, severity="error")))
        for problem in problems
        if problem.kind != "base-changed"
    ]
    if changed:
        values = f"{len(changed)} values" if changed[1:] else "one value"
        lines = [f"{changed[0].file}: {values} of the base have other values in the final configuration:"]
        lines += [f"    {problem.message}" for problem in changed[:SHOWN_DIFFERENCES]]
        if changed[SHOWN_DIFFERENCES:]:
            lines.append(f"    ... and {len(changed) - SHOWN_DIFFERENCES} more, listed in the report")
        told.append(("warning", "symbol-base-changed", "\n".join(lines)))
    lines = []
    for severity, kind, text in told:
        first, *rest = text.split("\n")
        lines += [f"rootstream: {severity} {kind}: {first}", *(f"rootstream:   {line}" for line in rest)]
    return "\n".join(lines)
