"""Whether the kernel, BusyBox or a boot loader came out as fragments ask, once Buildroot has configured it.

    python3 -m rootstream.sandbox.buildroot.requests FOLDER REQUESTS

FOLDER is the package's build folder, REQUESTS a JSON file: `kind` of Kconfig, `fragments` as pairs of the name to
show and the file, `optional` symbols, and `make_words` for the package's make. What did not come out is told with
its reason; a request that is not optional makes the build fail, before anything is compiled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from rootstream.formats.kconfig.facts import Reason, reason_for
from rootstream.formats.kconfig.fragment import (
    Problem,
    Request,
    config_values,
    fragment_requests,
    last_requests,
    same,
)
from rootstream.formats.kconfig.report import chosen_later, doubtful, explained, log_text, problem_of
from rootstream.sandbox.kconfig.tree import KconfigError, KconfigTree, explain, read_text


def requests_of(fragments: Iterable[tuple[str, Path]]) -> tuple[dict[str, Request], list[Problem]]:
    """Return what fragments request, the later one winning, and what is wrong with their lines."""
    asked: list[Request] = []
    problems: list[Problem] = []
    for shown, path in fragments:
        requests, wrong = fragment_requests(shown, read_text(path))
        asked += requests
        problems += wrong
    return last_requests(asked), problems


def unmet(holding: Mapping[str, Request], result: Mapping[str, str]) -> list[Request]:
    """Return the requests that a configuration does not have."""
    return [one for one in doubtful(holding, result, None) if not same(one.value, result.get(one.symbol))]


def reasons(
    tree: KconfigTree,
    requests: list[Request],
    holding: Mapping[str, Request],
    result: Mapping[str, str],
    optional: Collection[str],
) -> Iterator[Problem]:
    """Yield a problem, with what the tree's Kconfig says of it, for each request that is not met."""
    try:
        known = explained(requests, explain(tree, [request.symbol for request in requests]))
    except (KconfigError, ValueError, OSError):
        known = {request.symbol: Reason(kind="unexplained", text="") for request in requests}
    others = {name: facts for name, facts in known.items() if not isinstance(facts, Reason)}
    for request in requests:
        got, about = result.get(request.symbol), known[request.symbol]
        if not isinstance(about, Reason):
            if chosen_later(request, about, holding):
                continue
            about = reason_for(request.value, got, about, others)
        yield problem_of(request, got, about, optional=request.symbol in optional)


def main() -> int:
    """Compare; return 2 if something that is not optional did not come out."""
    parser = argparse.ArgumentParser(prog="compare")
    parser.add_argument("folder", type=Path)
    parser.add_argument("requests", type=Path)
    options = parser.parse_args()
    data = json.loads(options.requests.read_text())
    holding, problems = requests_of((shown, Path(path)) for shown, path in data["fragments"])
    result = config_values(read_text(options.folder / ".config"))
    wanting = unmet(holding, result)
    if wanting:
        tree = KconfigTree(
            kind=data["kind"],
            source=options.folder,
            objects=options.folder,
            make_words=tuple(data["make_words"]),
        )
        problems += reasons(tree, wanting, holding, result, data["optional"])
    if problems:
        print(log_text(problems), file=sys.stderr)
    return 2 if any(problem.severity == "error" for problem in problems) else 0


if __name__ == "__main__":
    raise SystemExit(main())
