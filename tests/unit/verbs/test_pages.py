"""`report`, and the pages of `audit` and `diff`, as commands; what a build keeps for them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rootstream.__main__ import main
from rootstream.engine.elements import ElementState
from rootstream.errors import UserError
from rootstream.events import ElementFinished, Event
from rootstream.project import export as exporting
from rootstream.project.project import Project, find
from rootstream.report import timeline
from rootstream.verbs import pages
from rootstream.verbs.build_record import Recorder, below
from tests.unit.report.exports import DEBIAN, INVENTORY, export

SYSTEM = "systems:\n  box:\n    root: busybox\n    images: [tar]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "system.yaml").write_text(SYSTEM)
    export(tmp_path / "out/box", DEBIAN, INVENTORY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sections(page: bytes) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.decode())
    assert found
    return {each["kind"]: each for each in json.loads(found[1])["sections"]}


def test_what_is_not_known_is_said(folder: Path) -> None:
    found = sections(pages.report(find(folder), "box"))
    assert [name for name, each in found.items() if each["data"]] == ["sizes", "graph", "licenses"]
    assert all(each["missing"] for name, each in found.items() if not each["data"])


def test_the_page_of_a_build(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feed = folder / "debian.json"
    feed.write_text(json.dumps({"glibc": {"CVE-1-2": {"releases": {"trixie": {"status": "open"}}}}}))
    assert main(("audit", "box", "--feed", str(feed), "--html", "audit.html")) == 0
    assert sections((folder / "audit.html").read_bytes())["audit"]["data"]["vulnerabilities"][0]["id"] == "CVE-1-2"
    capsys.readouterr()
    assert main(("report", "box")) == 0
    assert capsys.readouterr().out == f"{folder}/out/box/report.html\n"
    found = sections((folder / "out/box/report.html").read_bytes())["audit"]["data"]
    assert (found["stale"], len(found["vulnerabilities"])) == (None, 1)
    told = json.loads((folder / "out/box/manifest.json").read_text())
    (folder / "out/box/manifest.json").write_text(json.dumps({**told, "plan": "other"}))
    assert main(("report", "-o", "page.html")) == 0
    assert "earlier build" in sections((folder / "page.html").read_bytes())["audit"]["data"]["stale"]


def test_the_page_of_a_comparison(folder: Path) -> None:
    export(folder / "old", {**DEBIAN, "inputs": DEBIAN["inputs"][:1]}, INVENTORY)
    assert main(("diff", "old", "box", "--html", "diff.html")) == 1
    found = sections((folder / "diff.html").read_bytes())["changes"]["data"]
    assert (found["before"], found["after"]) == ("old", "box")
    assert [each["title"] for each in found["lists"]] == ["Components"]


def test_a_system_that_is_not_built(folder: Path) -> None:
    (folder / "out/box/manifest.json").unlink()
    assert main(("report", "box")) == 2
    with pytest.raises(UserError):
        pages.report(find(folder), "box")


def finished(element: str, action: str, elapsed: float, result: Any = "success") -> Event:  # noqa: ANN401
    return ElementFinished(element=element, action=action, key="", result=result, elapsed=elapsed, log=None)


def recorder(times: Sequence[float]) -> Recorder:
    clock: Callable[[], float] = iter(times).__next__
    return Recorder(report=lambda _: None, clock=clock, now=1796083200.0)


def test_what_a_build_did_is_recorded(folder: Path) -> None:
    made = recorder([100, 103, 105, 106, 107])
    made(finished("a", "pull", 2.5))
    made(finished("a", "fetch", 1, "skipped"))
    made(finished("b", "build", 1, "failure"))
    made(finished("other", "build", 1))
    made.write(find(folder), "box", {"b": ("a",), "a": ()})
    found = timeline.read(find(folder), "box")
    assert found is not None
    assert (found.began, found.elapsed, dict(found.elements)) == (
        "2026-12-01T00:00:00+00:00",
        7,
        {"a": (), "b": ("a",)},
    )
    assert [(each.element, each.begin, each.end, each.result) for each in found.actions] == [
        ("a", 0.5, 3, "success"),
        ("b", 4, 5, "failure"),
    ]


def test_what_was_asked_before_the_plan_is_on_the_critical_path(folder: Path) -> None:
    made = recorder([100, 110, 115, 118, 126, 127])
    made(finished("info", "build", 9))
    made(finished("proof", "build", 4))
    made(finished("tools", "build", 2))
    made(finished("images", "build", 7))
    made.write(find(folder), "box", {"images": ("tools", "old"), "tools": ("old",), "old": ()}, asked=True)
    found = timeline.read(find(folder), "box")
    assert found is not None
    assert timeline.critical_path(found.elements, found.actions) == ("info", "proof", "tools", "images")
    assert (found.elements["old"], found.elements["images"]) == ((), ("tools", "old"))


def test_what_an_element_is_built_from() -> None:
    def state(name: str, *build: str, runtime: tuple[str, ...] = ()) -> ElementState:
        return ElementState(
            name=name, kind="manual", key="", state="cached", build_depends=build, runtime_depends=runtime
        )

    states = [state("a", "b", runtime=("j:c",)), state("b"), state("j:c", "missing"), state("other", "a")]
    assert below(states, "a") == {"a": ("b", "j:c"), "b": (), "j:c": ("missing",)}


def test_a_build_without_events_leaves_the_last_record(folder: Path) -> None:
    recorder([0]).write(find(folder), "box", {})
    assert timeline.read(find(folder), "box") is None


def rebuilt(project: Project, plan: str) -> None:
    checkout = project.folder / f"checkout-{plan}"
    checkout.mkdir()
    (checkout / "root.tar").write_bytes(plan.encode())
    facts = exporting.Facts(target="box", arch="", digest=plan, kinds={}, inputs=(), elements=(), version="0")
    exporting.export(project, checkout, facts, lambda _: None)


def test_the_export_before_is_kept(folder: Path) -> None:
    shutil.rmtree(folder / "out/box")
    project = find(folder)
    rebuilt(project, "a")
    assert not exporting.previous(project, "box").exists()
    rebuilt(project, "b")
    (folder / "checkout-b").rename(folder / "gone")
    rebuilt(project, "b")  # the same again is no other build
    kept = json.loads((exporting.previous(project, "box") / "manifest.json").read_text())
    assert kept["plan"] == "a"
    assert sections(pages.report(project, "box"))["changes"]["data"]["lists"][0]["title"] == "Images"
