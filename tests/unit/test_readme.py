"""The README: its descriptions are right and without warnings, its commands exist."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from rootstream.cli.main import cli
from rootstream.description.load import load
from rootstream.verbs.templates import TEMPLATES
from tests.readme import descriptions, first_system, shell_lines

ROOT = Path(__file__).parents[2]
README, TUTORIAL = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
BLOCKS = descriptions(README)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_descriptions_are_right(tmp_path: Path, number: int) -> None:
    block = BLOCKS[number]
    for name in ("overlay", "external"):
        (tmp_path / name).mkdir()
    for name in ("linux.config", "node_defconfig", "ipmi.secret"):
        (tmp_path / name).touch()
    # a block of machines is a part of the file that the first one begins
    text = block if block.startswith("systems:") else first_system(README) + block
    (tmp_path / "system.yaml").write_text(text)
    found = load(tmp_path / "system.yaml")
    assert [str(each) for described in found.systems for each in described.cautions] == []


@pytest.mark.parametrize("page", [README, TUTORIAL], ids=lambda path: path.name)
def test_commands_and_templates_are_there(page: Path) -> None:
    typed = [shlex.split(line) for line in shell_lines(page) if line.startswith("rootstream ")]
    assert typed
    for _, verb, *words in typed:
        assert verb in cli.commands
        assert verb != "init" or words[0] in TEMPLATES
