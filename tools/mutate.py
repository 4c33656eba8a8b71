"""Change the source at random, one place at a time, and see whether a test fails: `python tools/mutate.py FOLDER`.

Cosmic Ray makes the changes. Each is tested in a copy of the repository, by the tests that reach its lines in a
run with coverage; in that run every file has a comment at its end, so that a test which fails at any change
of the text is noticed. The journal in FOLDER keeps what was found; interrupted, it goes on where it was, and
`--again` repeats what no test noticed. `--small-tree` has what was not noticed tested by the tests of Buildroot,
too, which build with the small tree of our own and take minutes.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).parents[1]
SCOPE = ("plan", "buildroot", "project", "formats", "boot/checks")
FAST = ("tests/unit", "tests/fuzz", "tests/parts")
SLOW = ("tests/buildroot",)
TOOL = ("cosmic-ray==8.7.0", "pytest-cov==7.1.0")
# `is` and `==` are the same for None, members of enumerations and short texts.
SAME = ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")
LIMIT = (60, 1)  # seconds for the tests of one change, and for each of them: an endless loop is noticed
PYTEST = "import sys; sys.path.append(sys.argv.pop(1)); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
# Processes that tests start are measured, too, under the name of the test.
MEASURED = "import os, sys\nif 'COVERAGE_PROCESS_START' in os.environ:\n    sys.path.append({tool!r})\n"
MEASURED += "    import coverage\n    coverage.process_startup()\n"
SETTINGS = (
    "[run]\nparallel = true\ncontext = ${{PYTEST_CURRENT_TEST-}}\ndata_file = {folder}/.coverage\nsource =\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of the source: an operator of Cosmic Ray, and at which of its places in the file."""

    file: str
    operator: str
    occurrence: int
    lines: tuple[int, int]


def files() -> Iterator[Path]:
    """Return the modules that are changed."""
    for part in SCOPE:
        yield from sorted((ROOT / "src/rootstream" / part).rglob("*.py"))


def typing_only(text: str) -> set[tuple[int, int]]:
    """Return lines and columns inside annotations and the options of dataclasses, which are there for mypy."""
    found: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(text)):
        decorators = node.decorator_list if isinstance(node, ast.ClassDef) else ()
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None), *decorators):
            if isinstance(each, ast.expr) and each.end_lineno and each.end_col_offset:
                lines = range(each.lineno, each.end_lineno + 1)
                found |= {
                    (line, column) for line in lines for column in range(each.col_offset, each.end_col_offset)
                }
    return found


def changes(seed: int, count: int) -> list[Change]:
    """Return a sample: places of the source, each with one of the changes that can be made there."""
    from cosmic_ray.ast import ast_nodes, get_ast  # noqa: PLC0415  (installed by this program)
    from cosmic_ray.plugins import get_operator, operator_names  # noqa: PLC0415

    operators = {name: get_operator(name) for name in operator_names() if not name.endswith(SAME)}
    places: dict[tuple[str, tuple[int, int]], list[Change]] = {}
    for path in files():
        text, file = path.read_text(), str(path.relative_to(ROOT))
        nodes, left_out = list(ast_nodes(get_ast(text))), typing_only(text)
        for name, operator in operators.items():
            if operator.arguments():
                continue
            positions = (each for node in nodes for each in operator().mutation_positions(node))
            for number, (start, end) in enumerate(positions):
                if start not in left_out:
                    change = Change(file=file, operator=name, occurrence=number, lines=(start[0], end[0]))
                    places.setdefault((file, start), []).append(change)
    chance = random.Random(seed)  # noqa: S311
    sys.stdout.write(f"{len(places)} places in {len({file for file, _ in places})} files\n")
    return [chance.choice(places[place]) for place in chance.sample(sorted(places), min(count, len(places)))]


class Copy:
    """A copy of the repository, and how its tests are run."""

    def __init__(self, folder: Path, tool: Path) -> None:
        self.folder = folder
        self.tool = tool
        shutil.rmtree(folder, ignore_errors=True)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        for name in filter(None, listed.stdout.decode().split("\0")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
        (folder / "measured").mkdir()
        (folder / "measured/sitecustomize.py").write_text(MEASURED.format(tool=str(tool)))

    def run(self, words: Sequence[str], limit: float | None = None, **more: str) -> int:
        """Run pytest and return its status; too late is -1."""
        paths = f"{self.folder}/src:{self.folder}/measured"
        env = {**os.environ, "PYTHONPATH": paths, "PYTHONPYCACHEPREFIX": f"{self.folder}/pyc", **more}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        argv = [sys.executable, "-c", PYTEST, str(self.tool), "-q", "-p", "no:cacheprovider", *words]
        argv.append(f"--basetemp={self.folder / 'results'}")
        with (self.folder / "log").open("w") as log:
            child = subprocess.Popen(
                argv, cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
            try:
                return child.wait(limit)
            except subprocess.TimeoutExpired:
                return -1
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()

    def measure(self, tests: Sequence[str], data: Path) -> None:
        """Run tests on files that are changed without effect, and note which lines each reaches."""
        for path in files():
            with (self.folder / path.relative_to(ROOT)).open("a") as file:
                file.write("# changed\n")
        settings = self.folder / "coverage.ini"
        scope = "".join(f"    {self.folder}/src/rootstream/{part}\n" for part in SCOPE)
        settings.write_text(SETTINGS.format(folder=self.folder) + scope)
        words = (*tests, "-p", "pytest_cov", "--cov", f"--cov-config={settings}", "--cov-context=test")
        if self.run([*words, "--cov-report="], COVERAGE_PROCESS_START=str(settings)):
            sys.exit((self.folder / "log").read_text()[-5000:])
        (self.folder / ".coverage").rename(data)

    def write(self, path: Path, text: str) -> None:
        """Write a module, and forget its byte code, which Python compares with the time of a file in seconds."""
        for cache in (path.parent, self.folder / "pyc"):
            for old in cache.rglob(f"{path.stem}.cpython-*.pyc"):
                old.unlink()
        path.write_text(text)

    def check(self, change: Change, tests: Sequence[str]) -> dict[str, Any]:
        """Make a change, run tests, and take it back."""
        from cosmic_ray.mutating import mutate_code  # noqa: PLC0415
        from cosmic_ray.plugins import get_operator  # noqa: PLC0415

        path = self.folder / change.file
        text = path.read_text()
        try:
            made = mutate_code(text, get_operator(change.operator)(), change.occurrence)
            compile(made, change.file, "exec", dont_inherit=True)
        except (AttributeError, SyntaxError):  # an exception with a dotted name, the * of a signature
            return {"noticed": None, "status": None, "tests": len(tests), "diff": "it is no change"}
        (self.folder / "tests.txt").write_text("\n".join(tests))
        self.write(path, made)
        try:
            limit = LIMIT[0] + LIMIT[1] * len(tests)
            status = self.run(["-x", "@tests.txt"], limit) if tests else 0
        finally:
            self.write(path, text)
        diff = unified_diff(text.splitlines(), made.splitlines(), lineterm="", n=1)
        return {"noticed": status != 0, "status": status, "tests": len(tests), "diff": "\n".join(list(diff)[2:])}


def reached(data: Path, whole: Path) -> Callable[[Change], list[str]]:
    """Return which tests reach a change; where imports do, those of all of its file."""
    import coverage  # noqa: PLC0415

    found = coverage.CoverageData(str(data))
    found.read()

    def of(change: Change) -> list[str]:
        by_line = found.contexts_by_lineno(str(whole / change.file))
        lines = range(change.lines[0], change.lines[1] + 1)
        names = {name for line in lines for name in by_line.get(line, ())}
        if "" in names:
            names |= {name for each in by_line.values() for name in each}
        return sorted({name.rpartition("|")[0] or name.rpartition(" (")[0] for name in names} - {""})

    return of


def main() -> None:
    """Go on with the journal, and say what no test notices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="repeat what no test noticed, with the tests of now")
    parser.add_argument("--small-tree", action="store_true", help="go on with the tests of Buildroot")
    options = parser.parse_args()
    folder = options.folder.absolute()
    tool, journal = folder / "tool", folder / "journal.jsonl"
    if not tool.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", tool, *TOOL], check=True)
    sys.path.append(str(tool))
    tests = subprocess.run(
        ["git", "rev-parse", "HEAD:tests"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    data = folder / f"{'slow' if options.small_tree else 'fast'}-{tests.stdout[:12]}"
    whole = folder / f"{data.name}-whole"
    if not data.exists():
        Copy(whole, tool).measure(SLOW if options.small_tree else FAST, data)
    of = reached(data, whole)
    chosen = list(enumerate(changes(options.seed, options.count)))
    entries = map(json.loads, journal.read_text().splitlines()) if journal.exists() else ()
    known = {each["number"]: each for each in entries}
    repeat = options.again or options.small_tree
    left = [each for each in chosen if each[0] not in known or (repeat and known[each[0]]["noticed"] is False)]
    copies: SimpleQueue[Copy] = SimpleQueue()
    for number in range(options.jobs):
        copies.put(Copy(folder / f"copy-{number}", tool))

    def one(item: tuple[int, Change]) -> dict[str, Any]:
        copy = copies.get()
        try:
            done = copy.check(item[1], of(item[1]))
        finally:
            copies.put(copy)
        entry = {"number": item[0], "slow": options.small_tree, **asdict(item[1]), **done}
        with journal.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return entry

    with ThreadPoolExecutor(options.jobs) as pool:
        known |= {each["number"]: each for each in pool.map(one, left)}
    made = [known[number] for number, _ in chosen if known[number]["noticed"] is not None]
    missed = [each for each in made if not each["noticed"]]
    for each in missed:
        sys.stdout.write(f"\n{each['number']}: {each['file']}, {each['tests']} tests\n{each['diff']}\n")
    sys.stdout.write(f"\nof {len(made)} changes, tests notice {len(made) - len(missed)}\n")


if __name__ == "__main__":
    main()
