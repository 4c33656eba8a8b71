"""Size budgets: what is too large is told with its line and what grew, and the export before stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.budgets import Budgets
from rootstream.errors import Problems, UserError
from rootstream.events import ignore
from rootstream.project import export as exporting
from rootstream.project.project import Project
from rootstream.report import budgets
from tests.unit.report.exports import DEBIAN, INVENTORY, export

LINES = {
    "budgets/images/*": 3,
    "budgets/images/kernel": 4,
    "budgets/root": 5,
    "budgets/components/libc6": 6,
    "budgets/components/*": 7,
}
FILE = Path("system.yaml")


def files(**sizes: int) -> list[dict[str, Any]]:
    row = {"record": "file", "kind": "file", "mode": 420, "layer": "the root"}
    return [
        *INVENTORY[:-1],
        *({**row, "path": name, "size": size, "packages": [name]} for name, size in sizes.items()),
    ]


def problems(given: Budgets, new: Path, before: Path | None = None) -> dict[int, UserError]:
    look = budgets.judge(given, FILE, LINES)
    assert look
    try:
        look(new, before)
    except Problems as error:
        return {each.where.line: each for each in error.problems if each.where and each.where.line}
    return {}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (Budgets(images={"*": 6, "kernel": 6}, root=150, components={"libc6": 100, "*": 150}), []),
        (Budgets(images={"*": 5}), [3]),
        (Budgets(images={"kernel": 5}), [4]),
        (Budgets(images={"disk": 1}), []),
        (Budgets(root=149), [5]),
        (Budgets(components={"libc6": 99}), [6]),
        (Budgets(components={"*": 149}), [7]),
        (Budgets(images={"*": 5}, root=1, components={"libc6": 1}), [3, 5, 6]),
    ],
)
def test_what_exceeds_a_budget(tmp_path: Path, given: Budgets, wrong: list[int]) -> None:
    found = problems(given, export(tmp_path / "new", DEBIAN, files(libc6=100, tool=50)))
    assert sorted(found) == wrong
    assert {each.reason for each in found.values()} <= {"over-budget"}


def test_what_grew_is_told(tmp_path: Path) -> None:
    new = export(tmp_path / "new", DEBIAN, files(libc6=3000, tool=50))
    (error,) = problems(Budgets(root=1024), new, export(tmp_path / "old", DEBIAN, files(libc6=1000))).values()
    assert error.message == "files in the root: 3.0 KiB, 2.0 KiB more than the budget of 1.0 KiB"
    assert error.detail == "since the export before, these grew:\n  libc6  +2.0 KiB\n  tool  +50 bytes, new"
    (error,) = problems(Budgets(root=1024), new).values()
    assert error.detail == "the largest components:\n  libc6  2.9 KiB\n  tool  50 bytes"
    (error,) = problems(
        Budgets(components={"libc6": 1024}), new, export(tmp_path / "other", DEBIAN, files(tool=1))
    ).values()
    assert error.detail == "since the export before, these grew:\n  libc6  +2.9 KiB, new"


def test_what_grew_in_an_image_is_told(tmp_path: Path) -> None:
    new = export(tmp_path / "new", DEBIAN, files(libc6=30))
    (error,) = problems(Budgets(images={"*": 5}), new, export(tmp_path / "old", DEBIAN, files(libc6=10))).values()
    assert error.message == "bzImage: 6 bytes, 1 byte more than the budget of 5 bytes"
    assert error.detail == (
        "in the export before, bzImage had 6 bytes\nsince the export before, these grew:\n  libc6  +20 bytes"
    )
    (error,) = problems(Budgets(images={"*": 5}), export(tmp_path / "bare", DEBIAN)).values()
    assert error.detail is None


def test_without_a_list_of_files_nothing_passes_silently(tmp_path: Path) -> None:
    found = problems(Budgets(images={"*": 100}, root=1, components={"libc6": 1}), export(tmp_path / "new", DEBIAN))
    assert {line: each.reason for line, each in found.items()} == {5: "budget-unknown", 6: "budget-unknown"}


def test_a_budget_that_is_about_nothing_is_a_warning(tmp_path: Path) -> None:
    look = budgets.judge(
        Budgets(images={"kernel": 6, "disk": 1}, components={"libc6": 100, "lib": 1}), FILE, LINES
    )
    assert look
    assert look(export(tmp_path / "new", DEBIAN, files(libc6=1)), None) == (
        "system.yaml: the budget of 'disk' fits none of the images",
        "system.yaml: the budget of 'lib' fits none of the components",
    )


def test_without_budgets_nothing_is_looked_at() -> None:
    assert budgets.judge(Budgets(), FILE, {}) is None


def test_the_export_before_stays(tmp_path: Path) -> None:
    project = Project(folder=tmp_path, kind="described")

    def built(content: str, limit: int) -> None:
        checkout = tmp_path / content
        (checkout / "images").mkdir(parents=True)
        (checkout / "images/root.tar").write_text(content)
        look = budgets.judge(Budgets(images={"*": limit}), FILE, LINES)
        facts = exporting.Facts(
            target="box", arch="", digest=content, kinds={}, inputs=(), elements=(), version="1", judge=look
        )
        exporting.export(project, checkout, facts, ignore)

    (tmp_path / ".rootstream").mkdir()
    built("small", 5)
    with pytest.raises(Problems):
        built("larger", 5)
    assert (tmp_path / "out/box/root.tar").read_text() == "small"
    assert json.loads((tmp_path / "out/box/manifest.json").read_text())["plan"] == "small"
    assert exporting.is_current(project, "box", "small")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["box"]
    assert not exporting.previous(project, "box").exists()
