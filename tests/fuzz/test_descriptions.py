"""Whatever is in the file, the answer is a description or what is wrong with the file."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.description.model import Description
from rootstream.errors import Problems, UserError

DATA = Path(__file__).parents[1] / "unit" / "data" / "load"
SCRAPS = (
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "  ",
        "\t",
        "#",
        "'",
        '"',
        "|",
        ">",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
    ),
    *(
        "!x ",
        "? ",
        "%",
        "@",
        "---\n",
        "...\n",
        "~",
        "null",
        "true",
        "no",
        "0",
        "-1",
        "1.5",
        ".nan",
        "9" * 50,
        "0o7",
    ),
    *("{}", "[]", "[[]]", "{a: {}}", "x: y\n", "\u00e9", "\x00", "\ud7ff", "\\", '"\\u0000"', "disk", "variants"),
    *("add", "root: busybox\n", "systems:\n", "..", "/", "/etc", ",", "partitions: []\n", "images: []\n"),
)


def mutated(text: str, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        match chance.randrange(5):
            case 0:
                text = text[:start] + chance.choice(SCRAPS) + text[start:]
            case 1:
                text = text[:start] + text[start + chance.randint(1, 20) :]
            case 2:
                other = chance.randrange(len(text) + 1)
                text = text[:start] + text[other : other + chance.randint(1, 60)] + text[start:]
            case 3:
                lines = text.splitlines(keepends=True) or ["x"]
                first = chance.randrange(len(lines))
                del lines[first : first + chance.randint(1, 3)]
                text = "".join(lines)
            case _:
                words = text.split(" ")
                words[chance.randrange(len(words))] = chance.choice(SCRAPS)
                text = " ".join(words)
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.02:
        data = data[: len(data) // 2] + bytes([chance.randrange(256)]) + data[len(data) // 2 :]
    return data


def complaints(path: Path) -> tuple[UserError, ...]:
    try:
        assert isinstance(load(path), Description)
    except Problems as caught:
        return caught.problems
    return ()


@pytest.mark.parametrize("seed", range(8))
def test_mutations_of_a_good_file(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    shutil.copytree(DATA / "everything", tmp_path, dirs_exist_ok=True)
    path = tmp_path / "system.yaml"
    text = path.read_text()
    assert len(load(path).systems) == 7
    found: list[UserError] = []
    for _ in range(40):
        path.write_bytes(mutated(text, chance))
        found += complaints(path)
    assert found
    for problem in found:
        assert problem.where is not None
        assert problem.reason
        assert "Input should" not in problem.message
