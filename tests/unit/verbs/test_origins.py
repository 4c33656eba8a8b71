"""The line of a description that asked for what could not be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.engine.faults import ElementError
from rootstream.errors import Problems, UserError
from rootstream.plan.model import Element, Plan, Source
from rootstream.verbs import origins

TEXT = """\
debian: {suites: [trixie]}
systems:
  other: {root: {debian: {packages: [sudoo]}}, images: [tar]}
  box:
    root:
      debian:
        packages:
          - lshww
          - {name: x}
          - bash=1.2
        enable: [mine.service]
        identities: {/etc/id: keep}
    kernel: {git: {url: "https://example.org/linux", track: v6.99}}
    layers:
      - hostname: sudoo
      - permissions: [{path: "/usr/lib/x*", mode: "0600"}]
      - python: {install: ["six>=1, <2"], requirements: [wanted.txt]}
    images: [tar]
    variants:
      small: {root: {debian: {packages: [sudoo]}}}
"""


@pytest.fixture
def description(tmp_path: Path) -> Path:
    path = tmp_path / "system.yaml"
    path.write_text(TEXT)
    (tmp_path / "wanted.txt").write_text("# these\nrequests == 99  # no\n")
    return path


def plan(**words: object) -> Plan:
    source = Source(kind="any", words=words, locked=True)
    element = Element(name="set.bst", kind="import", description="", sources=(source,))
    top = Element(name="system-box.bst", kind="stack", description="", needs=("set.bst",))
    elements = {each.name: each for each in (element, top)}
    return Plan(elements=elements, files={}, targets={"box": top.name}, refs={})


def placed(description: Path, *asked: str, asks: bool = True, **words: object) -> UserError:
    error = ElementError(
        "no-package",
        "track of set.bst failed",
        element="set.bst",
        asked=tuple((name, f"{name}: not there") for name in asked),
        asks=asks,
    )
    return origins.placed(error, plan(**words), description)


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("lshww", "system.yaml", 8),
        ("bash", "system.yaml", 10),
        ("bash=1.2", "system.yaml", 10),
        ("mine.service", "system.yaml", 11),
        ("/etc/id", "system.yaml", 12),
        ("/usr/lib/x*", "system.yaml", 16),
        ("six", "system.yaml", 17),
        ("sudoo", "system.yaml", 15),  # of the system that needs it; another asks for it, too
        ("requests", "wanted.txt", 2),
        ("trixie", "system.yaml", 1),
    ],
)
def test_what_was_asked_for_by_name(description: Path, name: str, file: str, line: int) -> None:
    error = placed(description, name)
    assert error.where is not None
    assert (error.where.path.name, error.where.line) == (file, line)
    assert error.reason == "no-package"
    assert "set.bst" not in error.message


def test_several_names_are_several_mistakes(description: Path) -> None:
    error = placed(description, "lshww", "mine.service")
    assert isinstance(error, Problems)
    assert [problem.where.line for problem in error.problems if problem.where] == [8, 11]


def test_a_source_is_found_by_its_own_words(description: Path) -> None:
    error = placed(description, url="https://example.org/linux", track="v6.99")
    assert error.where is not None
    assert error.where.line == 13
    assert "set.bst" in error.message


def test_what_nobody_wrote_is_the_suites_fault(description: Path) -> None:
    error = placed(description, "gcc")
    assert error.where is not None
    assert error.where.line == 1


def test_a_package_that_came_with_others_is_theirs(description: Path) -> None:
    error = placed(description, "libc6", asks=False)
    assert error.where is not None
    assert error.where.line == 8


def test_a_path_that_nobody_wrote_is_not_a_package_s_fault(description: Path) -> None:
    assert placed(description, "/from/a/table", asks=False).where is None


def test_several_errors_get_their_places(description: Path) -> None:
    errors = tuple(
        ElementError("root-failed", f"of {name}", element="set.bst", asked=((name, f"of {name}"),))
        for name in ("lshww", "bash")
    )
    with pytest.raises(Problems) as caught, origins.told(plan(), description):
        raise Problems((*errors, UserError("root-failed", "of none")))
    assert [problem.where and problem.where.line for problem in caught.value.problems] == [8, 10, None]


def test_a_failed_build_is_nobody_s_line(description: Path) -> None:
    assert placed(description, asks=False, packages=["lshww"]).where is None


def test_a_repository_is_found_by_its_address(description: Path) -> None:
    written = 'box:\n    root:\n      debian:\n        repositories: {own: {url: "https://v.invalid/apt/"}}\n'
    description.write_text(TEXT.replace("box:\n    root:\n      debian:\n", written))
    error = placed(description, "https://v.invalid/apt/")
    assert error.where is not None
    assert error.where.line == 7
