from __future__ import annotations

import math
from pathlib import Path

import pytest

from rootstream.description import yaml_nodes
from rootstream.description.yaml_nodes import (
    MAX_BYTES,
    MAX_DEPTH,
    MappingNode,
    at,
    parse,
    places,
    plain,
)
from rootstream.errors import Problems

PATH = Path("system.yaml")


def read(text: str) -> object:
    node, problems = parse(text.encode(), PATH)
    assert problems == ()
    return plain(node)


def refusal(data: str | bytes) -> tuple[str, int | None, int | None]:
    with pytest.raises(Problems) as caught:
        parse(data.encode() if isinstance(data, str) else data, PATH)
    (problem,) = caught.value.problems
    assert problem.where is not None
    return problem.reason, problem.where.line, problem.where.column


def test_the_scalars_of_yaml_1_2() -> None:
    text = "[yes, no, on, ~, null, '', 'true', true, False, 12, -3, 0x1f, 0o17, 1.5, 1e3, 12:30, 2024-01-01, =]"
    assert read(text) == (
        *("yes", "no", "on", None, None, "", "true", True, False),
        *(12, -3, 31, 15, 1.5, 1000.0, "12:30", "2024-01-01", "="),
    )


def test_infinity_and_what_is_no_number() -> None:
    assert read("[.inf, -.Inf]") == (math.inf, -math.inf)
    value = read("[.nan]")
    assert isinstance(value, tuple)
    assert math.isnan(value[0])


def test_numbers_know_how_they_were_written() -> None:
    values = read("[0755, 0o755, 0x1F]")
    assert isinstance(values, tuple)
    assert [str(value) for value in values] == ["0755", "0o755", "0x1F"]


def test_digits_without_end_stay_text() -> None:
    assert read(f"[{'9' * 5000}]") == ("9" * 5000,)


def test_tags_of_the_core_schema() -> None:
    assert read("[!!str 12, ! 12, !!int '12', !!seq [], !!map {}]") == ("12", "12", 12, (), {})


def test_aliases_and_merge_keys() -> None:
    text = "a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}\nc: {<<: [*a, {y: 3, z: 3}], z: 4}\nd: *a\ne: {'<<': 1}\n"
    assert read(text) == {
        "a": {"x": 1, "y": 1},
        "b": {"x": 1, "y": 2},
        "c": {"x": 1, "y": 1, "z": 4},
        "d": {"x": 1, "y": 1},
        "e": {"<<": 1},
    }


def test_an_anchor_may_be_used_anew() -> None:
    assert read("[&a 1, *a, &a 2, *a]") == (1, 1, 2, 2)


def test_places() -> None:
    node, _ = parse(b"a:\n  - b: 1\n    c: [x, y]\n", PATH)
    assert isinstance(node, MappingNode)
    where = at(node, "a", 0, "c", 1)
    assert (where.line, where.column) == (3, 12)
    assert at(node, "a", 0, "nothing", 4) == at(node, "a", 0)
    assert at(node, "a", 7) == at(node, "a")
    assert {place.line for place in places(node)} == {1, 2, 3}


def test_a_byte_order_mark_is_ignored() -> None:
    assert read("\ufeffa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: b: c", 1, 5),
        ("a:\n\t- x", 2, 1),
        ("a: [1, 2", 1, 9),
        ("x: 1\na: 'x\nb: 2\n", 2, 4),
        ("- a\nb: c", 2, 1),
        ("a: @x", 1, 4),
        ('a: "\\q"', 1, 6),
        ('a: "\\U00110000"', 1, 1),
        ("x: 1\na: {\n", 3, 1),
        ("x: \x01", 1, 4),
        ("x: 1\ny: z\x00\n", 2, 5),
        ('x: "\\0"', 1, 4),
        ('x: "\\ud800"', 1, 4),
        ("a: *x", 1, 4),
        ("a: &x [*x]", 1, 8),
        ("a: !foo b", 1, 4),
        ("!!python/object:os.system {}", 1, 1),
        ("a: {<<: 1}", 1, 9),
        ("a: 1\n---\nb: 1\n", 2, 1),
        ("%YAML 9.9\n---\na: 1", 1, 1),
    ],
)
def test_what_is_not_yaml(text: str, line: int, column: int) -> None:
    assert refusal(text) == ("yaml-syntax", line, column)


def test_a_tab_is_called_a_tab() -> None:
    with pytest.raises(Problems, match="a tab stands where YAML wants spaces"):
        parse(b"a:\n\tb: 1\n", PATH)


def test_other_encodings() -> None:
    assert refusal(b"a: 1\nb: \xff\n") == ("yaml-encoding", 2, 4)
    assert refusal("a: 1".encode("utf-16")) == ("yaml-encoding", 1, 1)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file(text: str) -> None:
    assert refusal(text)[0] == "empty-file"


def test_words_that_stand_twice_leave_the_file_readable() -> None:
    node, problems = parse(b"a: 1\nb: 2\na: 3\n1: x\n1: y\n", PATH)
    assert plain(node) == {"a": 1, "b": 2, 1: "x"}
    assert [(p.reason, p.where and p.where.line) for p in problems] == [
        ("yaml-duplicate-key", 3),
        ("yaml-duplicate-key", 5),
    ]
    assert "line 1" in problems[0].message


@pytest.mark.parametrize("written", ["[x]: 1", "true: 1", "~: 1", "1.5: 1", "? {a: 1}\n: 1", "{{ x }}: 1"])
def test_words_must_be_words(written: str) -> None:
    node, problems = parse(f"{written}\nb: 2\n".encode(), PATH)
    assert plain(node) == {"b": 2}
    assert {(problem.reason, problem.where and problem.where.line) for problem in problems} == {("wrong-type", 1)}


def test_the_size_of_a_file_is_bounded() -> None:
    assert refusal(b"#" * (MAX_BYTES + 1))[0] == "yaml-too-large"


def test_the_depth_is_bounded_with_aliases() -> None:
    assert refusal("[" * (MAX_DEPTH + 2))[0] == "yaml-too-large"
    half = "[" * (MAX_DEPTH // 2 + 2) + "{}" + "]" * (MAX_DEPTH // 2 + 2)
    nested = half.replace("{}", "*a")
    assert read(f"[{half}]")
    assert refusal(f"[&a {half}, {nested}]")[0] == "yaml-too-large"


def test_aliases_count_in_full() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    reason, line, _ = refusal("\n".join(lines))
    assert (reason, line) == ("yaml-too-large", 5)


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_nodes, "MAX_NODES", 1000)
    assert refusal("[" + "x," * 1000 + "]")[0] == "yaml-too-large"
    assert read("[" + "x," * 999 + "]") == ("x",) * 999
