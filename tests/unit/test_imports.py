"""Who may import whom: the borders of docs/design.md, read from the source itself."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rootstream.plan import programs
from tests.sources import SOURCE, files, nodes, parsed

# The floors of the house, from the top: a room imports only rooms of lower floors, and those of BESIDE.
FLOORS: Sequence[set[str]] = (
    {"__main__"},
    {"cli"},
    {"verbs"},
    {"plan", "engine", "buildroot", "boot", "netboot", "progress"},
    {"report"},
    {"description", "project"},
    {"sandbox", "recipes", "rootstream_bst"},
    {"archives", "fetch", "host"},
    {"formats"},
    {"architectures", "errors", "events", "__init__"},
)
BESIDE = {
    ("buildroot", "plan"): "packages are elements, too",
    ("netboot", "boot"): "console, checks and QEMU's lifecycle",
    ("project", "description"): "what its system.yaml says, and places in a project.conf",
    ("host", "fetch"): "the pipes of processes, which the plugins need, too",
}
# Rooms that have no use for some of the floors below them.
ONLY = {
    "engine": {"architectures", "errors", "events", "fetch", "formats", "host"},
    "progress": {"errors", "events", "formats", "host"},
    "report": {"__init__", "archives", "description", "errors", "events", "formats", "host", "project"},
    "boot": {"architectures", "description", "errors", "events", "formats", "host"},
    "sandbox": {"formats"},
    "rootstream_bst": {"archives", "fetch", "formats"},
}
# Who starts processes, or becomes another program, and why it is not left to rootstream.host.process.
STARTING = re.compile(r"exec[lv]|spawn|posix_spawn|system$|popen$|fork")
CALLS = {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
STARTS = {
    "rootstream/host/process.py": "the one place",
    "rootstream/host/parent_death.py": "a program of its own, before another one",
    "rootstream/sandbox/buildroot/variables.py": "in the sandbox",
    "rootstream/sandbox/kconfig/config_edit.py": "in the sandbox",
    "rootstream/sandbox/kconfig/tree.py": "in the sandbox",
    "rootstream/sandbox/program.py": "in the sandbox",
    "rootstream/archives/compression.py": "a stream through zstd",
    "rootstream/fetch/git_guard.py": "a program of its own, before Git",
    "rootstream/fetch/process.py": "the one place of the plugins",
    "rootstream_bst/debian/source_tree.py": "a program of its own, which applies patches",
}
# What answers `--help` must not wait for.
HEAVY = {"aiohttp", "pydantic", "ruamel", "rich", "pexpect", "qemu", "rootstream"}


def only_for_types(path: Path) -> set[int]:
    """Return what only a type checker reads of a module."""
    found = (
        node for node in nodes(path) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {id(each) for node in found for each in ast.walk(node)}


def imports(path: Path, *, top_only: bool = False, types: bool = True) -> Iterator[str]:
    left_out = set() if types else only_for_types(path)
    for node in parsed(path).body if top_only else nodes(path):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> dict[str, Path]:
    """Return all modules by their dotted names; a package has the name of its folder."""
    found = {}
    for path in files():
        words = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" else words)] = path
    return found


def graph(*, types: bool = True) -> dict[str, set[str]]:
    """Return what each module imports of Rootstream; with `types` also what it only names in annotations."""
    known = modules()
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        wanted = {each if each in known else each.rpartition(".")[0] for each in imports(path, types=types)}
        found[name] = {each for each in wanted if each in known} - {name}
    return found


def room(module: str) -> str:
    top, _, rest = module.partition(".")
    return top if top != "rootstream" else rest.partition(".")[0] or "__init__"


def test_no_import_runs_upward() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    links = graph()
    assert {room(module) for module in links} == floor.keys()
    seen = set()
    for module, imported in links.items():
        for other in imported:
            pair = (room(module), room(other))
            if pair[0] == pair[1]:
                continue
            assert floor[pair[0]] < floor[pair[1]] or pair in BESIDE, f"{module} imports {other}"
            assert pair[1] in ONLY.get(pair[0], floor), f"{module} imports {other}"
            seen.add(pair)
    assert seen >= BESIDE.keys()


def test_no_two_modules_import_each_other() -> None:
    links = graph(types=False)
    left = {module: set(imported) for module, imported in links.items()}
    while ends := {module for module, imported in left.items() if not imported}:
        left = {module: imported - ends for module, imported in left.items() if module not in ends}
    assert not left, f"import each other, or what does: {sorted(left)}"


def test_only_the_plugins_know_buildstream() -> None:
    for module, path in modules().items():
        tops = {name.split(".")[0] for name in imports(path)}
        if module.startswith("rootstream_bst"):
            assert tops <= sys.stdlib_module_names | {"buildstream", "rootstream", "rootstream_bst"}, module
        else:
            assert "buildstream" not in tops, module


@pytest.mark.parametrize(("part", "more"), [("archives", ()), ("fetch", ("urllib3",)), ("formats", ())])
def test_what_plugins_import_needs_hardly_more_than_the_standard_library(part: str, more: Sequence[str]) -> None:
    for path in (SOURCE / "rootstream" / part).rglob("*.py"):
        for name in imports(path):
            assert name.split(".")[0] in sys.stdlib_module_names | {"rootstream", *more}, (path, name)


def test_what_is_staged_is_all_that_programs_import() -> None:
    found = modules()
    for module in (name for name in found if name.startswith("rootstream.sandbox")):
        content = found[module].read_bytes()
        wanted = {name for name in imports(found[module]) if name.startswith("rootstream")}
        staged = set(programs._imported(content))
        assert staged == {name if name in found else name.rpartition(".")[0] for name in wanted}, module


def test_programs_of_the_sandbox_need_only_the_standard_library() -> None:
    for path in (SOURCE / "rootstream" / "sandbox").rglob("*.py"):
        for name in imports(path):
            words = name.split(".")
            assert words[0] in sys.stdlib_module_names or words[0] == "rootstream", (path, name)


def test_the_command_line_imports_nothing_heavy_at_its_top() -> None:
    light = ("rootstream.__version__", "rootstream.cli.", "rootstream.host.escape.")
    for path in (SOURCE / "rootstream/cli").glob("*.py"):
        for name in imports(path, top_only=True):
            if path.name != "commands_page.py":  # a program of its own
                assert name.split(".")[0] not in HEAVY or name.startswith(light), name


def test_nobody_starts_processes_but_one_module() -> None:
    found = {str(path.relative_to(SOURCE)) for path in files() if starts_processes(path)}
    assert found == STARTS.keys()


def starts_processes(path: Path) -> bool:
    """Say whether a module has a word for starting a process or becoming another program."""
    types = {id(node.value) for node in nodes(path) if isinstance(node, ast.Subscript)}  # Popen[bytes]
    for node in nodes(path):
        match node:
            case ast.Attribute() if id(node) in types:
                continue
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if STARTING.match(name):
                return True
            case ast.Attribute(value=ast.Name(id="subprocess"), attr=name) if name in CALLS:
                return True
            case ast.Attribute(attr=name) if name.startswith("create_subprocess"):
                return True
            case ast.ImportFrom(module="os" | "subprocess", names=names):
                if any(STARTING.match(each.name) or each.name in CALLS for each in names):
                    return True
            case ast.Import(names=names) if any(each.name in ("pty", "popen2", "commands") for each in names):
                return True
    return False


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run(['x'])",
        "start = subprocess.Popen",
        "from subprocess import check_output",
        "os.system('x')",
        "os.posix_spawn('x', [], {})",
        "from os import execv",
        "import pty",
        "asyncio.create_subprocess_exec('x')",
        "loop.subprocess_shell; os.fork()",
    ],
)
def test_what_starts_processes(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.py").write_text(f"{line}\n")
    assert starts_processes(tmp_path / "x.py")


def test_nobody_prints_but_where_control_characters_are_escaped() -> None:
    ours = (
        "front.py",
        "__main__.py",
        "parent_death.py",
        "git_guard.py",
        "run.py",
        "reference.py",
        "commands_page.py",
    )
    for path in (SOURCE / "rootstream").rglob("*.py"):
        if {"sandbox", "finish", "progress"} & set(path.parts) or path.name in ours:
            continue
        for node in nodes(path):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho"), path
                assert called not in ("sys.stdout.write", "sys.stderr.write"), path
