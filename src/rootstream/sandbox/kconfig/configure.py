"""Configure a Kconfig tree (Linux, BusyBox) from a base and fragments, and prove that it came out as asked.

Kconfig drops what it cannot set without a word. Here every request is compared with the resulting .config, and
the tree's own Kconfig code explains each difference (explain.c, compiled only when there is one). Runs in
the build sandbox as `python3 -m rootstream.sandbox.kconfig.configure`, on the standard library.
RULES below is its --help.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rootstream.formats.kconfig.facts import Reason, described, reason_for, unknown_reason
from rootstream.formats.kconfig.fragment import (
    PREFIX,
    Problem,
    Request,
    config_values,
    fragment_requests,
    last_requests,
    same,
)
from rootstream.formats.kconfig.report import (
    UNKNOWN,
    base_differences,
    changed_since,
    chosen_later,
    doubtful,
    explained,
    log_text,
    not_static,
    problem_of,
    report_of,
    unbuilt_modules,
    unmet_selections,
    without_modules,
)
from rootstream.sandbox.kconfig.tree import (
    SMALLEST_BASES,
    KconfigError,
    KconfigTree,
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

`make` completes the configuration once more when it builds, and changes it without a word if it is given another
compiler or architecture than here: `check` compares the .config with the report afterwards.
"""

MODULE = re.compile(rf"{PREFIX}(\w+)=m", re.ASCII)


def configure(
    tree: KconfigTree,
    base: str,
    fragments: Sequence[tuple[str, Path]],
    optional: frozenset[str],
    *,
    shown_base: str = "",
    modules: bool | None = None,
    static: bool = False,
) -> tuple[dict[str, Request], dict[str, str], list[Problem]]:
    """Configure the tree; return the requests that hold, the result and all problems.

    `shown_base` is how messages call a base that is a file. `modules` says whether modules are built, where there
    are some; with `static` no C library is in an image.
    """
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
    unknown = UNKNOWN.findall(said) if says_unknown(tree) else None
    wanting = doubtful(holding, result, unknown)
    problems += _explained_problems(tree, wanting, holding, result, optional)
    problems += unmet_selections(said)
    problems += base_differences(shown_base or base[5:], before, result, holding)
    if static:
        problems += not_static(shown_base or base, holding, result)
    if modules:
        problems += without_modules(holding, result)
    if modules is False:
        lines = module_lines(base[5:]) if base.startswith("file:") else {}
        wanted = base not in SMALLEST_BASES
        problems += unbuilt_modules(shown_base or base[5:], lines, holding, result, optional, wanted=wanted)
    return holding, result, problems


def module_lines(path: str) -> dict[str, int]:
    """Return the lines of a configuration that make a symbol a module, by symbol."""
    found = enumerate(read_text(Path(path)).split("\n"), start=1)
    return {match[1]: number for number, line in found if (match := MODULE.fullmatch(line))}


def _explained_problems(
    tree: KconfigTree,
    requests: Sequence[Request],
    holding: Mapping[str, Request],
    result: Mapping[str, str],
    optional: frozenset[str],
) -> list[Problem]:
    if not requests:
        return []
    problems: list[Problem] = []
    try:
        known = explained(requests, explain(tree, [request.symbol for request in requests]))
    except (KconfigError, ValueError) as error:
        message = f"no reasons can be given, because the tree's Kconfig code could not be run: {error}"
        problems.append(Problem(severity="warning", kind="no-reasons", message=message))
        known = {request.symbol: Reason(kind="unexplained", text="") for request in requests}
    others = {name: facts for name, facts in known.items() if not isinstance(facts, Reason)}
    for request in requests:
        got = result.get(request.symbol)
        about = known[request.symbol]
        if not isinstance(about, Reason):
            if same(request.value, got) or chosen_later(request, about, holding):
                continue
            about = reason_for(request.value, got, about, others)
        elif same(request.value, got) and about.kind != "unknown":
            continue
        problems.append(problem_of(request, got, about, optional=request.symbol in optional))
    return problems


def _pair(text: str) -> tuple[str, Path]:
    name, _, path = text.rpartition("=")  # the name is the user's and may have more of them
    if not (name and path):
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
    verb.add_argument("--shown-base", default="", help="how messages call a base that is a file")
    verb.add_argument(
        "--modules",
        action=argparse.BooleanOptionalAction,
        help="modules are built, or not: then one is in no image",
    )
    verb.add_argument("--static", action="store_true", help="no C library is in the image")
    verb.set_defaults(run=configure_verb)
    verb = verbs.add_parser("explain", parents=[common], help="print what a configured tree says about symbols")
    verb.add_argument("--symbol", action="append", required=True)
    verb.set_defaults(run=explain_verb)
    verb = verbs.add_parser("check", help="compare a .config with the report: has `make` changed it since?")
    verb.add_argument("--report", type=Path, required=True)
    verb.add_argument("--config", type=Path, required=True)
    verb.set_defaults(run=check_verb)
    return parser


def _tree(options: argparse.Namespace) -> KconfigTree:
    source = options.tree.resolve()
    if not (source / "scripts/kconfig").is_dir():
        raise KconfigError(f"{options.tree} is not a source tree of {options.kind}: it has no scripts/kconfig")
    words = ([f"ARCH={options.arch}"] if options.arch else []) + options.make_arg
    objects = options.output.resolve() if options.output else source
    return KconfigTree(kind=options.kind, source=source, objects=objects, make_words=tuple(words))


def _bare(symbol: str) -> str:
    return symbol.removeprefix(PREFIX)


def configure_verb(options: argparse.Namespace) -> int:
    """Configure, print the problems on stderr, write the report; return the exit status."""
    optional = frozenset(_bare(symbol) for symbol in options.optional)
    requests: dict[str, Request] = {}
    result: dict[str, str] = {}
    try:
        requests, result, problems = configure(
            _tree(options),
            options.base,
            options.fragment,
            optional,
            shown_base=options.shown_base,
            modules=options.modules,
            static=options.static,
        )
    except KconfigError as error:
        problems = [Problem(severity="error", kind="not-configured", message=str(error))]
    report = report_of(requests, result, problems)
    if options.report:
        options.report.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", "utf-8")
    if problems:
        print(log_text(problems), file=sys.stderr)
    return 0 if report["ok"] else 2


def check_verb(options: argparse.Namespace) -> int:
    """Compare a .config with the report of its configuration; return the exit status."""
    try:
        report = json.loads(read_text(options.report))
        problems = changed_since(report, config_values(read_text(options.config)))
    except (ValueError, KeyError, TypeError) as error:
        raise KconfigError(f"{options.report} is not a report of `configure`: {error}") from error
    if problems:
        print(log_text(problems), file=sys.stderr)
    return 2 if problems else 0


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
        return int(options.run(options))
    except KconfigError as error:
        problem = Problem(severity="error", kind="not-configured", message=str(error))
        print(log_text([problem]), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
