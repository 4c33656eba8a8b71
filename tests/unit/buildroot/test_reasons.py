"""What changed of a package since the last build."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream.buildroot.graph import elements, reasons
from rootstream.buildroot.graph.draft import GraphDraft
from rootstream.plan.model import Dependency, Element


def draft(folder: Path) -> GraphDraft:
    made = GraphDraft()
    made.link("tree-lib.bst", "tree-lib", {"/buildroot/tree/package/lib": folder / "lib"}, rules=True)
    made.link("tree-app.bst", "tree-app", {"/buildroot/tree/package/app": folder / "app"}, rules=True)
    for name, parts in (("lib", ["tree-lib.bst"]), ("app", ["tree-lib.bst", "tree-app.bst", "package-lib.bst"])):
        made.written[f"files/package-{name}/config"] = b"BR2_x86_64=y\n# BR2_PACKAGE_X is not set\n"
        names = ["programs-buildroot.bst", *parts]
        made.add(
            Element(
                name=f"package-{name}.bst",
                kind="manual",
                description="",
                builds_with=tuple(Dependency(element=each) for each in names),
                commands=("make",),
            )
        )
    made.add(Element(name="programs-buildroot.bst", kind="import", description=""))
    made.written["files/programs-buildroot/additions.py"] = b"1"
    return made


def changed(folder: Path, change: Callable[[GraphDraft], object], package: str = "app") -> list[str]:
    """Return what is told after a change of the draft or of the files."""
    (folder / "lib").mkdir()
    (folder / "app").mkdir()
    (folder / "lib" / "lib.mk").write_text("1")
    (folder / "lib" / "Config.in").write_text("1")
    (folder / "app" / "app.mk").write_text("1")
    base = {"gcc": "13"}
    before = reasons.restored(json.loads(json.dumps(reasons.record(draft(folder), "1", base).data())))
    now = draft(folder)
    change(now)
    return reasons.changes(f"package-{package}.bst", before, reasons.record(now, "1", base))


def written(path: str, content: bytes) -> Callable[[GraphDraft], object]:
    return lambda made: made.written.update({path: content})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: None, []),
        (
            written("files/package-app/config", b"BR2_x86_64=y\nBR2_PACKAGE_X=y\n"),
            ["BR2_PACKAGE_X: # BR2_PACKAGE_X is not set -> BR2_PACKAGE_X=y"],
        ),
        (
            written("files/package-app/config", b"# BR2_PACKAGE_X is not set\n"),
            ["BR2_x86_64: is not in its configuration any more"],
        ),
        (
            written("files/package-lib/config", b""),
            ["lib, which it is built with, is built again"],
        ),
        (
            lambda made: (
                made.from_here["tree-app.bst"]
                .files["/buildroot/tree/package/app"]
                .joinpath("fix.patch")
                .write_text("x")
            ),
            ["/buildroot/tree/package/app/fix.patch: is new"],
        ),
        (
            lambda made: (
                made.from_here["tree-lib.bst"]
                .files["/buildroot/tree/package/lib"]
                .joinpath("Config.in")
                .write_text("2")
            ),
            [],
        ),
        (
            lambda made: (
                made.from_here["tree-app.bst"]
                .files["/buildroot/tree/package/app"]
                .joinpath("app.mk")
                .write_text("2")
            ),
            ["/buildroot/tree/package/app/app.mk: 6b86b273ff34 -> d4735e3a265e"],
        ),
    ],
)
def test_each_change_is_told(tmp_path: Path, change: Callable[[GraphDraft], object], expected: list[str]) -> None:
    assert changed(tmp_path, change) == expected


def test_programs_are_told_as_one(tmp_path: Path) -> None:
    told = changed(tmp_path, written("files/programs-buildroot/additions.py", b"2"))
    assert [line.partition(":")[0] for line in told] == [
        *("Rootstream's programs-buildroot", "lib, which it is built with, is built again")
    ]


def test_the_base_and_a_new_package(tmp_path: Path) -> None:
    assert changed(tmp_path, lambda _: None) == []
    now = reasons.record(draft(tmp_path), "1", {"gcc": "14"})
    before = reasons.record(draft(tmp_path), "1", {"gcc": "13"})
    assert reasons.changes("package-lib.bst", before, now) == ["gcc: 13 -> 14"]
    none = reasons.Composition(key="", made={}, files={}, base={})
    assert reasons.changes("package-lib.bst", none, now) == ["it was not part of the last build"]
    assert reasons.package_of(elements.IMAGES) == "images"
