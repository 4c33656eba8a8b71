"""The command that makes an element's source tree in its sandbox before a shell opens there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.plan.model import Element, PreparedPlan
from rootstream.verbs.inspect import in_prepared_tree

TREE = PreparedPlan(commands=2, folder="work/tree", make='make -j"$JOBS"')


def enter(folder: Path, configure: str, *command: str) -> subprocess.CompletedProcess[str]:
    commands = ("mkdir -p work/tree", configure, "touch compiled")
    element = Element(name="linux-x.bst", kind="manual", description="", commands=commands, prepared=TREE)
    argv = in_prepared_tree(element, TREE, command)
    return subprocess.run(argv, cwd=folder, input="pwd\n", capture_output=True, text=True, check=False, timeout=60)


def test_the_tree_is_made_and_not_compiled(tmp_path: Path) -> None:
    done = enter(tmp_path, "echo CONFIG_A=y > work/tree/.config; echo noise", "cat", ".config")
    assert (done.returncode, done.stdout) == (0, "CONFIG_A=y\n")
    assert not (tmp_path / "compiled").exists()
    assert "make -j" in done.stderr


@pytest.mark.parametrize("configure", ["echo told >&2; exit 2", "false; touch compiled"])
def test_a_configuration_that_fails_leaves_the_tree(tmp_path: Path, configure: str) -> None:
    done = enter(tmp_path, configure, "sh", "-c", "exit 7")
    assert done.returncode == 7
    assert "not as requested" in done.stderr
    assert not (tmp_path / "compiled").exists()


def test_without_a_command_it_is_a_shell(tmp_path: Path) -> None:
    assert Path(enter(tmp_path, "true").stdout.strip()) == tmp_path / "work" / "tree"
