"""Configure a Kconfig tree (Linux, BusyBox) from a base and fragments, and prove that it came out as asked.

Kconfig drops what it cannot set without a word. Here every request is compared with the resulting .config, and
the tree's own Kconfig code explains each difference (kconfig_explain.c, compiled only when there is one). It is
copied into the build sandbox and run there: one file, on the standard library alone. RULES below is its --help.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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

PREFIX = "CONFIG_"
LEVELS = {"n": 0, "m": 1, "y": 2}
LETTERS = "nmy"
PLAIN_BASES = ("tinyconfig", "defconfig", "allnoconfig", "alldefconfig", "allmodconfig", "allyesconfig")
OLD_BASES = ("defconfig", "allnoconfig", "allyesconfig")
# they would send conf to another file or another set of answers than the one given here
FOREIGN = frozenset(
    {
        *("ARCH", "CONFIG_", "KBUILD_DEFCONFIG", "KBUILD_KCONFIG", "KBUILD_OUTPUT", "O"),
        *("KCONFIG_ALLCONFIG", "KCONFIG_CONFIG", "KCONFIG_DEFCONFIG_LIST", "KCONFIG_NOTIMESTAMP"),
        *("KCONFIG_OVERWRITECONFIG", "KCONFIG_WERROR"),
    }
)
TIMEOUT = 600.0
SHOWN_DIFFERENCES = 10
ENVIRONMENT = ".kconfig-environment"

_REQUEST = re.compile(r"CONFIG_(\w+)=(.*)", re.ASCII)
_UNSET = re.compile(r"# CONFIG_(\w+) is not set", re.ASCII)
_NEARLY_UNSET = re.compile(r"#\s*CONFIG_\w+\s+is\s+not\s+set\b", re.ASCII | re.IGNORECASE)
_VALUE = re.compile(r'[ymn]|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"', re.ASCII)
_NUMBER = re.compile(r"-?\d+|0[xX][0-9a-fA-F]+", re.ASCII)
_BARE_HEX = re.compile(r"[0-9a-fA-F]+", re.ASCII)
_UNKNOWN = re.compile(r"warning: (?:unknown symbol:|trying to assign nonexistent symbol) (\w+)", re.ASCII)
_UNMET_SELECTION = re.compile(r"unmet direct dependencies detected for (\w+)\n((?:  .*\n?)*)", re.ASCII)

Facts = Mapping[str, Any]  # one line of kconfig_explain.c


class KconfigError(Exception):
    """The tree could not be configured at all; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a fragment asks of a symbol; `value` is n, m, y, a number, or a string with its quotes."""

    symbol: str
    value: str
    file: str
    line: int


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


# --- fragments and .config files, as text


def fragment_requests(name: str, text: str) -> tuple[list[Request], list[Problem]]:
    """Return the requests of a fragment in their order, and what is wrong with its lines.

    The format is that of `conf_read_simple` in scripts/kconfig/confdata.c without its leniency: what that would
    skip or cut off is an error here.
    """
    requests: list[Request] = []
    problems: list[Problem] = []
    seen: dict[str, Request] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            request = _line_request(name, number, line.rstrip())
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


def _line_request(name: str, number: int, line: str) -> Request | None:
    if not line.strip():
        return None
    if match := _UNSET.fullmatch(line):
        return Request(symbol=match[1], value="n", file=name, line=number)
    if line.startswith("#"):
        if _NEARLY_UNSET.match(line):
            raise ValueError(f'{line!r} is only a comment; the form is "# CONFIG_NAME is not set", nothing more')
        return None
    match = _REQUEST.fullmatch(line)
    if not match:
        raise ValueError(f'{line!r} is neither "CONFIG_NAME=value" nor "# CONFIG_NAME is not set" nor a comment')
    symbol, value = match[1], match[2]
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"{value!r} is no value for {PREFIX}{symbol}: y, m, n, a number, 0x and hex digits, or a string in"
            " double quotes, with nothing after it"
        )
    return Request(symbol=symbol, value=value, file=name, line=number)


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
    return f"{PREFIX}{request.symbol}={request.value}"


def config_values(text: str) -> dict[str, str]:
    """Return the values of a .config as Kconfig writes it, those that are not set as n."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        if match := _REQUEST.fullmatch(line):
            values[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line):
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


def merged(base: str, requests: Mapping[str, Request], *, old: bool) -> str:
    """Return the base's text with the requests laid over it.

    When two members of a choice are y, the newer Kconfig takes the last and the old one the first, hence the
    order. What the requests replace is left out, so nothing is assigned twice.
    """
    kept = [
        line
        for line in base.splitlines()
        if not ((match := _REQUEST.fullmatch(line) or _UNSET.fullmatch(line)) and match[1] in requests)
    ]
    asked = [
        f"# {PREFIX}{request.symbol} is not set" if request.value == "n" else shown(request)
        for request in requests.values()
    ]
    return "\n".join([*reversed(asked), *kept] if old else [*kept, *asked]) + "\n"


# --- expressions of Kconfig, as kconfig_explain.c gives them


def expression(tree: Any, outer: str = "") -> str:  # noqa: ANN401  (checked JSON of our own program)
    """Return an expression as text with the present value of each symbol, the way menuconfig shows it."""
    if tree is None:
        return "y"
    operator = tree[0]
    if operator == "sym":
        return _symbol_text(tree)
    if operator == "not":
        return f"!{expression(tree[2], 'not')}"
    if operator in ("and", "or"):
        sign = " && " if operator == "and" else " || "
        text = sign.join(expression(part, operator) for part in tree[2] if not _is_choice(part))
        return text if outer in ("", operator) or (operator, outer) == ("and", "or") else f"({text})"
    text = f"{expression(tree[2])}{operator}{expression(tree[3])}"
    return f"({text})" if outer == "not" else text


def _symbol_text(tree: Any) -> str:  # noqa: ANN401
    _, _, name, kind, value = tree
    if name in LEVELS or _NUMBER.fullmatch(name):
        return str(name)
    if kind == "constant":
        return f'"{name}"'
    return f"{name} [not in this tree]" if kind == "unknown" else f"{name} [={value}]"


def _is_choice(tree: Any) -> bool:  # noqa: ANN401
    return tree is not None and tree[0] == "sym" and tree[2] == "<choice>"


def level(tree: Any) -> int:  # noqa: ANN401
    """Return the value of an expression as the tree's code computed it: 0 n, 1 m, 2 y."""
    return 2 if tree is None else int(tree[1])


def unmet(tree: Any, wanted: int) -> list[Any]:  # noqa: ANN401
    """Return the parts, joined by &&, that keep an expression below a value."""
    if tree is None or level(tree) >= wanted:
        return []
    return [part for part in tree[2] if level(part) < wanted] if tree[0] == "and" else [tree]


def alternatives(tree: Any) -> list[Any]:  # noqa: ANN401
    """Return the parts of an expression that || joins."""
    if tree is None:
        return []
    return list(tree[2]) if tree[0] == "or" else [tree]


def symbols_of(tree: Any) -> list[str]:  # noqa: ANN401
    """Return the symbols named in an expression, but for constants."""
    if tree is None:
        return []
    if tree[0] == "sym":
        return [] if tree[3] == "constant" or tree[2] == "<choice>" else [tree[2]]
    parts = tree[2] if tree[0] in ("and", "or") else tree[2:]
    return [name for part in parts for name in symbols_of(part)]


# --- why a request did not come out


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a symbol has not the value asked for; `kind` is one of the words in `reason_for`."""

    kind: str
    text: str
    details: tuple[str, ...] = ()


def reason_for(wanted: str, got: str | None, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    """Say why, from what the tree knows of the symbol (`facts`) and of those that it depends on (`others`).

    Kinds: type, no-modules, renamed, dependency, hidden, no-prompt, selected, choice, range, unexplained.
    """
    kind = str(facts["type"])
    if facts.get("transitional"):
        return Reason(kind="renamed", text="it is an old name that only hands its value on to another symbol")
    if not _fits(kind, wanted):
        return Reason(kind="type", text=f"it is of type {kind}, which {wanted} does not fit ({facts['where']})")
    if kind in ("bool", "tristate"):
        return _switch_reason(LEVELS[wanted], LEVELS.get(got or "n", 0), facts, others)
    return _value_reason(wanted, facts, others)


def _fits(kind: str, wanted: str) -> bool:
    if kind in ("bool", "tristate"):
        return wanted in (("y", "n") if kind == "bool" else LEVELS)
    if kind == "string":
        return wanted.startswith('"')
    pattern = r"-?(0|[1-9]\d*)" if kind == "int" else r"(0[xX])?[0-9a-fA-F]+"
    return re.fullmatch(pattern, wanted, re.ASCII) is not None


def _switch_reason(wanted: int, got: int, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    visible = max((int(prompt["value"]) for prompt in facts["prompts"]), default=0)
    if wanted < got and facts["selected"] and level(facts["selected"]) > wanted:
        reason = _selected_reason(wanted, facts)
    elif not facts["prompts"]:
        reason = _promptless_reason(facts)
    elif wanted > got and visible < wanted:
        reason = _dependency_reason("dependency", wanted, facts, others)
    elif wanted < got and visible == 0:
        reason = _dependency_reason("hidden", 1, facts, others)
    elif wanted == LEVELS["m"] and facts["type"] == "tristate" and not facts["modules"]:
        reason = Reason(kind="no-modules", text="m is not possible: MODULES [=n], so it became y")
    elif facts["choice"]:
        reason = _choice_reason(wanted, facts)
    else:
        reason = _unexplained(facts)
    return reason


def _unexplained(facts: Facts) -> Reason:
    return Reason(kind="unexplained", text=f"nothing in {facts['where']} forbids it")


def _value_reason(wanted: str, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    if not facts["prompts"]:
        return _promptless_reason(facts)
    if max(int(prompt["value"]) for prompt in facts["prompts"]) == 0:
        return _dependency_reason("dependency", 2, facts, others)
    if facts["range"] and not wanted.startswith('"'):
        low, high = (expression(bound) for bound in facts["range"])
        return Reason(kind="range", text=f"it may be {low} to {high} ({facts['where']})")
    return _unexplained(facts)


def _dependency_reason(kind: str, wanted: int, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    prompt = min(facts["prompts"], key=lambda each: len(unmet(each["if"], wanted)))
    missing = unmet(prompt["if"], wanted)
    begin = "can only be changed with" if kind == "hidden" else "depends on"
    details = ["unmet: " + ", ".join(expression(part, "and") for part in missing)]
    details += _further(missing, wanted, others)
    text = f"{begin} {expression(prompt['if'])} ({prompt['where']})"
    return Reason(kind=kind, text=text, details=tuple(details))


def _further(missing: Sequence[Any], wanted: int, others: Mapping[str, Facts]) -> list[str]:
    """Follow what is missing to the symbols that a user can set, each once, at most eight of them."""
    lines: list[str] = []
    waiting = [name for part in missing if part[0] in ("sym", "or", "and") for name in symbols_of(part)]
    seen: set[str] = set()
    while waiting and len(lines) < 8:  # noqa: PLR2004
        name = waiting.pop(0)
        if name in seen or name not in others:
            continue
        seen.add(name)
        facts = others[name]
        if LEVELS.get(str(facts["value"]), 2) >= wanted:
            continue
        if not facts["prompts"]:
            lines.append(f"{name} has no prompt; {_selectors(facts) or 'nothing selects it'}")
            continue
        prompt = min(facts["prompts"], key=lambda each: len(unmet(each["if"], wanted)))
        parts = unmet(prompt["if"], wanted)
        if parts:
            lines.append(f"{name} in turn needs " + " && ".join(expression(part, "and") for part in parts))
            waiting += [other for part in parts for other in symbols_of(part)]
        else:
            lines.append(f"{name} can be set: {prompt['text']!r} ({prompt['where']})")
    return lines


def _selected_reason(wanted: int, facts: Facts) -> Reason:
    active = [expression(part) for part in alternatives(facts["selected"]) if level(part) > wanted]
    more = f" (and {len(active) - 4} more)" if active[4:] else ""
    return Reason(
        kind="selected",
        text="selected by " + ", and by ".join(active[:4]) + more,
        details=("a selected symbol cannot be turned off while those that select it are on",),
    )


def _selectors(facts: Facts) -> str:
    # the first symbol of each alternative is the one that selects, the rest its conditions
    parts = [part[2][0] if part[0] == "and" else part for part in alternatives(facts["selected"])]
    texts = [expression(part) for part in sorted(parts, key=level, reverse=True)]
    more = f" and {len(texts) - 6} more" if texts[6:] else ""
    return "it comes with what selects it: " + ", ".join(texts[:6]) + more if texts else ""


def _promptless_reason(facts: Facts) -> Reason:
    text = f"it has no prompt, so it cannot be set by hand ({facts['where']})"
    details = []
    for default in facts["defaults"]:
        condition = "" if default["if"] is None else f" if {expression(default['if'])}"
        details.append(f"default {expression(default['to'])}{condition}")
    details += [_selectors(facts)] if facts["selected"] else []
    if not details:
        details.append("nothing selects it and it has no default")
    return Reason(kind="no-prompt", text=text, details=tuple(details[:8]))


def _choice_reason(wanted: int, facts: Facts) -> Reason:
    choice = facts["choice"]
    chosen = [member[2] for member in choice["members"] if member[1] == 2]  # noqa: PLR2004  (y)
    names = ", ".join(f"{member[2]} [={LETTERS[member[1]]}]" for member in choice["members"])
    title = f"the choice {choice['prompt']!r}" if choice["prompt"] else "a choice"
    if wanted:
        text = f"{title} has one member only, and that is {' '.join(chosen) or 'none'}"
    else:
        text = f"{title} needs one member; ask for another one of them to be y"
    return Reason(kind="choice", text=text, details=(f"members: {names}",))


def unknown_reason(symbol: str, *, mentioned: bool, names: Sequence[str]) -> Reason:
    """Say that a symbol is not in the tree, with the names nearest to it."""
    upper = {name.upper(): name for name in names}
    near = [upper[name] for name in difflib.get_close_matches(symbol.upper(), list(upper), n=3, cutoff=0.75)]
    text = "there is no such symbol in this tree for this architecture"
    if mentioned:
        text += " (others depend on it, but nothing defines it)"
    details = ("nearest: " + ", ".join(PREFIX + name for name in near),) if near else ()
    return Reason(kind="unknown", text=text, details=details)


# --- the comparison


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


# --- the tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A source tree, the folder that it is built in, and the words that `make` gets."""

    kind: str
    source: Path
    objects: Path
    make_words: tuple[str, ...]

    @property
    def old(self) -> bool:
        """Whether it has the Kconfig of 2006, as BusyBox does."""
        return self.kind == "busybox"

    @property
    def config(self) -> Path:
        """The resulting configuration."""
        return self.objects / ".config"

    @property
    def kconfig(self) -> str:
        """The Kconfig file that the tree begins with."""
        words = [word.partition("=")[2] for word in self.make_words if word.startswith("KBUILD_KCONFIG=")]
        return words[-1] if words else "Config.in" if self.old else "Kconfig"

    def make(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run make in the tree, return what it said on stderr."""
        where = () if self.objects == self.source else (f"O={self.objects}",)
        argv = ["make", "-s", "-C", str(self.source), *where, *self.make_words, *words]
        return run(argv, cwd=self.source, env={**clean_environment(), **(env or {})}).stderr


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would lead Kconfig astray."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"LC_ALL": "C"}


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program with closed stdin; KconfigError with the end of its output when it fails."""
    paste = f"cd {shlex.quote(str(cwd))} && {shlex.join(argv)}"
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise KconfigError(f"{argv[0]} is missing in this sandbox") from error
    except subprocess.TimeoutExpired as error:
        raise KconfigError(f"{argv[0]} did not end within {TIMEOUT:g} seconds: {paste}") from error
    if done.returncode != 0:
        output = (done.stdout[-2000:] + done.stderr).rstrip().split("\n")[-20:]
        raise KconfigError("\n  | ".join([f"exit status {done.returncode} from: {paste}", *output]))
    return done


def make_base(tree: Tree, base: str) -> None:
    """Write the base to .config; KconfigError for one that there is not."""
    if base.startswith("file:"):
        tree.objects.mkdir(parents=True, exist_ok=True)
        tree.config.write_bytes(_read(Path(base[5:])))
        if tree.old:
            tree.make("scripts/kconfig/conf", "gen_build_files")
        return
    plain = OLD_BASES if tree.old else PLAIN_BASES
    if base not in plain and not re.fullmatch(r"(?:\w[\w.+-]*/)*\w[\w.+-]*_defconfig", base, re.ASCII):
        raise KconfigError(f"unknown base {base!r}: one of {', '.join(plain)}, NAME_defconfig, file:PATH")
    tree.objects.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        tree.config.unlink()
    tree.make(base)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KconfigError(f"{path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """Return the text of a file whatever its encoding; KconfigError if it cannot be read."""
    return _read(path).decode("utf-8", "surrogateescape")


def complete(tree: Tree, requests: Mapping[str, Request]) -> str:
    """Lay the requests over .config and let Kconfig complete it; return what it said on stderr.

    The old Kconfig has no olddefconfig, but its `conf -D FILE` reads a file and takes the default of all else,
    which is the same; its `make` targets would also sleep a second.
    """
    text = merged(read_text(tree.config), requests, old=tree.old)
    tree.config.write_text(text, "utf-8", errors="surrogateescape")
    if tree.old:
        conf = str(tree.objects / "scripts/kconfig/conf")
        env = {**clean_environment(), "srctree": str(tree.source)}
        return run([conf, "-D", ".config", "Config.in"], cwd=tree.objects, env=env).stderr
    return tree.make("olddefconfig", env={"KCONFIG_WARN_UNKNOWN_SYMBOLS": "1"})


def says_unknown(tree: Tree) -> bool:
    """Whether the tree's Kconfig can name unknown symbols by itself (Linux 6.6, and 6.1's stable releases)."""
    return tree.old or b"KCONFIG_WARN_UNKNOWN_SYMBOLS" in _read(tree.source / "scripts/kconfig/confdata.c")


def explain(tree: Tree, symbols: Sequence[str]) -> list[str]:
    """Return the lines of kconfig_explain.c about some symbols and those that they depend on."""
    env = explain_environment(tree)
    work = tree.objects / ".kconfig-explain"
    work.mkdir(exist_ok=True)
    try:
        program = work / "explain"
        run(compile_command(tree, program, env.get("HOSTCC") or "cc"), cwd=tree.objects, env=env)
        run([str(program), tree.kconfig, ".config", str(work / "out"), *symbols], cwd=tree.objects, env=env)
        return read_text(work / "out").splitlines()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def compile_command(tree: Tree, program: Path, compiler: str) -> list[str]:
    """Return the command that links kconfig_explain.c with what the tree's `conf` was linked with."""
    linked = _read(tree.objects / "scripts/kconfig/.conf.cmd").decode().split("\n", 1)[0]
    objects = re.findall(r"scripts/kconfig/[\w.-]+\.o", linked.partition(":=")[2])
    header = _read(tree.source / "scripts/kconfig/expr.h")
    defines = ["-DOLD_KCONFIG"] if tree.old else []
    if re.search(rb"const char \*filename;", header):
        defines.append("-DPROPERTY_FILENAME")
    folders = [f"-I{tree.source / name}" for name in ("scripts/kconfig", "scripts/include")]
    source = Path(__file__).resolve().with_name("kconfig_explain.c")
    used = [each for each in objects if each != "scripts/kconfig/conf.o"]
    return [*shlex.split(compiler), "-w", *defines, *folders, "-o", str(program), str(source), *used]


def explain_environment(tree: Tree) -> dict[str, str]:
    """Return the environment that the tree's `make` gives to `conf`: compiler, architecture, version and more.

    A Kconfig file with a shell macro in it has `conf` write down its own environment (Linux 4.18 and later).
    """
    if tree.old:
        return {**clean_environment(), "srctree": str(tree.source)}
    probe = tree.objects / f"{ENVIRONMENT}.in"
    noted = tree.objects / ENVIRONMENT
    try:
        probe.write_text(f"$(shell,env -0 > {noted.name})\n", "ascii")
        tree.make("listnewconfig", f"KBUILD_KCONFIG={probe.name}")
        pairs = (entry.partition("=") for entry in read_text(noted).split("\0") if entry)
        return {name: value for name, _, value in pairs if name != "KBUILD_KCONFIG"}
    finally:
        for path in (probe, noted):
            path.unlink(missing_ok=True)


# --- the program


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


def described(facts: Facts) -> str:
    """Return what the tree knows about a symbol as text."""
    lines = [f"{PREFIX}{facts['symbol']} ({facts['type']}) [={facts['value']}]  {facts['where']}"]
    lines += [f"  prompt {each['text']!r} {_condition(each)} ({each['where']})" for each in facts["prompts"]]
    if not facts["prompts"]:
        lines.append("  no prompt: it cannot be set by hand")
    lines += [f"  default {expression(each['to'])} {_condition(each)}" for each in facts["defaults"]]
    for word in ("selected", "implied"):
        active = [part for part in alternatives(facts.get(word)) if level(part)]
        lines += [f"  {word} by {expression(part)}" for part in active]
    if facts["choice"]:
        lines.append(f"  {_choice_reason(1, facts).details[0]}")
    return "\n".join(lines)


def _condition(entry: Facts) -> str:
    condition = "" if entry["if"] is None else f"if {expression(entry['if'])} "
    return condition + ("(in force)" if entry["value"] else "(not in force)")


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
