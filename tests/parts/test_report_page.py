"""The page of a build in a browser: from a file, without network, wide and narrow, light and dark, by keyboard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rootstream.project.project import find
from rootstream.verbs import pages
from tests.conftest import ROOT
from tests.netboot.browser import Browser, Tab, browser
from tests.unit.report.exports import DEBIAN, INVENTORY, export

HOSTILE = "</script><img src=x onerror=document.title='bad'>"
NAMES = ("image.bst", "kernel.bst", "base.bst", f"{HOSTILE}.bst")


def row(path: str, size: int, package: str) -> dict[str, Any]:
    words = {"record": "file", "path": path, "kind": "file", "mode": 420, "layer": "the root", "size": size}
    return {**words, "packages": [package]}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    (folder / "system.yaml").write_text("systems:\n  box:\n    root: busybox\n    images: [tar]\n")
    rows = [*INVENTORY, row("usr/lib/libc.so", 5000, "libc6"), row(f"usr/{HOSTILE}", 9000, "tool")]
    told = {**DEBIAN, "contents": {**DEBIAN["contents"], "product": {"name": HOSTILE}}}
    told["files"] = [
        {"name": name, "kind": kind, "size": 1 << 20, "sha256": "0" * 64}
        for name, kind in (("box.img", "disk"), ("vmlinuz", "kernel"))
    ]
    place = export(folder / "out/box", told, rows)
    export(folder / ".rootstream/previous/box", DEBIAN, INVENTORY)
    actions = [
        {"element": name, "action": "build", "begin": at, "end": at + 1, "result": "success"}
        for at, name in enumerate(reversed(NAMES))
    ]
    record = {"format": 1, "system": "box", "began": "2026-12-01T00:00:00+00:00", "elapsed": 5, "actions": actions}
    record["elements"] = {name: NAMES[at + 1 : at + 2] for at, name in enumerate(NAMES)}
    (folder / ".rootstream/builds").mkdir()
    (folder / ".rootstream/builds/box.json").write_text(json.dumps(record))
    (place / "verify").mkdir()
    boot = {"kind": "disk", "passed": True, "times": {"kernel": 1, "init": 2, "login": 3, "up": 3}}
    (place / "verify/boot.json").write_text(json.dumps({"boots": [boot]}))
    page = folder / "page.html"
    page.write_bytes(pages.report(find(folder), "box"))
    return page.as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def tab(chromium: Browser, address: str) -> Iterator[Tab]:
    made = chromium.tab()
    made.look(1280, 900)
    made.go(address)
    made.until("document.body.dataset.ready === 'yes'")
    yield made
    assert made.faults == []
    assert made.js("document.title") == HOSTILE
    assert made.js("performance.getEntriesByType('resource').length") == 0


def drawn(tab: Tab) -> int:
    """Scroll through the page; return how many charts show something other than their ground."""
    for name in ("sizes", "changes", "timeline", "graph", "boots", "licenses"):
        tab.js(f"document.getElementById('section-{name}').scrollIntoView()")
        tab.until(f"document.querySelector('#section-{name} .chart canvas') !== null")
    colors = (
        "(it => { const data = it.getContext('2d').getImageData(0, 0, it.width, it.height).data;"
        " const found = new Set(); for (let at = 0; at < data.length; at += 4)"
        " if (data[at + 3] > 200) found.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]);"
        " return found.size; })"
    )
    return int(tab.js(f"[...document.querySelectorAll('canvas')].filter(it => {colors}(it) > 1).length"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_all_charts_are_drawn(tab: Tab, width: int, *, dark: bool) -> None:
    tab.look(width, 900, dark=dark)
    assert drawn(tab) == 6
    assert tab.js("document.documentElement.scrollWidth") <= width
    back = tab.js("getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(f"[{back[4:-1]}]")) < 200) == dark


def test_sizes_are_reached_by_the_keyboard(tab: Tab) -> None:
    tab.js("document.querySelector('#section-sizes').focus()")
    for _ in range(10):
        tab.key("Tab")
        if tab.focus() == "box.img":
            break
    tab.key("Enter")
    tab.shows("3 components", "#section-sizes")
    assert tab.focus() == "box.img"
    tab.js(
        "[...document.querySelectorAll('#section-sizes tbody button')].find(it => it.innerText === 'tool').focus()"
    )
    tab.key("Enter")
    tab.shows(f"/usr/{HOSTILE}", "#section-sizes tbody")
    assert tab.js("document.querySelectorAll('img').length") == 0
    tab.js("document.querySelector('#section-sizes .way button').focus()")
    tab.key("Space")
    tab.shows("box.img", "#section-sizes tbody")


def test_the_graph_is_searched(tab: Tab) -> None:
    tab.js("document.querySelector('#section-graph').scrollIntoView()")
    tab.js("document.querySelector('#section-graph input').focus()")
    tab.type("KERN")
    tab.shows("1 match", "#section-graph")
    tab.key("Tab")
    tab.key("Tab")
    tab.key("Tab")
    assert tab.focus() == "kernel.bst"
    tab.key("Enter")
    tab.shows("Needs (1)", "#section-graph .about")
    tab.shows("base.bst", "#section-graph .about")
    tab.shows("image.bst", "#section-graph .about")
    tab.js("document.querySelector('#section-graph .about button').focus()")
    tab.key("Enter")
    tab.shows("Needed by (1)", "#section-graph .about")
    assert tab.focus() == "base.bst"


def test_tables_are_sorted_and_searched(tab: Tab) -> None:
    tab.js("document.querySelector('#section-timeline details').open = true")
    tab.click("#section-timeline th:nth-child(4) button")
    assert (
        tab.js("document.querySelector('#section-timeline th:nth-child(4)').getAttribute('aria-sort')")
        == "descending"
    )
    names = tab.js("[...document.querySelectorAll('#section-timeline tbody th')].map(it => it.innerText)")
    assert sorted(names) == sorted(NAMES)


def test_the_critical_path_is_marked(tab: Tab) -> None:
    assert "4 elements on the critical path" in tab.text("#section-timeline")


def test_the_library_is_what_npm_has() -> None:
    argv = [sys.executable, "tools/vendor.py", "--check"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    if done.returncode == 3:
        pytest.skip(f"npm cannot fetch it here: {done.stdout.strip()}")


@pytest.mark.parametrize(
    ("needs", "columns"),
    [
        ([[], [0], [1], [0, 2]], [0, 1, 2, 3]),
        ([[1], [0], [0]], [0, 1, 1]),  # a circle, and what needs it
        ([[0]], [0]),
        ([[]], [0]),
    ],
)
def test_what_is_needed_is_on_the_left(tab: Tab, needs: list[list[int]], columns: list[int]) -> None:
    needed = [[at for at, each in enumerate(needs) if one in each] for one in range(len(needs))]
    places = tab.js(f"R.columns({needs}, {needed})")
    order = sorted({x for x, _ in places})
    found = [order.index(x) for x, _ in places]
    assert all(0 < x < 1 and 0 < y < 1 for x, y in places)
    assert found == columns


def test_a_column_with_many_nodes_is_split(tab: Tab) -> None:
    places = tab.js("R.columns(Array.from({length: 100}, () => []), Array.from({length: 100}, () => []))")
    assert len({x for x, _ in places}) == 3
    assert len({tuple(each) for each in places}) == 100
