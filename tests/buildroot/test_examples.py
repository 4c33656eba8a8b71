"""The examples on Buildroot: every system and variant comes out as asked on a real tree, without building it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.description.roots import FromBuildroot

pytestmark = pytest.mark.buildroot

EXAMPLES = Path(__file__).parents[2] / "examples"
SYSTEMS = [
    "appliance@buildroot",
    "appliance@kernel",
    "appliance@uimage",
    "riscv64gc@buildroot",
    "riscv32imac@buildroot",
    "mistify@buildroot",
    "mistify@buildroot-development",
    "mistify@buildroot-small",
    "mistify@buildroot-systemd",
    "ipa@buildroot",
    "ipa@tools",
    "board",
]
FOLDERS = {"board": "buildroot", "riscv64gc": "capsule", "riscv32imac": "capsule"}


def local(example: str, tree: Path, folder: Path) -> Path:
    """Return a copy of an example that takes its Buildroot from a folder."""
    place = Path(shutil.copytree(EXAMPLES / example, folder / example, ignore=shutil.ignore_patterns("out", ".*")))
    description = place / "system.yaml"
    text, count = re.subn(r"tree: \{git: \{.*\}\}", f'tree: {{local: "{tree}"}}', description.read_text())
    assert count
    description.write_text(text)
    return place


@pytest.mark.parametrize("target", SYSTEMS)
def test_everything_asked_for_comes_out(
    target: str, tree: Path, tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    system = target.partition("@")[0]
    folder = local(FOLDERS.get(system, system), tree, tmp_path)
    run("update", "--missing", target, cwd=folder)
    done = run("config", "check", target, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_system_of_the_examples_is_tried() -> None:
    names = {
        name for example in ("appliance", "capsule", "mistify", "ipa", "buildroot") for name in targets(example)
    }
    assert {name for name in names if "@" in name or name == "board"} == set(SYSTEMS)


def targets(example: str) -> tuple[str, ...]:
    """Return what Buildroot builds of an example."""
    systems = load(EXAMPLES / example / "system.yaml").systems
    return tuple(each.target for each in systems if isinstance(each.system.root, FromBuildroot))
