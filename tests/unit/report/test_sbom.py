"""Bills of materials: valid by the schemas of their formats, the same bytes each time, nothing guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from rootstream.errors import UserError
from rootstream.report import components, inventory, sbom
from rootstream.report.model import Component
from tests.unit.report.exports import BUILDROOT, DEBIAN, ELEMENTS, HASH, HELLO, INVENTORY, export, source

EXPORTS: dict[str, tuple[dict[str, Any], list[dict[str, Any]] | None]] = {
    "hello": (HELLO, INVENTORY),
    "debian": (DEBIAN, INVENTORY),
    "debian-without-list": (DEBIAN, None),
    "buildroot": (BUILDROOT, None),
    "elements": (ELEMENTS, None),
    "older": ({"inputs": DEBIAN["inputs"]}, None),
}


def parts(folder: Path) -> dict[str, Component]:
    data, listed = components.find(folder)
    known = inventory.read(listed) if listed else None
    return {each.name: each for each in components.system(data, known, folder / "manifest.json").components}


@pytest.mark.parametrize("name", EXPORTS)
def test_cyclonedx_is_valid_and_the_same_each_time(tmp_path: Path, name: str) -> None:
    content = sbom.of_export(export(tmp_path / "here" / name, *EXPORTS[name]), "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode()) is None
    assert sbom.of_export(export(tmp_path / "there" / name, *EXPORTS[name]), "cyclonedx") == content


@pytest.mark.parametrize("name", EXPORTS)
def test_spdx_is_valid_and_the_same_each_time(tmp_path: Path, name: str) -> None:
    content = sbom.of_export(export(tmp_path / "here" / name, *EXPORTS[name]), "spdx")
    (tmp_path / "x.spdx.json").write_bytes(content)
    assert validate_full_spdx_document(parse_file(str(tmp_path / "x.spdx.json"))) == []
    assert sbom.of_export(export(tmp_path / "there" / name, *EXPORTS[name]), "spdx") == content


def test_trees_have_the_names_of_their_projects(tmp_path: Path) -> None:
    found = parts(export(tmp_path / "hello", HELLO, INVENTORY))
    linux = found["linux"]
    assert (linux.version, linux.cpe) == ("6.12.107", "cpe:2.3:o:linux:linux_kernel:6.12.107:*:*:*:*:*:*:*")
    assert linux.purl == "pkg:deb/debian/linux@6.12.107-1?arch=source&distro=trixie"
    assert linux.patches == ("pool/main/l/linux/linux_6.12.107-1.debian.tar.xz",)
    assert (found["busybox"].version, found["busybox"].patches) == ("1.37.0", ())
    assert (found["musl"].version, found["musl"].license) == ("1.2.5", "MIT")
    assert {each.role for each in (linux, found["busybox"], found["musl"])} == {"image"}


def test_what_only_builds_is_apart(tmp_path: Path) -> None:
    found = parts(export(tmp_path / "hello", HELLO, INVENTORY))
    assert found["gcc-14"].role == "build"
    assert found["gcc-14"].source == ("gcc-14", None)  # a folder of the archive says no version
    syslinux = found["syslinux"]  # what starts a disk is written into it
    assert (syslinux.role, dict(syslinux.notes).get("rootstream:linked", "")[:9]) == ("image", "of the bu")


def test_the_projects_own_software(tmp_path: Path) -> None:
    found = parts(export(tmp_path / "hello", HELLO, INVENTORY))
    agent = found["agent"]
    assert (agent.version, agent.supplier, agent.license) == ("1.4", "Example Ltd", "LicenseRef-own")
    assert (found["overlay"].version, found["overlay"].license) == (None, "MIT")
    assert found["libc"].purl == "pkg:cargo/libc@0.2.1"
    assert found["golang.org/x/sys"].purl == "pkg:golang/golang.org/x/sys@v0.1.0"
    data = json.loads(sbom.of_export(tmp_path / "hello", "cyclonedx"))
    product = data["metadata"]["component"]
    assert (product["name"], product["version"], product["supplier"]["name"]) == ("Hello", "1.4", "Example Ltd")


def test_packages_of_debian(tmp_path: Path) -> None:
    found = parts(export(tmp_path / "box", DEBIAN, INVENTORY))
    libc = found["libc6"]
    assert libc.purl == "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=trixie&upstream=glibc%402.41-12"
    assert (libc.source, libc.license) == (("glibc", "2.41-12"), "GPL-2.0-or-later AND LGPL-2.1-or-later")
    assert libc.files[0].digest == HASH["g"]
    assert ("rootstream:built-using", "gcc-14 (= 14.2.0-19)") in libc.notes
    assert libc.supplier == "GNU Libc Maintainers <x@example.org>"
    tool = found["tool"]  # another publisher's: no package of Debian, whatever its name
    assert tool.purl is not None
    assert tool.purl.startswith("pkg:generic/tool@1.0?")
    assert "download_url=https://apt.example.org/pool" in tool.purl
    assert (tool.license, tool.source) == (None, None)
    wheel = found["my-wheel"]
    assert (wheel.purl, wheel.license) == ("pkg:pypi/my-wheel@3.1", "MIT")


def test_packages_of_buildroot(tmp_path: Path) -> None:
    found = parts(export(tmp_path / "box", BUILDROOT))
    zlib = found["zlib"]
    assert (zlib.version, zlib.license, zlib.role) == ("1.3.1", "Zlib", "image")
    assert zlib.cpe == "cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*"
    assert zlib.patches == ("0001-fix.patch",)
    assert ("rootstream:ignored-cve", "CVE-2023-45853") in zlib.notes
    assert (found["m4"].role, found["m4"].license) == ("build", "GPL-3.0-or-later")
    assert found["buildroot"].files[0].algorithm == "SHA-1"


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    for name, told in (("elements", ELEMENTS), ("older", {"inputs": []})):
        folder = export(tmp_path / name, told)
        data = json.loads(sbom.of_export(folder, "cyclonedx"))
        assert data["compositions"][0]["aggregate"] == "incomplete"
        told_so = [each["name"] for each in data["metadata"]["component"]["properties"]]
        assert "rootstream:unknown" in told_so
    data = json.loads(sbom.of_export(export(tmp_path / "box", DEBIAN, None), "cyclonedx"))
    (libc,) = (each for each in data["components"] if each["name"] == "libc6")
    assert {"name": "rootstream:license", "value": "unknown"} in libc["properties"]
    assert "licenses" not in libc


def test_a_tree_without_a_version_gets_that_of_what_was_built(tmp_path: Path) -> None:
    git = {"source": {"kind": "git", "url": "https://example.org/linux.git", "track": "v6"}, "ref": "b" * 40}
    remote = {
        "source": {"kind": "remote", "url": "https://example.org/m.tar.gz"},
        "ref": HASH["c"],
        "ships": "musl",
    }
    folder = export(tmp_path / "box", {**HELLO, "inputs": [{**git, "ships": "linux"}, remote]}, INVENTORY)
    found = parts(folder)
    assert (found["linux"].version, found["linux"].cpe) == ("6.12.107-hello", None)
    assert (found["linux"].files[0].algorithm, found["linux"].files[0].digest) == ("SHA-1", "b" * 40)
    assert found["musl"].version is None


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [
        ("6.12.107-1", "6.12.107"),
        ("1:1.37.0-6", "1.37.0"),
        ("1.2.5-3.1~deb13u1", "1.2.5"),
        ("2.0+dfsg1-1", "2.0"),
        ("2.0~rc1-1", "2.0~rc1"),
        ("3", "3"),
    ],
)
def test_the_version_of_upstream(tmp_path: Path, debian: str, upstream: str) -> None:
    folder = export(tmp_path / "box", {**HELLO, "inputs": [source("linux", debian)]})
    assert parts(folder)["linux"].version == upstream


@pytest.mark.parametrize(
    "told",
    [
        {"inputs": 3},
        {"inputs": [{"source": {"kind": "debian_packages"}, "ref": {"x": 1}}]},
        {"inputs": [{"source": {"kind": "debian_packages"}, "ref": [{"name": "x", "sha256": "y"}]}]},
        {"inputs": [], "contents": {"own": [{"kind": "x"}]}},
        {"inputs": [], "contents": {"product": {"name": ["x"]}}},
        {"inputs": [], "epoch": "now"},
        {"inputs": [], "system": "x" * 100_000},
    ],
)
def test_manifests_that_are_not_ours_are_refused(tmp_path: Path, told: dict[str, Any]) -> None:
    folder = export(tmp_path / "box", told)
    with pytest.raises(UserError) as caught:
        sbom.of_export(folder, "cyclonedx")
    assert caught.value.reason == "bad-manifest"
    assert caught.value.where is not None
    assert caught.value.where.path == folder / "manifest.json"


def test_a_system_that_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        sbom.of_export(tmp_path / "box", "cyclonedx")
    assert caught.value.reason == "not-built"
    with pytest.raises(UserError, match="there is no export here"):  # nor any folder for exports
        components.find(tmp_path / "out" / "box")


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["{}"], 1),
        (['{"record":"format","format":2}'], 1),
        (['{"record":"format","format":1}', "x"], 2),
        (['{"record":"format","format":1}', '{"record":"deb","name":1}'], 2),
        (['{"record":"format","format":1}', '{"record":"other"}'], 2),
        (['{"record":"format","format":1}', '{"record":"file","path":"x","kind":"file","mode":99999}'], 2),
        (['{"record":"format","format":1}', "[" * 100_000], 2),
    ],
)
def test_lists_that_are_not_ours_are_refused(tmp_path: Path, lines: list[str], number: int) -> None:
    folder = export(tmp_path / "box", DEBIAN)
    (folder / "inventory.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError) as caught:
        inventory.read(folder / "inventory.jsonl")
    assert caught.value.reason == "bad-inventory"
    assert caught.value.where is not None
    assert caught.value.where.line == number


def test_a_list_is_no_link(tmp_path: Path) -> None:
    folder = export(tmp_path / "box", DEBIAN)
    (folder / "inventory.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(UserError) as caught:
        sbom.of_export(folder, "cyclonedx")
    assert caught.value.reason == "link-in-project"


def test_a_file_of_a_list_is_found_by_its_path(tmp_path: Path) -> None:
    rows = [*INVENTORY, {"record": "file", "path": "é\u2028\U0001f600", "kind": "file", "mode": 420}]
    folder = export(tmp_path / "box", DEBIAN, rows)
    found = inventory.find(folder / "inventory.jsonl", "etc/motd")
    assert found is not None
    assert found.layer == "1-overlay.tar"
    assert inventory.find(folder / "inventory.jsonl", "é\u2028\U0001f600") is not None
    assert inventory.find(folder / "inventory.jsonl", "etc/mot") is None


def test_a_tree_of_the_project_has_the_version_that_it_says(tmp_path: Path) -> None:
    own = [
        {"kind": "tree", "name": "musl", "folder": "musl"},
        {"kind": "tree", "name": "linux", "folder": "linux"},
    ]
    listed = [*INVENTORY, {"record": "config", "tree": "musl", "release": "1.2.5", "symbols": {}}]
    place = export(tmp_path / "box", {"inputs": [], "contents": {"own": own}}, listed)
    data, found = components.find(place)
    assert found is not None
    system = components.system(data, inventory.read(found), place / "manifest.json")
    versions = {each.name: each.version for each in system.components if each.kind == "tree"}
    assert versions["musl"] == "1.2.5"
