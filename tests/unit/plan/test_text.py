"""The text of an element: BuildStream reads in it what was meant."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from rootstream.plan.model import Element
from rootstream.plan.text import element_text

TEXTS = [
    *(
        "",
        " ",
        "\n",
        "a\n\n\n",
        "  indented\nnot",
        "blank at the end \nof a line",
        "\ttab\nx",
        "#c\n",
        "k: v\n- a\n",
    ),
    *(
        "yes",
        "~",
        "null",
        "0x10",
        "012",
        "1_000",
        "1:30",
        "2001-01-01",
        "<<",
        "=",
        ".inf",
        "%{a}",
        "@b",
        "'\"#: -",
    ),
    *("a\r\nb", "next\x85line\nx", "line\u2028separator\nx", "\u2029\nx", "\ufeffmark\nx"),
    *("bell\x07\n", "\x1b[31m\n", "delete\x7f\n", "é 漢字 \U0001f600\nx", "long " * 3000, "long\nlines " * 1000),
]


@pytest.mark.parametrize("value", TEXTS, ids=lambda value: ascii(value[:12]))
def test_a_text_is_read_as_it_was_meant(value: str) -> None:
    element = Element(name="x.bst", kind="script", description="x", environment={"TEXT": value}, commands=(value,))
    read = YAML().load(element_text(element, {}))
    assert read["environment"]["TEXT"] == value
    assert read["config"]["commands"] == [value]


def test_lines_are_written_as_a_block() -> None:
    element = Element(name="x.bst", kind="script", description="x", commands=("first\nsecond\n",))
    assert "  - |\n    first\n    second\n" in element_text(element, {})
