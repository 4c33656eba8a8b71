"""`audit` as a command: decisions of vex.yaml, and feeds that are stored."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rootstream.errors import Problems, UserError
from rootstream.project.project import find
from rootstream.verbs import audit as verb
from tests.unit.report.exports import HELLO, export

SYSTEM = "systems:\n  hello:\n    root: busybox\n    images: [tar]\n    audit: {max_age: 7}\n"
NOW = 1796083200.0  # 2026-12-01
DAY = 86400.0
DECISION = '  - {vulnerability: CVE-2026-1, reason: not built in, author: Jane, date: "2026-12-01"'


def tracker(*ids: str) -> str:
    issue = {"releases": {"trixie": {"status": "open", "urgency": "high"}}}
    return json.dumps({"busybox": dict.fromkeys(ids, issue)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "system.yaml").write_text(SYSTEM)
    export(tmp_path / "out/hello", HELLO)
    (tmp_path / "debian.json").write_text(tracker("CVE-2026-1"))
    return tmp_path


def audited(folder: Path, *feeds: str, now: float = NOW) -> verb.Audited:
    return verb.audit(find(folder), ("hello",), tuple(folder / each for each in feeds), now)


def stored(folder: Path) -> list[str]:
    return sorted(each.name for each in (folder / ".rootstream/feeds").iterdir())


def test_decisions_are_read_from_their_own_file(folder: Path) -> None:
    (folder / "vex.yaml").write_text(f"decisions:\n{DECISION}}}\n{DECISION}, component: musl}}\n")
    found = audited(folder, "debian.json")
    (finding,) = found.result.findings
    assert finding.decision is not None
    assert finding.decision.author == "Jane"
    assert f"{folder}/vex.yaml:3:5: the decision on CVE-2026-1 of musl fits nothing" in found.table()
    (unused,) = json.loads(found.json())["unused_decisions"]
    assert unused == {"vulnerability": "CVE-2026-1", "component": "musl", "file": "vex.yaml", "line": 3}
    (statement,) = json.loads(found.vex())["statements"]
    assert statement["status"] == "not_affected"


def test_decisions_on_other_systems_do_not_count(folder: Path) -> None:
    text = SYSTEM + "  other: {root: busybox, images: [tar]}\n"
    (folder / "system.yaml").write_text(text)
    (folder / "vex.yaml").write_text(f"decisions:\n{DECISION}, systems: [other]}}\n")
    found = audited(folder, "debian.json")
    assert [each.decision for each in found.result.findings] == [None]
    assert found.result.unused == ()


def test_those_in_the_description_have_their_line(folder: Path) -> None:
    until = ', until: "2026-11-30"}'
    (folder / "system.yaml").write_text(
        "systems:\n  hello:\n    root: busybox\n    images: [tar]\n    audit:\n      exceptions:\n"
        "      - {vulnerability: CVE-2026-1, reason: r, author: a" + until + "\n"
    )
    found = audited(folder, "debian.json")
    assert f"{folder}/system.yaml:7: the exception on CVE-2026-1 of * no longer counts" in found.table()


def test_a_wrong_file_is_an_error(folder: Path) -> None:
    (folder / "vex.yaml").write_text("decisions:\n- {}\n")
    with pytest.raises(Problems):
        audited(folder, "debian.json")
    (folder / "vex.yaml").unlink()
    (folder / "vex.yaml").symlink_to(folder / "system.yaml")
    with pytest.raises(UserError) as caught:
        audited(folder, "debian.json")
    assert caught.value.reason == "link-in-project"


def test_feeds_are_stored_by_their_hash(folder: Path) -> None:
    first = audited(folder, "debian.json")
    digest = hashlib.sha256((folder / "debian.json").read_bytes()).hexdigest()
    assert stored(folder) == [digest, "index.json"]
    (folder / "debian.json").unlink()
    again = audited(folder, now=NOW + DAY)
    assert again.result.findings == first.result.findings
    (name,) = again.feeds
    assert (name.file, name.sha256, name.stored) == ("debian.json", digest, "2026-12-01")


def test_a_newer_file_takes_the_place_of_an_older_one(folder: Path) -> None:
    audited(folder, "debian.json")
    (folder / "kev.json").write_text(json.dumps({"catalogVersion": "1", "vulnerabilities": []}))
    audited(folder, "kev.json")
    (folder / "debian.json").write_text(tracker("CVE-2026-1", "CVE-2026-2"))
    assert len(audited(folder, "debian.json").result.findings) == 2
    assert len(stored(folder)) == 3
    assert [each.kind for each in audited(folder).feeds] == ["Debian", "KEV"]


def test_the_age_of_feeds_without_a_date_is_that_in_the_store(folder: Path) -> None:
    audited(folder, "debian.json")
    assert audited(folder, now=NOW + 7 * DAY).result.old == ()
    assert audited(folder, now=NOW + 8 * DAY).result.old == ("debian.json",)
    audited(folder, "debian.json", now=NOW + 8 * DAY)  # the same file: it is as old as before
    assert audited(folder, now=NOW + 8 * DAY).result.old == ("debian.json",)


def test_feeds_that_are_wrong_are_not_stored(folder: Path) -> None:
    audited(folder, "debian.json")
    before = stored(folder)
    (folder / "debian.json").write_text("{")
    with pytest.raises(UserError):
        audited(folder, "debian.json")
    assert stored(folder) == before


def test_a_damaged_store_is_an_error(folder: Path) -> None:
    audited(folder, "debian.json")
    (place,) = (each for each in (folder / ".rootstream/feeds").iterdir() if each.name != "index.json")
    place.write_text(tracker())
    with pytest.raises(UserError) as caught:
        audited(folder)
    assert caught.value.reason in ("bad-feed", "bad-feed-store")
    place.write_text(tracker("CVE-2026-3"))
    with pytest.raises(UserError) as caught:
        audited(folder)
    assert caught.value.reason == "bad-feed-store"
    (folder / ".rootstream/feeds/index.json").write_text("[]")
    with pytest.raises(UserError) as caught:
        audited(folder)
    assert caught.value.reason == "bad-feed-store"


def test_a_store_that_cannot_be_written_is_a_warning(folder: Path) -> None:
    (folder / ".rootstream").mkdir()
    (folder / ".rootstream/feeds").write_text("")
    found = audited(folder, "debian.json")
    assert len(found.result.findings) == 1
    assert "warning: feeds are not stored" in found.table()


def test_a_folder_of_records_is_stored_under_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = folder / "vulns/cve/published/2026"
    published.mkdir(parents=True)
    affected = [{"product": "Linux", "defaultStatus": "affected", "versions": [{"version": "6.1"}]}]
    record = {"dataType": "CVE_RECORD", "cveMetadata": {"cveId": "CVE-2026-5"}}
    text = json.dumps(record | {"containers": {"cna": {"affected": affected}}})
    (published / "CVE-2026-5.json").write_text(text)
    monkeypatch.chdir(folder / "vulns")
    given = verb.audit(find(folder), ("hello",), (Path(),), NOW)
    again = audited(folder)
    assert [each.id for each in given.result.findings] == ["CVE-2026-5"]
    assert given.result.findings == again.result.findings
    assert [each.file for each in given.feeds] == ["vulns"] == [each.file for each in again.feeds]
    assert [each.sha256 for each in given.feeds] == [each.sha256 for each in again.feeds]


def test_what_a_killed_audit_left_is_removed_by_the_next(folder: Path) -> None:
    audited(folder, "debian.json")
    whole = stored(folder)
    left = [f"feeds/.{'0' * 64}.new", "feeds/.index.json.0123abcd", "audits/.hello.json.0123abcd"]
    for each in left:
        (folder / ".rootstream" / each).write_text("half")
    audited(folder)
    assert stored(folder) == whole
    assert [each.name for each in (folder / ".rootstream/audits").iterdir()] == ["hello.json"]


def test_no_link_is_followed_to_what_is_removed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    audited(folder, "debian.json")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / ".index.json.0123abcd").write_text("somebody else's")
    (folder / ".rootstream/audits/hello.json").unlink()
    (folder / ".rootstream/audits").rmdir()
    (folder / ".rootstream/audits").symlink_to(elsewhere)
    with pytest.raises(UserError) as caught:
        audited(folder)
    assert caught.value.reason == "link-in-project"
    assert [each.name for each in elsewhere.iterdir()] == [".index.json.0123abcd"]
