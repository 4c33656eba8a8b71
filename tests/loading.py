"""What the tests of `load` share: a folder with a system.yaml, and what is wrong with it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.description.model import Description, System
from rootstream.errors import Problems, UserError

GOOD = "  good:\n    root: busybox\n    kernel: {}\n    images: [initramfs]\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "system.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def read(folder: Path, text: str) -> Description:
    return load(write(folder, text))


def system(folder: Path, words: str) -> System:
    """Load one system from what stands below its name, with a root, a kernel and images where they are missing."""
    (described,) = read(folder, one(words)).systems
    return described.system


def one(words: str) -> str:
    lines = textwrap.dedent(words).strip("\n").splitlines()
    for word, value in (("root", "busybox"), ("kernel", "{}"), ("images", "[initramfs, disk]")):
        if not any(line.startswith(f"{word}:") for line in lines):
            lines.append(f"{word}: {value}")
    return "systems:\n  it:\n" + "".join(f"    {line}\n" for line in lines)


def problems(folder: Path, text: str) -> tuple[UserError, ...]:
    with pytest.raises(Problems) as caught:
        read(folder, text)
    return caught.value.problems


def wrong(folder: Path, words: str) -> list[tuple[str, int]]:
    """Return reason and line of every mistake; the first of the words of the one system is on line 1."""
    return [(problem.reason, line(problem) - 2) for problem in problems(folder, one(words))]


def message(folder: Path, words: str) -> str:
    (problem,) = problems(folder, one(words))
    return problem.message


def line(problem: UserError) -> int:
    assert problem.where is not None
    assert problem.where.line is not None
    return problem.where.line
