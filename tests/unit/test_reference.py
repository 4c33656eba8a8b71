"""The reference page: up to date, complete, and right in its examples."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest

from rootstream.description import reference
from rootstream.description.load import load
from rootstream.description.reference_texts import examples
from rootstream.description.schema import json_schema
from tests.loading import GOOD, one, write

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data" / "load"
PAGE = reference.page()


def test_the_page_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "reference" / "system-yaml.md").read_text()
    assert committed == PAGE, "run: python -m rootstream.description.reference > docs/reference/system-yaml.md"


def test_every_word_is_on_the_page() -> None:
    schema = json_schema()
    full = [each for name, each in schema["definitions"].items() if not name.endswith(("Change", "Addition"))]
    words = {word for each in (schema, *full) for word in each["properties"]}
    assert {word for word in words if f"| `{word}` |" not in PAGE} == set()


def test_every_section_has_an_example() -> None:
    titles = re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)
    assert len(titles) == len(set(titles))
    assert set(titles) == set(examples())


def test_every_row_of_a_table_has_as_many_cells() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize("title", examples())
def test_examples(tmp_path: Path, title: str) -> None:
    shutil.copytree(DATA / "everything", tmp_path, dirs_exist_ok=True)
    shutil.copytree(DATA / "everything/linux", tmp_path, dirs_exist_ok=True)  # a BuildStream project
    (tmp_path / "debug.config").touch()
    text = textwrap.dedent(examples()[title])
    if re.search(r"^(machines|serve):", text, re.MULTILINE):
        text += f"systems:\n{GOOD.replace('good', 'hello').replace('[init', '[kernel, init')}"
    path = write(tmp_path, text if re.search(r"^systems:", text, re.MULTILINE) else one(text))
    assert load(path).systems
