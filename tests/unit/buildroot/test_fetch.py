"""What becomes of each file that a configuration downloads: there, fetched, missing, or left to Buildroot."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from rootstream import events
from rootstream.buildroot import info
from rootstream.buildroot.sources import debian_pool, downloads
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.project.project import find

NAMES = ("bash", "zlib", "pooled", "hooked")


def content(name: str) -> bytes:
    return name.encode() * 100


def sha256(name: str) -> str:
    return hashlib.sha256(content(name)).hexdigest()


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """Return a workspace of packages with a tarball each, one without a hash; a mirror has two of them."""
    text = "systems:\n  box:\n    root: {buildroot: {tree: {local: /nowhere}, mirrors: ['file://%s/mirror']}}\n"
    (tmp_path / "system.yaml").write_text(text % tmp_path + "    images: [files]\n")
    where = find(tmp_path)
    env = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    made = workspace(where, load(where.description).systems[0], tmp_path / "tree", env)
    told = {}
    for name in (*NAMES, "weak"):
        folder = made.tree / "package" / name
        folder.mkdir(parents=True)
        if name != "weak":
            (folder / f"{name}.hash").write_text(f"sha256  {sha256(name)}  {name}.tar\n")
        uris = ["file|urlencode+file:///nowhere"]
        told[name] = {
            "type": "target",
            "version": "1",
            "package_dir": f"package/{name}",
            "stamp_dir": f"build/{name}-1",
            "dl_dir": name,
            "downloads": [{"source": f"{name}.tar", "uris": uris}],
            "hashes": [f"package/{name}/{name}.hash"],
        }
    info.keep(made, "key", json.dumps(told) + "\nHOOKED_OVERRIDE_SRCDIR='/src/hooked'\n")
    for name in ("bash", "weak"):
        (tmp_path / "mirror" / name).mkdir(parents=True)
        (tmp_path / "mirror" / name / f"{name}.tar").write_bytes(content(name))
    (made.caches.downloads / "zlib").mkdir(parents=True)
    (made.caches.downloads / "zlib/zlib.tar").write_bytes(content("zlib"))
    return made


@pytest.fixture
def pool(space: Workspace, tmp_path: Path) -> Path:
    """Have an index of the pool that is fresh and knows one file, and return the folder of that."""
    cache = space.caches.trees.parent / "debian-pool"
    cache.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(cache / "index.sqlite")) as connection:
        connection.execute("CREATE TABLE pool (sha256 TEXT PRIMARY KEY, url TEXT NOT NULL)")
        url = f"file://{tmp_path}/pool/pooled_1.orig.tar"
        connection.execute("INSERT INTO pool VALUES (?, ?)", (sha256("pooled"), url))
        connection.commit()
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/pooled_1.orig.tar").write_bytes(content("pooled"))
    return tmp_path / "pool"


def test_each_file_comes_from_the_first_place_that_has_it(space: Workspace, pool: Path, tmp_path: Path) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("no apt-get: Debian's pool is not searched")
    told: list[events.Event] = []
    found = downloads.fetch(space, report=told.append)
    assert found == downloads.Summary(
        there=("zlib.tar",),
        fetched={
            "bash.tar": f"file://{tmp_path}/mirror/bash/bash.tar",
            "pooled.tar": f"file://{pool}/pooled_1.orig.tar",
        },
        missing={},
        left=("weak: weak.tar",),
    )
    assert found.packages == ("weak",)
    for name in ("bash", "pooled", "zlib"):
        assert (space.caches.downloads / name / f"{name}.tar").read_bytes() == content(name)
        assert (space.caches.downloads / name / ".lock").exists()
    assert [event.text for event in told if isinstance(event, events.Step)] == ["fetching 2 files"]
    last = [event for event in told if isinstance(event, events.Transfer)][-1]
    assert (last.files_done, last.files_total, last.bytes_done) == (2, 2, len(content("bash") + content("pooled")))
    told.clear()
    again = downloads.fetch(space, report=told.append)
    assert (sorted(again.there), again.fetched, again.missing) == (["bash.tar", "pooled.tar", "zlib.tar"], {}, {})
    assert told == []


def test_what_nobody_has_is_missing_with_all_that_was_tried(space: Workspace, pool: Path, tmp_path: Path) -> None:
    (pool / "pooled_1.orig.tar").write_bytes(b"other")
    found = downloads.fetch(space, report=events.ignore)
    (name,) = found.missing
    assert name == f"pooled: pooled.tar (sha256 {sha256('pooled')})"
    tried = "\n".join(found.missing[name])
    assert tried.index(f"{tmp_path}/mirror/pooled/pooled.tar") < tried.index(f"{tmp_path}/mirror/pooled.tar")
    assert tried.index(f"{tmp_path}/mirror/pooled.tar") < tried.index("/nowhere/pooled.tar")
    assert found.packages == ("pooled", "weak")
    assert not (space.caches.downloads / "pooled/pooled.tar").exists()


def test_offline_nothing_is_looked_for(space: Workspace) -> None:
    found = downloads.fetch(space, report=events.ignore, offline=True)
    assert found.there == ("zlib.tar",)
    assert found.fetched == {}
    assert sorted(found.missing) == [f"{name}: {name}.tar (sha256 {sha256(name)})" for name in ("bash", "pooled")]
    assert set(found.missing.values()) == {()}
    assert not (space.caches.downloads / "bash").exists()


def test_only_the_packages_that_are_asked_for(space: Workspace) -> None:
    found = downloads.fetch(space, report=events.ignore, names={"bash", "weak", "hooked"})
    assert (found.there, list(found.fetched), found.left) == ((), ["bash.tar"], ("weak: weak.tar",))


def test_what_buildroot_got_itself_is_not_left_to_it(space: Workspace) -> None:
    (space.caches.downloads / "weak").mkdir()
    (space.caches.downloads / "weak/weak.tar").write_bytes(b"any")
    assert downloads.fetch(space, report=events.ignore, offline=True).left == ()
    (space.caches.downloads / "weak/weak.tar").unlink()
    stamp = space.output / "build/weak-1/.stamp_downloaded"
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    assert downloads.fetch(space, report=events.ignore, offline=True).left == ()


def test_a_folder_of_the_users_own_is_believed_without_a_hash(space: Workspace, tmp_path: Path) -> None:
    own = tmp_path / "own/buildroot/weak"
    own.mkdir(parents=True)
    (own / "weak.tar").write_bytes(content("weak"))
    assert isinstance(space.env, dict)
    space.env["ROOTSTREAM_FETCHED"] = f"file://{tmp_path}/own"
    found = downloads.fetch(space, report=events.ignore, names={"weak"})
    assert (found.left, found.fetched) == ((), {"weak.tar": f"file://{tmp_path}/own/buildroot/weak/weak.tar"})
    assert (space.caches.downloads / "weak/weak.tar").read_bytes() == content("weak")


@pytest.mark.parametrize("damage", ["changed", "folder", "gone"])
def test_what_was_right_is_read_again_when_it_changed(space: Workspace, damage: str) -> None:
    downloads.fetch(space, report=events.ignore, offline=True)
    place = space.caches.downloads / "zlib/zlib.tar"
    if damage == "changed":
        place.write_bytes(content("zlib")[:-1] + b"!")
    else:
        place.unlink()
    if damage == "folder":
        place.mkdir()
    found = downloads.fetch(space, report=events.ignore, offline=True, names={"zlib"})
    assert (found.there, len(found.missing)) == ((), 1)


@pytest.mark.parametrize("note", ["{", "[1]", "null"])
def test_a_broken_note_is_none(space: Workspace, note: str) -> None:
    (space.caches.downloads / downloads.NOTE).write_text(note)
    found = downloads.fetch(space, report=events.ignore, offline=True, names={"zlib"})
    assert found.there == ("zlib.tar",)
    known = json.loads((space.caches.downloads / downloads.NOTE).read_text())
    assert list(known) == [str(space.caches.downloads / "zlib/zlib.tar")]


def test_lines_say_where_files_were_found() -> None:
    summary = downloads.Summary(
        fetched={
            "a": "https://example.org/x/a",
            "b": "https://example.org/y/b",
            "c": "http://deb.example/pool/main/c",
            "d": "file:///srv/mirror/d",
        },
        missing={"e: e.tar (sha256 0)": ("one", "two"), "f: f.tar (sha256 0)": ()},
    )
    assert downloads.lines(summary) == (
        "fetched 1 from Debian's pool",
        "fetched 2 from example.org",
        "fetched 1 from file:///srv/mirror",
        "not found by hash, left to Buildroot: e: e.tar (sha256 0)\n  one\n  two",
        "not found by hash, left to Buildroot: f: f.tar (sha256 0) (not searched)",
    )


def test_the_pool_without_apt_and_without_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: Workspace, pool: Path
) -> None:
    cache = space.caches.trees.parent / "debian-pool"
    assert pool.is_dir()
    assert debian_pool.locate([], cache, space.env, events.ignore) == {}
    known = sha256("pooled")
    if shutil.which("apt-get"):
        assert list(debian_pool.locate([known, known], cache, space.env, events.ignore)) == [known]
        # an index that is fresh, and has not all of them, is not fetched again
        assert list(debian_pool.locate([known, sha256("bash")], cache, space.env, events.ignore)) == [known]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian_pool.locate([known], cache, space.env, events.ignore) == {}
