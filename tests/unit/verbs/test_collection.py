"""A folder of what a lock names: which files, where, and only whole ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.events import ignore
from rootstream.fetch import fetched
from rootstream.formats.faults import Fault
from rootstream.plan.model import Element, Plan, Source
from rootstream.verbs import collection
from rootstream.verbs.collection import Stored


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plan(*sources: tuple[str, object]) -> Plan:
    made = [(Source(kind=kind, words={"url": kind}, locked=True), ref) for kind, ref in sources]
    element = Element(name="x.bst", kind="import", description="", sources=tuple(source for source, _ in made))
    return Plan(
        elements={"x.bst": element}, files={}, targets={}, refs={source.request(): ref for source, ref in made}
    )


def test_files_of_all_kinds_and_what_stays_with_its_server(tmp_path: Path) -> None:
    one, two, three = sha(b"1"), sha(b"2"), sha(b"3")
    made = plan(
        ("debian_packages", [{"sha256": one}]),
        ("debian_source", {"version": "1", "files": [{"sha256": two}]}),
        ("python_wheels", [{"sha256": three}]),
        ("git", "v1"),
        ("local", None),
    )
    files, left = collection.stored(made, tmp_path)
    assert [(each.source.parts[-3], each.place) for each in files] == [
        ("debian", f"sha256/{one[:2]}/{one}"),
        ("debian", f"sha256/{two[:2]}/{two}"),
        ("python", f"sha256/{three[:2]}/{three}"),
    ]
    assert left == ("git git",)


def test_patches_that_are_not_applied_are_left_out(tmp_path: Path) -> None:
    names = ("pool/x_1.orig.tar.xz", "pool/x_1-1.debian.tar.xz", "pool/x_1-1.diff.gz")
    rows = [{"path": name, "sha256": sha(name.encode())} for name in names]
    found = {}
    for patches in (True, False):
        source = Source(kind="debian_source", words={"package": "x", "patches": patches}, locked=True)
        element = Element(name="x.bst", kind="import", description="", sources=(source,))
        made = Plan(
            elements={"x.bst": element},
            files={},
            targets={},
            refs={source.request(): {"version": "1", "files": rows}},
        )
        found[patches] = [each.sha256 for each in collection.stored(made, tmp_path)[0]]
    assert found == {True: [row["sha256"] for row in rows], False: [rows[0]["sha256"]]}


def test_only_what_is_right_is_written(tmp_path: Path) -> None:
    source, folder = tmp_path / "file", tmp_path / "folder"
    source.write_bytes(b"right")
    collection.write([Stored(source=source, place="a/b", sha256=sha(b"right"))], folder, ignore)
    assert (folder / "a/b").read_bytes() == b"right"
    with pytest.raises(UserError) as caught:
        collection.write([Stored(source=source, place="a/c", sha256=sha(b"wrong"))], folder, ignore)
    assert caught.value.reason == "hash-mismatch"
    assert [path.name for path in (folder / "a").iterdir()] == ["b"]
    with pytest.raises(UserError) as caught:
        collection.write([Stored(source=tmp_path / "gone", place="d")], folder, ignore)
    assert caught.value.reason == "not-fetched"


def test_folders_are_paths_or_addresses() -> None:
    env = {"ROOTSTREAM_FETCHED": "/srv/x  https://example.org/y/"}
    assert fetched.folders(env) == ("file:///srv/x", "https://example.org/y")
    with pytest.raises(Fault) as caught:
        fetched.folders({"ROOTSTREAM_FETCHED": "srv/x"})
    assert caught.value.reason == "invalid-mirror"
