"""Records of the kernel's CNA as it publishes them: a checkout of its repository, archives, branches."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rootstream.errors import UserError
from rootstream.formats.faults import Fault
from rootstream.report import feed_archive, feed_folder, feeds, kernel
from rootstream.report.feeds import FeedFile, Feeds, Wanted


def record(identifier: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a record as the CNA writes one: a row of stable releases with the fault, and one of all others."""
    files = ["drivers/net/one.c"]
    commits = [{"version": "1da177e4", "lessThan": "fade", "status": "affected", "versionType": "git"}]
    backported = [{"version": "6.6.54", "lessThan": "6.6.72", "status": "affected", "versionType": "semver"}]
    ranges = [
        {"version": "6.12", "status": "affected"},
        {"version": "0", "lessThan": "6.12", "status": "unaffected", "versionType": "semver"},
        {"version": "6.6.72", "lessThanOrEqual": "6.6.*", "status": "unaffected", "versionType": "semver"},
        {"version": "6.12.10", "lessThanOrEqual": "6.12.*", "status": "unaffected", "versionType": "semver"},
        {
            "version": "6.13",
            "lessThanOrEqual": "*",
            "status": "unaffected",
            "versionType": "original_commit_for_fix",
        },
    ]
    row = {"product": "Linux", "vendor": "Linux", "programFiles": files}
    affected = [
        {**row, "defaultStatus": "unaffected", "versions": [*commits, *backported]},
        {**row, "defaultStatus": "affected", "versions": ranges},
    ]
    containers = {"cna": {"affected": affected, **more}}
    metadata = {"cveId": identifier, "state": "PUBLISHED"}
    return {"dataType": "CVE_RECORD", "dataVersion": "5.1.1", "cveMetadata": metadata, "containers": containers}


FILES = {
    "cve/published/2026/CVE-2026-2.json": record("CVE-2026-2"),
    "cve/published/2026/CVE-2026-1.json": record("CVE-2026-1"),
    "cve/rejected/2026/CVE-2026-3.json": record("CVE-2026-3"),
    "cve/testing/published/2026/CVE-2026-4.json": record("CVE-2026-4"),
    "cve/CVE_JSON_5.0_schema.json": {"$schema": "x"},
}


def checkout(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "cve/published/2026/CVE-2026-1").write_text("a commit")
    return folder


def read(path: Path) -> Feeds:
    return feeds.read([FeedFile(path=path, name=path.name)], Wanted())


def ids(found: Feeds) -> list[str]:
    return [each["cveMetadata"]["cveId"] for each in found.cve]


@pytest.mark.parametrize("top", [".", "cve", "cve/published"])
def test_a_checkout(tmp_path: Path, top: str) -> None:
    folder = checkout(tmp_path / "vulns")
    (folder / "cve/published/2026/link.json").symlink_to(folder / "cve/rejected/2026/CVE-2026-3.json")
    (folder / "cve/published/linked").symlink_to(folder / "cve/rejected")
    os.mkfifo(folder / "cve/published/2026/pipe.json")
    packed = [tmp_path / "one", tmp_path / "two"]
    for each in packed:
        feed_folder.pack(folder / top, each)
    assert packed[0].read_bytes() == packed[1].read_bytes()
    found = read(packed[0])
    assert ids(found) == ["CVE-2026-1", "CVE-2026-2"]
    assert found.names[0].kind == "CVE"


def test_folders_without_records(tmp_path: Path) -> None:
    (tmp_path / "empty/cve/rejected").mkdir(parents=True)
    (tmp_path / "empty/cve/rejected/CVE-1.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        feed_folder.pack(tmp_path / "empty", tmp_path / "packed")
    assert caught.value.reason == "bad-feed"
    deep = tmp_path / "deep"
    (deep / "/".join("x" * 30)).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        feed_folder.pack(deep, tmp_path / "packed")
    assert caught.value.reason == "bad-feed"


def test_a_pipe_is_no_feed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(UserError) as caught:
            read(path)
        assert caught.value.reason == "bad-feed"


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_tarball(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"vulns.{suffix}"
    mode: Any = f"w:{suffix.removeprefix('tar').removeprefix('.')}"
    with tarfile.open(path, mode) as archive:
        archive.add(checkout(tmp_path / "vulns"), "vulns-master")
    assert sorted(ids(read(path))) == ["CVE-2026-1", "CVE-2026-2"]


def test_a_zip_archive(tmp_path: Path) -> None:
    path = tmp_path / "vulns.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"vulns-master/{name}", json.dumps(content))
    assert ids(read(path)) == ["CVE-2026-2", "CVE-2026-1"]


def packed(path: Path, name: str, content: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def test_archives_that_are_damaged_or_something_else(tmp_path: Path) -> None:
    whole = packed(tmp_path / "whole.tar.gz", "a.json", json.dumps(record("CVE-2026-1")).encode()).read_bytes()
    contents = {
        "cut": whole[: len(whole) // 2],
        "json.gz": gzip.compress(json.dumps(record("CVE-2026-1")).encode() * 9),
        "none": packed(tmp_path / "none.tar.gz", "readme", b"{}").read_bytes(),
        "nested": packed(tmp_path / "nested.tar.gz", "a.json", b"[" * 100_000).read_bytes(),
        "text": packed(tmp_path / "text.tar.gz", "a.json", b"\xff\xfe").read_bytes(),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            read(path)
        assert caught.value.reason == "bad-feed", name


def test_a_tarball_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "large.tar.gz", "a.json", b" " * 2000)
    monkeypatch.setattr(feed_archive, "MOST_RECORD", 1000)
    with pytest.raises(feed_archive.TooMuchError):
        feed_archive.texts(path, lambda _: None)
    monkeypatch.undo()
    monkeypatch.setattr(feed_archive, "MOST_UNPACKED", 1000)
    packed(path, "readme", b" " * 2000)
    with pytest.raises(Fault):  # by the whole archive
        feed_archive.texts(path, lambda _: None)


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("6.1.100", False),  # before the fault
        ("6.6.53", False),
        ("6.6.54", True),  # got the fault with a stable release
        ("6.6.71", True),
        ("6.6.72", False),
        ("6.11.9", False),
        ("6.12", True),
        ("6.12.9", True),
        ("6.12.10", False),
        ("6.12.107", False),
        ("6.13-rc1", True),  # in doubt: a release candidate is before 6.13
        ("6.13", False),
        ("7.0.3", False),
    ],
)
def test_ranges_of_stable_releases(version: str, *, affected: bool) -> None:
    found = kernel.lean(record("CVE-2026-1"))
    assert found is not None
    assert [name for name, _ in kernel.affecting([found], version)] == (["CVE-2026-1"] if affected else [])


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("6.1.156", True),
        ("6.1.157", False),
        ("6.5.1", True),
        ("6.6.112", True),
        ("6.6.113", False),
        ("6.7", False),
    ],
)
def test_a_fault_that_nobody_knows_the_beginning_of(version: str, *, affected: bool) -> None:
    words = {"version": "0", "status": "affected", "versionType": "semver"}
    opened = [{**words, "lessThan": "6.1.157"}, {**words, "lessThan": "6.6.113"}]
    fixed = {"status": "unaffected", "versionType": "semver"}
    closed = [
        {**fixed, "version": "6.1.157", "lessThanOrEqual": "6.1.*"},
        {**fixed, "version": "6.6.113", "lessThanOrEqual": "6.6.*"},
        {**fixed, "version": "6.7", "lessThanOrEqual": "*", "versionType": "original_commit_for_fix"},
    ]
    rows = [
        {"product": "Linux", "defaultStatus": "unaffected", "versions": opened},
        {"product": "Linux", "defaultStatus": "affected", "versions": closed},
    ]
    told = record("CVE-2026-1")
    told["containers"]["cna"]["affected"] = rows
    found = kernel.lean(told)
    assert found is not None
    assert [name for name, _ in kernel.affecting([found], version)] == (["CVE-2026-1"] if affected else [])


def test_the_severity_of_the_cna() -> None:
    scores = [{"other": {}}, {"cvssV3_1": {"baseSeverity": "HIGH"}, "scenarios": []}, "x"]
    found = kernel.lean(record("CVE-2026-1", metrics=scores))
    assert found is not None
    assert kernel.severities([found]) == {"CVE-2026-1": "high"}
    bare = kernel.lean(record("CVE-2026-1", metrics=[{"cvssV3_1": {"baseSeverity": 3}}]))
    assert bare is not None
    assert kernel.severities([bare]) == {}
