"""Who may start what of Buildroot: one module runs its programs, in a sandbox; read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

from rootstream.sandbox.kconfig.tree import KconfigTree
from tests.sources import SOURCE, files, nodes

ROOTSTREAM = SOURCE / "rootstream"
# Modules that start programs of the host, none of which is a tree's.
CONFINED = "buildroot/confined.py"
HOST = {
    "buildroot/sources/git.py": "git",
    "buildroot/sources/worktree.py": "git",
    "buildroot/sources/tree.py": "patch",
    "buildroot/sources/debian_pool.py": "apt-get",
    "buildroot/build/collect.py": "cp",
    "verbs/second_build.py": "cp",
    "verbs/second_clock.py": "cc",
    "verbs/prove.py": "diffoscope",
    "verbs/doctor.py": "make",  # asks the host's programs for their versions, where there is no tree
}
STARTS = {"run", "start", "hand_over"}


def modules() -> dict[str, Path]:
    paths = [*(ROOTSTREAM / "buildroot").rglob("*.py"), *(ROOTSTREAM / "verbs").glob("*.py")]
    return {str(path.relative_to(ROOTSTREAM)): path for path in paths}


def starts(module: Path) -> bool:
    """Say whether a module starts processes."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in STARTS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "process"
        for node in nodes(module)
    )


def words(module: Path) -> set[str]:
    """Return the texts that commands of a module begin with."""
    found = {node.elts[0] for node in nodes(module) if isinstance(node, ast.List | ast.Tuple) and node.elts}
    return {each.value for each in found if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def test_nobody_else_starts_a_program() -> None:
    found = modules()
    assert {name for name, module in found.items() if starts(module)} == {CONFINED, *HOST}
    for name, program in HOST.items():
        assert program in words(found[name])


def test_nobody_else_makes_a_command_of_make() -> None:
    assert {name for name, module in modules().items() if "make" in words(module)} == {CONFINED, "verbs/doctor.py"}


def test_who_asks_a_package_its_own_kconfig_does_it_in_the_sandbox() -> None:
    calls = [
        {word.arg for word in node.keywords}
        for path in files()
        if "sandbox" not in path.relative_to(SOURCE).parts
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == KconfigTree.__name__
    ]
    assert calls
    assert all({"make_words", "prefix"} <= each for each in calls)
