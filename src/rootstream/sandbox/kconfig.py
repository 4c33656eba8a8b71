"""Configure a Kconfig tree (Linux, BusyBox) from a base and fragments, and prove that it came out as asked.

Kconfig drops what it cannot set without a word. Here every request is compared with the resulting .config, and
the tree's own Kconfig code explains each difference (kconfig_explain.c, compiled only when there is one). Runs in
the build sandbox as `python3 -m rootstream.sandbox.kconfig`, on the standard library. RULES below is its --help.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rootstream.sandbox.kconfig_facts import LEVELS, Facts, Reason, described, level, reason_for, unknown_reason
from rootstream.sandbox.kconfig_fragment import (
    PREFIX,
    Problem,
    Request,
    config_values,
    fragment_requests,
    last_requests,
    same,
    shown,
)
from rootstream.sandbox.kconfig_tree import (
    KconfigError,
    Tree,
    complete,
    explain,
    make_base,
    read_text,
    says_unknown,
)

RULES = """\
The base is where to start from: `make BASE`, or with file:PATH a complete configuration of the user's. The
fragments are what must hold. They are laid over the base in their order, the later one wins, and `olddefconfig`
completes the rest. Each symbol that a fragment names is then compared with the result. A dropped or changed one
is an error (exit status 2), for a symbol named by --optional a note. `# CONFIG_X is not set` and `CONFIG_X=n`
ask for n, which a symbol that is hidden or not in the tree has as well; the latter is a warning.

A base given as file is not held to that: as with `cp old.config .config && make olddefconfig` it may come from
another version, whose symbols are expected to come and go. What came out differently is counted in a warning
and listed in the report. What must hold belongs in a fragment.
"""

SHOWN_DIFFERENCES = 10
_UNKNOWN = re.compile(r"warning: (?:unknown symbol:|trying to assign nonexistent symbol) (\w+)", re.ASCII)
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
        message = f"{shown(request)} asks for nothing"
    elif got is None:
        message = f"{shown(request)} was asked for, but it is not in the result"
    else:
        quoted = got if got.startswith('"') else f'"{got}"'
        message = f"{shown(request)} was asked for, the result has {quoted}"
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
    """Return what kconfig_explain.c printed, by symbol: its facts, or why for one that the tree lacks."""
    parsed = [json.loads(line) for line in lines if line.strip()]
    names: list[str] = next((entry["names"] for entry in parsed if "names" in entry), [])
    known: dict[str, Reason | Facts] = {entry["symbol"]: entry for entry in parsed if "symbol" in entry}
    for entry in parsed:
        if "unknown" in entry:
            known[entry["unknown"]] = unknown_reason(entry["unknown"], mentioned=entry["mentioned"], names=names)
    missing = [request.symbol for request in requests if request.symbol not in known]
    if missing:
        raise KconfigError(f"the tree's Kconfig code said nothing about {', '.join(missing)}")
    return known


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
            + (f"became {result[symbol]}" if symbol in result else "is not in the result"),
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


def configure(
    tree: Tree, base: str, fragments: Sequence[tuple[str, Path]], optional: frozenset[str]
) -> tuple[dict[str, Request], dict[str, str], list[Problem]]:
    """Configure the tree; return the requests that hold, the result and all problems."""
    asked: list[Request] = []
    problems: list[Problem] = []
    for name, path in fragments:
        requests, wrong = fragment_requests(name, read_text(path))
        asked += requests
        problems += wrong
    holding = last_requests(asked)
    if any(problem.severity == "error" for problem in problems):
        return holding, {}, problems
    make_base(tree, base)
    before = config_values(read_text(tree.config)) if base.startswith("file:") else {}
    said = complete(tree, holding)
    result = config_values(read_text(tree.config))
    unknown = _UNKNOWN.findall(said) if says_unknown(tree) else None
    wanting = doubtful(holding, result, unknown)
    problems += _explained_problems(tree, wanting, holding, result, optional)
    problems += unmet_selections(said)
    problems += base_differences(base[5:], before, result, holding)
    return holding, result, problems


def _explained_problems(
    tree: Tree,
    requests: Sequence[Request],
    holding: Mapping[str, Request],
    result: Mapping[str, str],
    optional: frozenset[str],
) -> list[Problem]:
    if not requests:
        return []
    try:
        known = explained(requests, explain(tree, [request.symbol for request in requests]))
    except KconfigError as error:
        nothing = Reason(kind="unexplained", text=f"the tree's Kconfig code could not be asked why: {error}")
        known = {request.symbol: nothing for request in requests}
    others = {name: facts for name, facts in known.items() if not isinstance(facts, Reason)}
    problems = []
    for request in requests:
        got = result.get(request.symbol)
        about = known[request.symbol]
        if not isinstance(about, Reason):
            if same(request.value, got):
                continue
            if chosen_later(request, about, holding):
                continue
            about = reason_for(request.value, got, about, others)
        problems.append(problem_of(request, got, about, optional=request.symbol in optional))
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


def message_of(problems: Sequence[Problem]) -> str:
    """Return all problems as text; of a base file's differences only the first few."""
    shown_ones = [problem for problem in problems if problem.kind != "base-changed"]
    changed = [problem for problem in problems if problem.kind == "base-changed"]
    lines = [str(problem) for problem in shown_ones]
    if changed:
        lines.append(f"{changed[0].file}: warning: {len(changed)} values of the base came out differently:")
        lines += [f"    {problem.message}" for problem in changed[:SHOWN_DIFFERENCES]]
        if changed[SHOWN_DIFFERENCES:]:
            lines.append(f"    ... and {len(changed) - SHOWN_DIFFERENCES} more, listed in the report")
    return "\n".join(lines)


def _pair(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not SHOWN_NAME=PATH")
    return name, Path(path)


def _make_word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*\+?=.*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return text


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="kconfig.py", description=RULES, formatter_class=form)
    verbs = parser.add_subparsers(dest="verb", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--kind", choices=("linux", "busybox"), required=True)
    common.add_argument("--tree", type=Path, required=True)
    common.add_argument("--output", type=Path, help="folder to build in (default: the tree)")
    common.add_argument("--arch", help="ARCH of make, such as x86")
    common.add_argument("--make-arg", type=_make_word, action="append", default=[], metavar="NAME=VALUE")
    verb = verbs.add_parser("configure", parents=[common], description=RULES, formatter_class=form)
    verb.add_argument("--base", required=True, help="a target of make such as tinyconfig, or file:PATH")
    verb.add_argument("--fragment", type=_pair, action="append", default=[], metavar="SHOWN_NAME=PATH")
    verb.add_argument("--optional", action="append", default=[], metavar="SYMBOL")
    verb.add_argument("--report", type=Path, help="write requests, results and problems to this JSON file")
    verb = verbs.add_parser("explain", parents=[common], help="print what a configured tree says about symbols")
    verb.add_argument("--symbol", action="append", required=True)
    return parser


def _tree(options: argparse.Namespace) -> Tree:
    source = options.tree.resolve()
    if not (source / "scripts/kconfig").is_dir():
        raise KconfigError(f"{options.tree} is no source tree of {options.kind}: it has no scripts/kconfig")
    words = ([f"ARCH={options.arch}"] if options.arch else []) + options.make_arg
    objects = options.output.resolve() if options.output else source
    return Tree(kind=options.kind, source=source, objects=objects, make_words=tuple(words))


def _bare(symbol: str) -> str:
    return symbol.removeprefix(PREFIX)


def configure_verb(options: argparse.Namespace) -> int:
    """Configure, print the problems on stderr, write the report; return the exit status."""
    optional = frozenset(_bare(symbol) for symbol in options.optional)
    requests, result, problems = configure(_tree(options), options.base, options.fragment, optional)
    report = report_of(requests, result, problems)
    if options.report:
        options.report.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", "utf-8")
    if problems:
        print(message_of(problems), file=sys.stderr)
    return 0 if report["ok"] else 2


def explain_verb(options: argparse.Namespace) -> int:
    """Print what the tree says about symbols; return the exit status."""
    tree = _tree(options)
    if not tree.config.exists():
        raise KconfigError(f"{tree.objects} is not configured yet: it has no .config")
    for line in explain(tree, [_bare(symbol) for symbol in options.symbol]):
        facts = json.loads(line)
        if facts.get("symbol") in {_bare(symbol) for symbol in options.symbol}:
            print(described(facts))
        elif "unknown" in facts:
            reason = unknown_reason(facts["unknown"], mentioned=facts["mentioned"], names=())
            print(f"{PREFIX}{facts['unknown']}: {reason.text}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit status is 0, or 2 when the user has to act."""
    options = _parser().parse_args(argv)
    try:
        return configure_verb(options) if options.verb == "configure" else explain_verb(options)
    except KconfigError as error:
        print(f"kconfig: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
