"""Who may import whom: the borders of docs/design.md, read from the source itself."""

from __future__ import annotations

import ast
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
    for path in (SOURCE / "rootstream").rglob("*.py"):
        if "sandbox" in path.parts or path.name in ("process.py", "leash.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert not called.startswith(("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn")), path


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
