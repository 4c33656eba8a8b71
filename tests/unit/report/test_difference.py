"""What two exports differ in."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from rootstream.report import difference
from tests.unit.report.exports import BUILDROOT, DEBIAN, HELLO, INVENTORY, deb, export, packages, source


def compared(
    folder: Path,
    old: dict[str, Any],
    new: dict[str, Any],
    listed: tuple[list[dict[str, Any]] | None, list[dict[str, Any]] | None] = (INVENTORY, INVENTORY),
) -> difference.Difference:
    sides = [
        difference.side(name, export(folder / name / "box", told, rows))
        for name, told, rows in (("a", old, listed[0]), ("b", new, listed[1]))
    ]
    return difference.difference(sides[0], sides[1])


def row(path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    base = {"record": "file", "path": path, "kind": "file", "mode": 0o644, "uid": 0, "gid": 0, "layer": "x"}
    return {**base, "size": 1, "sha256": "0" * 64, **more}


@pytest.mark.parametrize("told", [HELLO, DEBIAN, BUILDROOT], ids=["hello", "debian", "buildroot"])
def test_the_same_has_no_difference(tmp_path: Path, told: dict[str, Any]) -> None:
    found = compared(tmp_path, told, told)
    assert not found
    assert list(difference.lines(found, 9))[2:] == ["no difference"]


def test_versions_of_components(tmp_path: Path) -> None:
    def of(*rows: dict[str, Any], linux: str) -> dict[str, Any]:
        return {"inputs": [packages(*rows, ships="packages"), source("linux", linux)], "contents": {"linked": []}}

    old = of(deb("libc6", "1", "a"), deb("gone", "1", "b"), linux="6.12.107-1")
    new = of(deb("libc6", "2", "c"), deb("new", "1", "d"), linux="6.12.107-2")
    found = compared(tmp_path, old, new, (None, None)).components
    assert (found.added, found.removed) == ((("deb new", "1"),), (("deb gone", "1"),))
    changed = {each.name: each.aspects for each in found.changed}
    assert changed["deb libc6"]["version"] == ("1", "2")
    assert changed["source linux"] == {"version": ("6.12.107-1", "6.12.107-2")}  # the revision of Debian's


def test_several_versions_of_one_crate_are_apart(tmp_path: Path) -> None:
    def of(*versions: str) -> dict[str, Any]:
        crates = [{"name": "syn", "version": version} for version in versions]
        own = {"kind": "package", "name": "a", "folder": "a", "crates": crates}
        return {"inputs": [], "contents": {"own": [own]}}

    found = compared(tmp_path, of("1.0", "2.0"), of("1.0", "2.1"), (None, None)).components
    assert (found.added, found.removed) == ((("cargo syn 2.1", "2.1"),), (("cargo syn 2.0", "2.0"),))


def test_files(tmp_path: Path) -> None:
    old = [
        *INVENTORY,
        row("bin/a"),
        row("bin/b"),
        row("bin/c", mode=0o4755),
        row("bin/d", uid=None, gid=None),
        row("bin/e", kind="symlink", target="a", size=None, sha256=None),
    ]
    new = [
        *INVENTORY,
        row("bin/b", layer="y", sha256="1" * 64, size=2),
        row("bin/c", uid=5),
        row("bin/d"),
        row("bin/e", kind="symlink", target="b", size=None, sha256=None),
        row("bin/f", size=7),
    ]
    found = compared(tmp_path, HELLO, HELLO, (old, new)).files
    assert (found.added, found.removed) == ((("bin/f", 7),), (("bin/a", 1),))
    assert {each.name: dict(each.aspects) for each in found.changed} == {
        "bin/b": {"size": (1, 2), "content": ("0" * 64, "1" * 64)},
        "bin/c": {"mode": ("4755", "0644"), "owner": ("0:0", "5:0")},
        "bin/d": {"owner": (None, "0:0")},
        "bin/e": {"target": ("a", "b")},
    }


def test_symbols(tmp_path: Path) -> None:
    new = copy.deepcopy(INVENTORY)
    new[3]["symbols"] = {"NET": "m", "IPV6": "y"}
    found = compared(tmp_path, HELLO, HELLO, (INVENTORY, new))
    linux = found.symbols["linux"]
    assert linux.added == (("IPV6", "y"),)
    assert [(each.name, each.aspects) for each in linux.changed] == [("NET", {"value": ("y", "m")})]
    lines = list(difference.lines(found, 9))
    assert lines[-3:] == [
        "linux configuration: 1 added, 0 removed, 1 changed",
        "  + IPV6  y",
        "  ~ NET  value y -> m",
    ]


def test_images_and_what_was_not_compared(tmp_path: Path) -> None:
    files = [{"name": "bzImage", "kind": "kernel", "size": 7, "sha256": "0" * 64}]
    found = compared(tmp_path, HELLO, {**HELLO, "files": files}, (INVENTORY, None))
    assert found.images.changed[0].aspects["size"] == (6, 7)
    assert found.unknown == ("the files of b: it has no list of them",)
    assert "  ~ bzImage  size 6 -> 7, content changed" in difference.lines(found, 9)
    assert difference.data(found)["not_compared"] == list(found.unknown)


def test_long_lists_are_cut_for_people_only(tmp_path: Path) -> None:
    new = [*INVENTORY, *(row(f"x/{number:03}") for number in range(50))]
    found = compared(tmp_path, HELLO, HELLO, (INVENTORY, new))
    assert list(difference.lines(found, 10))[-1] == "  and 40 more (`--all` shows them)"
    assert len(list(difference.lines(found, 50))) == 2 + 1 + 50
    assert len(difference.data(found)["files"]["added"]) == 50
