"""Who may import whom: the borders of docs/design.md, read from the source itself."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
# What each part may import of Rootstream beside its own modules. Names are modules or folders of src/rootstream.
DATA = {
    "errors",
    "events",
    "filetext",
    "units",
    "system",
    "roots",
    "layers",
    "images",
    "machine",
    "machines",
    "description",
    "content",
    "placeholders",
    "process",
    "leash",
    "relay",
    "nofollow",
    "shown",
    "temporary",
}
MAY = {
    "boot": DATA,
    "buildroot": DATA | {"__version__", "export", "files", "load", "lock", "project", "sandbox"},
    "engine": {"errors", "events", "process", "space", "temporary", "units"},
    "netboot": DATA | {"__version__", "boot", "load", "lock", "manifest", "mistakes", "project", "rules"},
    "plan": DATA | {"lock", "recipes", "sandbox"},
    "progress": {"errors", "events", "shown", "units"},
    "sandbox": set(),
}
# Who starts processes, or becomes another program, and why it is not left to rootstream.process.
STARTING = re.compile(r"exec[lv]|spawn|posix_spawn|system$|popen$|fork")
CALLS = {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
STARTS = {
    "rootstream/process.py": "the one place",
    "rootstream/leash.py": "a program of its own, before another one",
    "rootstream/sandbox/kconfig_session.py": "in the sandbox",
    "rootstream/sandbox/kconfig_tree.py": "in the sandbox",
    "rootstream/sandbox/program.py": "in the sandbox",
    "rootstream_bst/compression.py": "a stream through zstd",
    "rootstream_bst/git_guard.py": "a program of its own, before Git",
    "rootstream_bst/process.py": "the one place of the plugins",
    "rootstream_bst/sourcetree.py": "a program of its own, which applies patches",
}
# What answers `--help` must not wait for.
HEAVY = {"aiohttp", "pydantic", "ruamel", "rich", "pexpect", "qemu", "rootstream"}


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("part", sorted(MAY))
def test_a_part_imports_only_what_it_may(part: str) -> None:
    found = set()
    files = list((SOURCE / "rootstream" / part).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            words = name.split(".")
            if words[0] == "rootstream" and len(words) > 1:
                found.add(words[1])
            assert words[0] != "buildstream", path
    assert found - {part} <= MAY[part]


def test_plugins_import_only_buildstream() -> None:
    for path in (SOURCE / "rootstream_bst").rglob("*.py"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names | {"buildstream", "rootstream_bst"}, (path, name)


def test_programs_of_the_sandbox_need_only_the_standard_library() -> None:
    for path in (SOURCE / "rootstream" / "sandbox").rglob("*.py"):
        for name in imports(path):
            words = name.split(".")
            assert words[0] in sys.stdlib_module_names or words[:2] == ["rootstream", "sandbox"], (path, name)


def test_the_command_line_imports_nothing_heavy_at_its_top() -> None:
    light = (
        "rootstream.__version__",
        "rootstream.cli_front.Front",
        "rootstream.cli_front.echo",
        "rootstream.shown.escaped",
    )
    for module in ("cli.py", "cli_front.py"):
        for name in imports(SOURCE / "rootstream" / module, top_only=True):
            assert name.split(".")[0] not in HEAVY or name in light, name


def test_nobody_starts_processes_but_one_module() -> None:
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if starts_processes(path)}
    assert found == STARTS.keys()


def starts_processes(path: Path) -> bool:
    """Say whether a module has a word for starting a process or becoming another program."""
    tree = ast.parse(path.read_text())
    types = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}  # Popen[bytes]
    for node in ast.walk(tree):
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
    ours = ("cli_front.py", "__main__.py", "leash.py", "run.py", "reference.py", "commands_page.py")
    for path in (SOURCE / "rootstream").rglob("*.py"):
        if {"sandbox", "finish", "progress"} & set(path.parts) or path.name in ours:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho"), path
                assert called not in ("sys.stdout.write", "sys.stderr.write"), path
