"""Pages: what is on them, that names of others are never markup, and that their library is what was recorded."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rootstream.boot import verify
from rootstream.boot.checks.runner import Result
from rootstream.description.budgets import Budgets
from rootstream.errors import UserError
from rootstream.project.project import find
from rootstream.report import components, contents, difference, inventory, page, timeline
from rootstream.report.page import audits, boots, changes, graphs, sizes
from rootstream.report.timeline import Action, Record
from tests.unit.report.exports import DEBIAN, INVENTORY, export

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\u2028&amp;{data}{policy}"
STATIC = Path(page.__file__).parent / "static"


class Reader(HTMLParser):
    """The scripts, styles and policy of a page, and all of its elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.policy = ""
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = dict(attrs)
        self.tags.append(tag)
        if words.get("http-equiv") == "Content-Security-Policy":
            self.policy = words["content"] or ""
        if tag in ("script", "style", "title", "p"):
            self._open = f"{tag} {words.get('type', '')}".strip()
            self.texts.append((self._open, ""))

    def handle_endtag(self, tag: str) -> None:
        if self._open.startswith(tag):
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[-1] = (self._open, self.texts[-1][1] + data)


def test_names_are_never_markup() -> None:
    data = {"images": [{"name": HOSTILE, "kind": "disk", "size": 1, "root": True}], "components": []}
    sections = [{"kind": "sizes", "title": "Sizes", "data": data, "missing": HOSTILE}]
    found = Reader(page.page(HOSTILE, HOSTILE, sections).decode())
    assert "img" not in found.tags
    assert ("title", HOSTILE) in found.texts
    (given,) = (text for kind, text in found.texts if kind == "script application/json")
    assert json.loads(given)["sections"] == sections


def test_the_policy_allows_its_own_scripts_and_nothing_else() -> None:
    found = Reader(page.page("a", "b", []).decode())
    hashed = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for kind, text in found.texts
        if kind in ("script", "style")
    ]
    assert len(hashed) == len(page.SCRIPTS) + 1
    assert all(each in found.policy for each in hashed)
    assert found.policy.startswith("default-src 'none';")
    assert "unsafe" not in found.policy
    assert "http" not in found.policy
    assert not {"link", "iframe", "object", "form"} & set(found.tags)


def test_scripts_can_stand_in_a_page() -> None:
    for name in (*page.SCRIPTS, page.STYLE):
        text = (STATIC / name).read_text("utf-8").lower()
        assert "</script" not in text, name
        assert "</style" not in text, name
        assert "\r" not in text, name  # HTML turns it into a newline: the hash would be another
        if name != page.LIBRARY:
            assert "innerhtml" not in text, name


def test_the_library_is_what_was_recorded() -> None:
    record = json.loads((STATIC.parent / "vendor.json").read_text())
    found = {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in record["files"]}
    assert found == record["sha256"]
    assert {"echarts.min.js", "echarts.LICENSE", "echarts.NOTICE"} <= found.keys()


def system_of(folder: Path, rows: list[dict[str, Any]]) -> tuple[Any, Any, inventory.Inventory]:
    place = export(folder / "box", DEBIAN, rows)
    data, listed = components.find(place)
    assert listed
    known = inventory.read(listed)
    return (
        components.system(data, known, place / "manifest.json"),
        contents.read(data, place / "manifest.json"),
        known,
    )


def file(path: str, size: int, *packages: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    row = {"record": "file", "path": path, "kind": "file", "mode": 420, "layer": "the root", "size": size}
    return {**row, "packages": list(packages), **more}


def test_sizes_by_component(tmp_path: Path) -> None:
    rows = [file(f"f{number}", number, "libc6") for number in range(1, 101)]
    rows += [file("hard", 100, "libc6", link="f100"), file("t", 7, "tool"), file("s", 3, layer="secrets.tar")]
    found = sizes.data(*system_of(tmp_path, [*INVENTORY, *rows]), Budgets(images={"*": 9, "kernel": 8}))
    assert found["images"] == [{"name": "bzImage", "kind": "kernel", "size": 6, "root": False, "budget": 8}]
    libc, tool, *rest = found["components"]
    assert libc[:5] == ["libc6", "2.41-12", "deb", 5050, 100]  # another name of a file is no other file
    assert libc[5][0] == ["f100", 100]
    assert len(libc[5]) == 40
    assert tool == ["tool", "1.0", "deb", 7, 1, [["t", 7]]]
    assert sum(each[3] for each in rest) == 6


def test_graphs() -> None:
    rows = [{**INVENTORY[1], "name": name, "depends": needs, "record": "deb"} for name, needs in (
        ("a", "b (>= 1) | c, virtual"), ("b", "a"), ("c", ""))]  # fmt: skip
    found = graphs.packages(inventory.Inventory(debs=[inventory.Deb(**{**row, "licenses": None}) for row in rows]))
    assert found is not None
    assert [each[0] for each in found["nodes"]] == ["a", "b", "c"]
    assert found["edges"] == [[0, 1], [0, 2], [1, 0]]
    assert graphs.packages(inventory.Inventory()) is None
    built = graphs.elements(record())
    assert built is not None
    assert built["nodes"] == [
        ["base", "pulled", 2.0],
        ["image", "built", 1.0],
        ["kernel", "built", 6.0],
        ["x", "cached", 0.0],
    ]
    assert built["edges"] == [[1, 2], [1, 0], [2, 0]]


def action(element: str, action: str, begin: float, end: float, result: str = "success") -> Action:
    return Action(element=element, action=action, begin=begin, end=end, result=result)


def record() -> Record:
    return Record(
        format=1,
        system="box",
        began="2026-12-01T00:00:00+00:00",
        elapsed=11,
        elements={"base": (), "image": ("kernel", "base", "gone"), "kernel": ("base",), "x": ()},
        actions=(
            action("image", "build", 9, 10),
            action("base", "pull", 0, 2),
            action("kernel", "fetch", 0, 1),
            action("kernel", "build", 3, 8),
            action("base", "push", 10, 20),
        ),
    )


def test_the_end_of_a_build_had_to_wait_for_its_critical_path() -> None:
    found = record()
    assert timeline.critical_path(found.elements, found.actions) == ("base", "kernel", "image")
    assert timeline.critical_path({}, ()) == ()
    ring = {"a": ("b",), "b": ("a",)}
    assert timeline.critical_path(ring, (action("a", "build", 0, 2), action("b", "build", 0, 1))) == ("b", "a")
    told = graphs.times(found)
    assert (told["cached"], told["elements"], told["critical"]) == (1, 4, ["base", "kernel", "image"])
    bare = graphs.times(found.model_copy(update={"elements": {}}))
    assert (bare["cached"], bare["critical"], bare["elements"]) == (None, None, 3)


def test_components_that_grew(tmp_path: Path) -> None:
    export(tmp_path / "old", DEBIAN, [*INVENTORY, file("a", 10, "libc6"), file("b", 5, "tool")])
    export(tmp_path / "new", DEBIAN, [*INVENTORY, file("a", 30, "libc6"), file("b", 5, "tool")])
    before, after = (difference.side(name, tmp_path / name) for name in ("old", "new"))
    found = changes.data(before, after, difference.difference(before, after))
    assert found["grown"] == [["libc6", 10, 30]]
    assert [(each["title"], each["counts"]) for each in found["lists"]] == [("Files", [0, 0, 1])]


def test_boots(tmp_path: Path) -> None:
    place = export(tmp_path / "box", DEBIAN)
    assert boots.data(place) is None
    (place / "verify").mkdir()
    told = {"kind": "disk", "passed": True, "times": {"kernel": 1.5, "init": None}, "checks": []}
    (place / "verify/boot.json").write_text(json.dumps({"boots": [told]}))
    found = boots.data(place)
    assert found is not None
    assert found["boots"][0]["times"] == {"kernel": 1.5, "init": None, "login": None, "up": None}
    (place / "verify/boot.json").write_text('{"boots": [{"kind": 3}]}')
    with pytest.raises(UserError) as caught:
        boots.data(place)
    assert caught.value.reason == "bad-boots"


def test_boots_are_those_that_verify_writes(tmp_path: Path) -> None:
    place = export(tmp_path / "box", DEBIAN)
    boot = verify.Boot(
        kind="disk",
        accelerator="tcg",
        started="2026-12-01T00:00:00+00:00",
        elapsed=5.0,
        times=verify.Times(kernel=1.0, init=2.0, init_kernel=1.5, login=None, up=4.0),
        results=(Result(name="login", passed=False, elapsed=1.0, detail="no prompt"),),
        log=tmp_path / "console.log",
        console="",
        paste="qemu",
    )
    told = verify.Verdict(system="box", arch="x86_64", boots=(boot,), junit=tmp_path / "j", summary=tmp_path / "s")
    (place / "verify").mkdir()
    (place / "verify/boot.json").write_text(json.dumps(verify.summary(told)))
    found = boots.data(place)
    assert found is not None
    (one,) = found["boots"]
    assert (one["passed"], one["times"]) == (False, {"kernel": 1.0, "init": 2.0, "login": None, "up": 4.0})
    assert one["checks"] == ({"name": "login", "passed": False, "elapsed": 1.0, "detail": "no prompt"},)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1, "elapsed": -1}', "[" * 100_000])
def test_wrong_records(tmp_path: Path, content: str) -> None:
    (tmp_path / "system.yaml").write_text("")
    project = find(tmp_path)
    assert timeline.read(project, "box") is None
    for path in (timeline.path_of(project, "box"), tmp_path / ".rootstream/audits/box.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with pytest.raises(UserError) as caught:
        timeline.read(project, "box")
    assert caught.value.reason == "bad-record"
    with pytest.raises(UserError) as caught:
        audits.data(project, "box")
    assert caught.value.reason == "bad-audit"
