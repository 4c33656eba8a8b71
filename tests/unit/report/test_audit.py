"""Known vulnerabilities: each kind of component by the rule of its feed, and what is not certain is said."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.audit import Audit, Decision, RiskException
from rootstream.errors import UserError
from rootstream.report import audit, components, feed_archive, feeds, inventory
from rootstream.report.feeds import FeedFile, Feeds, Wanted
from tests.unit.report import feed_formats
from tests.unit.report.exports import BUILDROOT, DEBIAN, HELLO, INVENTORY, deb, export, packages

TODAY = "2026-12-01"


def debian(**releases: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"scope": "local", "releases": releases}


def resolved(fixed: str, urgency: str = "not yet assigned") -> dict[str, str]:
    return {"status": "resolved", "fixed_version": fixed, "urgency": urgency}


def osv(name: str, ecosystem: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    kind = "ECOSYSTEM" if ecosystem == "PyPI" else "SEMVER"
    package = {"ecosystem": ecosystem, "name": name}
    affected = {"package": package, "ranges": [{"type": kind, "events": list(events)}]}
    return {
        "id": "GHSA-1",
        "modified": "2026-01-01T00:00:00Z",
        "aliases": ["CVE-2026-9"],
        "affected": [affected],
        **more,
    }


def nvd(criteria: str, severity: str = "HIGH", **row: Any) -> dict[str, Any]:  # noqa: ANN401
    match = {"vulnerable": True, "criteria": criteria, **row}
    metrics = {"cvssMetricV31": [{"cvssData": {"baseSeverity": severity}}]}
    cve = {"id": "CVE-2026-7", "metrics": metrics, "configurations": [{"nodes": [{"cpeMatch": [match]}]}]}
    return {"vulnerabilities": [{"cve": cve}]}


def cna(*versions: dict[str, str], default: str = "affected") -> dict[str, Any]:
    git: dict[str, Any] = {"product": "Linux", "defaultStatus": "unaffected", "programFiles": ["net/core/dev.c"]}
    git["versions"] = [{"version": "1da177e4", "lessThan": "abc", "status": "affected", "versionType": "git"}]
    row = {
        "product": "Linux",
        "defaultStatus": default,
        "programFiles": ["net/core/dev.c"],
        "versions": list(versions),
    }
    containers = {"cna": {"affected": [git, row]}}
    metadata = {"cveId": "CVE-2026-5", "state": "PUBLISHED"}
    return {"dataType": "CVE_RECORD", "cveMetadata": metadata, "containers": containers}


def read(path: Path, wanted: Wanted) -> Feeds:
    return feeds.read([FeedFile(path=path, name=path.name)], wanted)


def audited(
    folder: Path,
    told: dict[str, Any],
    *given: Any,  # noqa: ANN401
    policy: Audit | None = None,
    listed: list[dict[str, Any]] | None = INVENTORY,
    checked: bool = True,
) -> audit.Result:
    place = export(folder / "box", told, listed)
    paths = []
    for number, each in enumerate(given):
        assert not checked or feed_formats.faults(each) == []
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(each))
    data, found = components.find(place)
    known = inventory.read(found) if found else None
    system = components.system(data, known, place / "manifest.json")
    return audit.audit(
        system,
        feeds.read([FeedFile(path=each, name=each.name) for each in paths], audit.wanted(system)),
        policy or Audit(),
        TODAY,
    )


def ids(found: audit.Result) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for each in found.findings:
        told.setdefault(each.component.name, []).append(each.id)
    return told


@pytest.mark.parametrize(
    ("issue", "affected"),
    [
        (debian(trixie=resolved("2.41-12")), False),
        (debian(trixie=resolved("2.41-12+deb13u1")), True),
        (debian(trixie=resolved("2.41-9")), False),
        (debian(trixie=resolved("0")), False),
        (debian(trixie={"status": "open", "urgency": "low"}), True),
        (debian(trixie={"status": "undetermined"}), True),
        (debian(trixie=resolved("2.40-1"), bookworm={"status": "open"}), False),
        (debian(bookworm={"status": "open"}), True),  # nothing is said of this release
    ],
)
def test_debian_by_the_order_of_dpkg(tmp_path: Path, issue: dict[str, Any], *, affected: bool) -> None:
    found = audited(tmp_path, DEBIAN, {"glibc": {"CVE-2026-1": issue}})
    assert ids(found) == ({"libc6": ["CVE-2026-1"]} if affected else {})


def test_without_patches_a_tree_has_only_what_upstream_has_fixed(tmp_path: Path) -> None:
    feed = {
        "busybox": {
            "CVE-2026-1": debian(trixie=resolved("1:1.37.0-5")),
            "CVE-2026-2": debian(trixie=resolved("1:1.36.1-9")),
        }
    }
    assert ids(audited(tmp_path, HELLO, feed)) == {
        "busybox": ["CVE-2026-1"]
    }  # a patch of Debian's may have fixed it
    patched = {"linux": {"CVE-2026-1": debian(trixie=resolved("6.12.107-1"))}}
    assert ids(audited(tmp_path / "2", HELLO, patched)) == {}


def test_signed_kernels_are_those_of_linux(tmp_path: Path) -> None:
    path = "pool/main/l/linux-signed-amd64/linux-image-amd64_6.12-1_amd64.deb"
    told = {
        "inputs": [packages(deb("linux-image-amd64", "6.12-1", "a", path=path), ships="packages")],
        "contents": {},
    }
    found = audited(tmp_path, told, {"linux": {"CVE-2026-1": debian(trixie=resolved("6.12-2"))}}, listed=None)
    assert ids(found) == {"linux-image-amd64": ["CVE-2026-1"]}


def test_an_unknown_source_version_is_not_certain(tmp_path: Path) -> None:
    path = "pool/main/b/busybox/busybox-static_1.37-4+b2_amd64.deb"
    told = {
        "inputs": [packages(deb("busybox-static", "1.37-4+b2", "a", path=path), ships="packages")],
        "contents": {},
    }
    found = audited(tmp_path, told, {"busybox": {"CVE-2026-1": debian(trixie=resolved("1.37-5"))}}, listed=None)
    assert ids(found) == {"busybox-static": ["CVE-2026-1"]}
    assert dict(found.skipped)["busybox-static 1.37-4+b2"].endswith("compared as busybox 1.37-4")


@pytest.mark.parametrize(
    ("record", "affected"),
    [
        (osv("my-wheel", "PyPI", {"introduced": "0"}, {"fixed": "3.1"}), False),
        (osv("my-wheel", "PyPI", {"introduced": "0"}, {"fixed": "3.1.post1"}), True),
        (osv("my-wheel", "PyPI", {"introduced": "3.1rc1"}), True),
        (osv("my-wheel", "PyPI", {"introduced": "3.2"}), False),
        (osv("my-wheel", "PyPI", {"introduced": "0"}, {"last_affected": "3.1"}), True),
        (osv("my-wheel", "PyPI", {"introduced": "0"}, {"last_affected": "3.0"}), False),
        (osv("my-wheel", "PyPI", {"introduced": "0"}, {"fixed": "2"}, {"introduced": "3"}), True),
        (osv("my-wheel", "PyPI", {"introduced": "0"}, withdrawn="2026-01-01T00:00:00Z"), False),
        (osv("my-wheel", "PyPI", {"introduced": "not a version"}), True),  # a doubt
        (osv("other", "PyPI", {"introduced": "0"}), False),
        (osv("my-wheel", "npm", {"introduced": "0"}), False),
    ],
)
def test_wheels_by_osv(tmp_path: Path, record: dict[str, Any], *, affected: bool) -> None:
    assert ids(audited(tmp_path, DEBIAN, record)) == ({"my-wheel": ["GHSA-1"]} if affected else {})


def test_crates_and_modules_by_osv(tmp_path: Path) -> None:
    crate = osv("libc", "crates.io", {"introduced": "0.0.0-0"}, {"fixed": "0.2.2"}, id="RUSTSEC-1")
    module = osv("golang.org/x/sys", "Go", {"introduced": "0"}, {"fixed": "0.1.0"}, id="GO-1")
    assert ids(audited(tmp_path, HELLO, [crate, module])) == {"libc": ["RUSTSEC-1"]}
    module["affected"][0]["versions"] = ["0.1.0"]
    assert ids(audited(tmp_path / "2", HELLO, module)) == {"golang.org/x/sys": ["GO-1"]}


@pytest.mark.parametrize(
    ("feed", "affected"),
    [
        (nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", versionEndExcluding="1.3.1"), False),
        (nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", versionEndIncluding="1.3.1"), True),
        (nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", versionStartExcluding="1.3.1"), False),
        (
            nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", versionStartIncluding="1.3", versionEndExcluding="1.10"),
            True,
        ),
        (nvd("cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*"), True),
        (nvd("cpe:2.3:a:zlib:zlib:1.3.0:*:*:*:*:*:*:*"), False),
        (nvd("cpe:2.3:a:zlib:zlib:-:*:*:*:*:*:*:*"), False),
        (nvd("cpe:2.3:a:other:zlib:*:*:*:*:*:*:*:*"), False),
        (nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", vulnerable=False), False),
    ],
)
def test_buildroot_by_cpe(tmp_path: Path, feed: dict[str, Any], *, affected: bool) -> None:
    found = audited(tmp_path, BUILDROOT, feed)
    assert ids(found) == ({"zlib": ["CVE-2026-7"]} if affected else {})
    assert {each.severity for each in found.findings} <= {"high"}


def test_what_buildroot_ignores_is_shown_as_decided(tmp_path: Path) -> None:
    feed = nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", "CRITICAL")
    feed["vulnerabilities"][0]["cve"]["id"] = "CVE-2023-45853"
    (finding,) = audited(tmp_path, BUILDROOT, feed).findings
    assert (finding.decision and finding.decision.author, finding.fails) == ("Buildroot", False)


@pytest.mark.parametrize(
    ("record", "affected"),
    [
        (cna({"version": "5.10", "status": "affected"}), True),
        (cna({"version": "0", "lessThan": "6.13", "status": "unaffected", "versionType": "semver"}), False),
        (cna({"version": "6.12.50", "lessThanOrEqual": "6.12.*", "status": "unaffected"}), False),
        (cna({"version": "6.12.108", "lessThanOrEqual": "6.12.*", "status": "unaffected"}), True),
        (cna({"version": "6.6.3", "lessThanOrEqual": "6.6.*", "status": "unaffected"}), True),
        (cna({"version": "6.1", "lessThanOrEqual": "*", "status": "unaffected"}), False),
        (cna({"version": "6.12", "lessThan": "6.12.200", "status": "affected"}, default="unaffected"), True),
        (cna({"version": "6.13", "lessThan": "6.14", "status": "affected"}, default="unaffected"), False),
        (cna(), False),  # only commits: nothing is said of releases
    ],
)
def test_the_kernel_by_ranges_of_versions(tmp_path: Path, record: dict[str, Any], *, affected: bool) -> None:
    found = audited(tmp_path, HELLO, record)
    assert ids(found) == ({"linux": ["CVE-2026-5"]} if affected else {})
    assert {each.files for each in found.findings} <= {("net/core/dev.c",)}


def test_other_feeds_add_severity_and_flags(tmp_path: Path) -> None:
    tracker = {"glibc": {"CVE-2026-7": debian(trixie={"status": "open"})}}
    known = {"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2026-7"}]}
    scores = nvd("cpe:2.3:a:gnu:glibc:*:*:*:*:*:*:*:*", "LOW")
    (plain,) = audited(tmp_path, DEBIAN, tracker).findings
    assert (plain.severity, plain.exploited, plain.fails) == ("unknown", False, False)
    (finding,) = audited(tmp_path / "2", DEBIAN, tracker, known, scores).findings
    assert (finding.severity, finding.exploited, finding.fails) == ("low", True, True)
    policy = Audit(exploited="pass", unknown="fail")
    (finding,) = audited(tmp_path / "3", DEBIAN, tracker, known, scores, policy=policy).findings
    assert not finding.fails
    (finding,) = audited(tmp_path / "4", DEBIAN, tracker, policy=policy).findings
    assert finding.fails
    wheel = osv("my-wheel", "PyPI", {"introduced": "0"}, aliases=["CVE-2026-7"])
    (finding,) = audited(tmp_path / "5", DEBIAN, wheel, known).findings
    assert finding.exploited


def decision(**more: Any) -> Decision:  # noqa: ANN401
    words = {"vulnerability": "CVE-2026-9", "reason": "r", "author": "a", "date": "2026-01-01", **more}
    return Decision(**words)


def exception(**more: Any) -> RiskException:  # noqa: ANN401
    words = {"vulnerability": "CVE-2026-9", "reason": "r", "author": "a", "until": TODAY, **more}
    return RiskException(**words)


@pytest.mark.parametrize(
    ("given", "fails", "unused", "expired"),
    [
        (decision(), False, 0, 0),
        (decision(status="fixed"), False, 0, 0),
        (decision(status="affected"), True, 0, 0),
        (decision(status="under_investigation"), True, 0, 0),
        (decision(component="my-*"), False, 0, 0),
        (decision(component="other"), True, 1, 0),
        (decision(vulnerability="CVE-2026-8"), True, 1, 0),
        (decision(until=TODAY), False, 0, 0),
        (decision(until="2026-11-30"), True, 0, 1),
    ],
)
def test_decisions(tmp_path: Path, given: Decision, *, fails: bool, unused: int, expired: int) -> None:
    record = osv("my-wheel", "PyPI", {"introduced": "0"}, database_specific={"severity": "MODERATE"})
    policy = Audit(fail_on="medium", decisions=(given,))
    found = audited(tmp_path, DEBIAN, record, policy=policy)
    assert [each.fails for each in found.findings] == [fails]
    assert (len(found.unused), len(found.expired)) == (unused, expired)


@pytest.mark.parametrize(
    ("given", "fails", "unused", "expired"),
    [
        (exception(), False, 0, 0),
        (exception(until="2026-11-30"), True, 0, 1),
        (exception(component="other"), True, 1, 0),
    ],
)
def test_exceptions_are_accepted_for_a_time(
    tmp_path: Path, given: RiskException, *, fails: bool, unused: int, expired: int
) -> None:
    record = osv("my-wheel", "PyPI", {"introduced": "0"}, database_specific={"severity": "CRITICAL"})
    found = audited(tmp_path, DEBIAN, record, policy=Audit(exceptions=(given,)))
    assert [(each.fails, each.exception is None) for each in found.findings] == [(fails, fails)]
    assert (len(found.unused), len(found.expired)) == (unused, expired)


def test_what_no_feed_knows_is_listed(tmp_path: Path) -> None:
    found = dict(audited(tmp_path, HELLO, {"catalogVersion": "1", "vulnerabilities": []}).skipped)
    assert found["linux 6.12.107"] == "no feed that was given knows this kind of component"
    assert found["agent 1.4"] == "the project's own: no feed knows it"
    assert found.keys() >= {"musl 1.2.5", "libc 0.2.1", "golang.org/x/sys v0.1.0", "syslinux 6.04-1"}


@pytest.mark.parametrize(("age", "old"), [(None, []), (30, []), (29, ["0.json"])])
def test_the_age_of_feeds(tmp_path: Path, age: int | None, old: list[str]) -> None:
    known = {"catalogVersion": "1", "dateReleased": "2026-11-01T10:00:00Z", "vulnerabilities": []}
    tracker = {"glibc": {"CVE-2026-1": debian(trixie=resolved("1"))}}  # has no date
    assert list(audited(tmp_path, DEBIAN, known, tracker, policy=Audit(max_age=age)).old) == old


def test_archives_of_records(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(300):
            archive.writestr(f"{number}.json", json.dumps(osv("other", "PyPI", {"introduced": "0"})))
        archive.writestr("x/GHSA-1.json", json.dumps(osv("my-wheel", "PyPI", {"introduced": "0"})))
        archive.writestr("README", "text")
    found = read(path, Wanted(osv=frozenset({("PyPI", "my-wheel")})))
    assert [(each.kind, each.file, each.newest) for each in found.names] == [("OSV", "all.zip", "2026-01-01")]
    assert {key: len(rows) for key, rows in found.osv.items()} == {("PyPI", "my-wheel"): 1}


def test_the_newest_day_is_known_of_records_that_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(200):
            record = osv("other", "PyPI", modified=f"2026-{1 + number // 28:02}-01T00:00:00Z")
            archive.writestr(f"{number}.json", json.dumps(record))
    assert read(path, Wanted()).names[0].newest == "2026-08-01"


def test_names_are_found_however_json_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for number in range(200):
            archive.writestr(f"{number}.json", json.dumps(osv("other", "Go", {"introduced": "0"})))
        text = json.dumps(osv("golang.org/x/sys", "Go", {"introduced": "0"})).replace("/", "\\/")
        archive.writestr("x.json", text)
    assert list(read(path, Wanted(osv=frozenset({("Go", "golang.org/x/sys")}))).osv) == [
        ("Go", "golang.org/x/sys")
    ]


@pytest.mark.parametrize("damage", ["content", "place", "length"])
def test_damaged_archives(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.json", json.dumps(osv("other", "PyPI", id=f"GHSA-{number}")))
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    if damage == "content":
        data[60] ^= 0x55
    elif damage == "place":
        data[directory + 42] ^= 1
    else:
        data[directory + 20] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read(path, Wanted())
    assert caught.value.reason == "bad-feed"


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.json", b" " * (feed_archive.MOST_RECORD + 1))
    with pytest.raises(UserError) as caught:
        read(path, Wanted())
    assert "unpacks to too much" in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"vulnerabilities": [1]}',
        b'{"glibc": {"CVE-1": {"releases": []}}}',
        b'[{"dataType": "CVE_RECORD"}, {"id": "x", "affected": []}]',
        b"PK\x05\x06" + bytes(18),
        b"PK\x03\x04" + bytes(30) + b"PK\x05\x06" + b"\xff" * 18,
    ],
)
def test_files_that_are_no_feeds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "feed").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(tmp_path / "feed", Wanted())
    assert caught.value.reason == "bad-feed"
    assert caught.value.where is not None


@pytest.mark.parametrize(
    "feed",
    [
        {"glibc": {"CVE-2026-1": {"releases": {"trixie": 3}}, "CVE-2026-2": 4, "CVE-2026-3": {"releases": []}}},
        {
            **osv("my-wheel", "PyPI"),
            "affected": [
                None,
                {"package": 3},
                {"package": {"ecosystem": "PyPI", "name": "my-wheel"}, "ranges": 3},
            ],
        },
        osv("my-wheel", "PyPI", {"introduced": None}, {"x": "y"}),  # type: ignore[dict-item]
        {
            "vulnerabilities": [
                {
                    "cve": {
                        "id": 3,
                        "configurations": [{"nodes": [{"cpeMatch": [{"vulnerable": 1, "criteria": 3}]}, 5]}, 6],
                    }
                }
            ]
        },
        {"vulnerabilities": [{"cve": 3}, {"cve": {"metrics": {"cvssMetricV31": [4]}}}]},
        {
            "dataType": "CVE_RECORD",
            "containers": {
                "cna": {"affected": [{"product": "Linux", "versions": [{"version": 3}, 4], "programFiles": 5}]}
            },
        },
        {"dataType": "CVE_RECORD", "containers": 3},
        nvd("zlib"),
    ],
)
def test_records_of_other_shapes_break_nothing(tmp_path: Path, feed: dict[str, Any]) -> None:
    reasons = set()
    for number, told in enumerate((HELLO, DEBIAN, BUILDROOT)):
        try:
            audited(tmp_path / str(number), told, feed, checked=False)
        except UserError as error:
            reasons.add(error.reason)
    assert reasons <= {"bad-feed"}


SOURCES = {
    "record": "sources",
    "tree": "linux",
    "compiled": {"net/core": ["sock.c"], "include/net": ["sock.h"]},
    "other": {"net/core": ["dev.c", "skb.h"], "": ["top.S"]},
}


def of_files(*names: str, **more: str) -> dict[str, Any]:
    found = cna({"version": "5.10", "status": "affected"})
    for row in found["containers"]["cna"]["affected"]:
        row["programFiles"] = list(names)
    found["cveMetadata"] |= more
    return found


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (("net/core/dev.c",), False),
        (("net/core/dev.c", "net/core/skb.h", "top.S"), False),
        (("net/core/dev.c", "net/core/sock.c"), True),
        (("include/net/sock.h",), True),
        ((), True),  # it does not say where it is
        (("net/moved/dev.c",), True),  # this release may have it elsewhere
        (("net/core/dev.c", "net/core/Kconfig"), True),
        (("net/core/dev.rs",), True),
    ],
)
def test_a_kernel_by_what_was_compiled(tmp_path: Path, names: tuple[str, ...], *, counts: bool) -> None:
    found = audited(tmp_path, HELLO, of_files(*names), listed=[*INVENTORY, SOURCES])
    assert ids(found) == ({"linux": ["CVE-2026-5"]} if counts else {})
    assert [(each.id, each.files) for each in found.not_compiled] == (
        [] if counts else [("CVE-2026-5", tuple(sorted(names)))]
    )
    assert not [name for name, _ in found.skipped if name.startswith("linux")]


def test_without_a_list_of_what_was_compiled_nothing_is_left_out(tmp_path: Path) -> None:
    found = audited(tmp_path, HELLO, of_files("net/core/dev.c"))
    assert ids(found) == {"linux": ["CVE-2026-5"]}
    assert found.not_compiled == ()
    reasons = dict(found.skipped)
    assert reasons["linux 6.12.107"] == "which of its files were compiled is unknown: nothing is left out for that"


def test_files_hold_for_what_other_feeds_say_of_a_kernel(tmp_path: Path) -> None:
    tracker = {
        "linux": {"CVE-2026-5": debian(trixie={"status": "open"}), "CVE-2026-6": debian(trixie={"status": "open"})}
    }
    record = of_files("net/core/dev.c")
    for row in record["containers"]["cna"]["affected"]:
        row["versions"] = []  # the tracker alone says that this release is affected
    found = audited(tmp_path, HELLO, tracker, record, listed=[*INVENTORY, SOURCES])
    assert ids(found) == {"linux": ["CVE-2026-6"]}
    assert [each.id for each in found.not_compiled] == ["CVE-2026-5"]
    rejected = of_files("net/core/dev.c", state="REJECTED")
    found = audited(tmp_path / "2", HELLO, tracker, rejected, listed=[*INVENTORY, SOURCES])
    assert ids(found) == {"linux": ["CVE-2026-5", "CVE-2026-6"]}
