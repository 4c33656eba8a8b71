"""Artifacts of all kinds before they become files of out/: what leaves a sandbox moves no file of the host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.events import Event, Notice
from rootstream.project import artifact
from rootstream.project.export import Facts, export
from rootstream.project.project import Project
from rootstream.sandbox.images.sparse import pack_sparse
from tests.readonly import snapshot

FACTS = Facts(target="box", arch="", digest="d", kinds={}, inputs=(), elements=(), version="1")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "images").mkdir(parents=True)
    (folder / "thesis.txt").write_text("precious")
    (folder / "images" / "thesis.txt").write_text("precious")
    (folder / "warnings.json").write_text('["precious"]')
    (folder / "dropped.json").write_text("[]")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"


def made(checkout: Path) -> tuple[Path, list[Event]]:
    told: list[Event] = []
    return export(Project(folder=checkout.parent, kind="plain"), checkout, FACTS, told.append), told


def _put(path: str, content: bytes | str) -> Callable[[Path, Path], None]:
    def put(checkout: Path, _host: Path) -> None:
        place = checkout / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    return put


def _link(path: str, target: str) -> Callable[[Path, Path], None]:
    def put(checkout: Path, host: Path) -> None:
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).symlink_to(host / target if target else "loop")

    return put


def _pipe(checkout: Path, _host: Path) -> None:
    (checkout / "images").mkdir()
    os.mkfifo(checkout / "images" / "pipe")


def _clash(checkout: Path, _host: Path) -> None:
    (checkout / "images").mkdir()
    (checkout / "images" / "a.img").write_bytes(b"a" * 4096)
    pack_sparse(checkout / "images" / "a.img", checkout / "images" / "a.img.sparse")


def _folder_clash(checkout: Path, host: Path) -> None:
    _clash(checkout, host)
    (checkout / "images" / "a.img").unlink()
    _put("images/a.img/file", "x")(checkout, host)


def _not_text(checkout: Path, _host: Path) -> None:
    (checkout / os.fsdecode(b"name-\xff")).write_text("x")


def _deep(checkout: Path, _host: Path) -> None:
    here = os.getcwd()  # noqa: PTH109
    os.chdir(checkout)
    for _ in range(300):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    os.chdir(here)


REFUSED = {
    "images-link": (_link("images", "images"), "export-special-file", "images"),
    "images-link-to-nothing": (_link("images", "none"), "export-special-file", "images"),
    "images-file": (_put("images", "x"), "export-special-file", "images"),
    "link-in-images": (_link("images/a", "thesis.txt"), "export-special-file", "a"),
    "link-to-folder": (_link("images/a", "images"), "export-special-file", "a"),
    "link-loop": (_link("images/a", ""), "export-special-file", "a"),
    "link-without-images": (_link("sub/a", "images"), "export-special-file", "sub/a"),
    "sparse-link": (_link("images/a.sparse", "thesis.txt"), "export-special-file", "a.sparse"),
    "pipe": (_pipe, "export-special-file", "pipe"),
    "line-end": (_put("a\nb  c", "x"), "export-bad-name", "a\\nb  c"),
    "carriage-return": (_put("a\rb", "x"), "export-bad-name", "a\\rb"),
    "escape": (_put("sub/\x1b[31m", "x"), "export-bad-name", "\\x1b"),
    "c1": (_put("\x9b31m", "x"), "export-bad-name", "\\x9b"),
    "bidi": (_put("a\u202egnp", "x"), "export-bad-name", "\\u202e"),
    "line-separator": (_put("a\u2028b", "x"), "export-bad-name", "\\u2028"),
    "folder-name": (_put("a\nb/c", "x"), "export-bad-name", "a\\nb"),
    "not-utf-8": (_not_text, "export-bad-name", "name-\\udcff"),
    "deep": (_deep, "export-bad-name", "d/d/d"),
    "sums": (_put("SHA256SUMS", "x"), "export-name-taken", "SHA256SUMS"),
    "sums-in-images": (_put("images/SHA256SUMS", "x"), "export-name-taken", "SHA256SUMS"),
    "sums-folder": (_put("SHA256SUMS/a", "x"), "export-name-taken", "SHA256SUMS/a"),
    "sums-sparse": (_put("SHA256SUMS.sparse", "x"), "export-name-taken", "SHA256SUMS"),
    "manifest": (_put("manifest.json", "{}"), "export-name-taken", "manifest.json"),
    "verify": (_put("verify/console.log", "x"), "export-name-taken", "verify"),
    "sparse-clash": (_clash, "export-name-taken", "a.img"),
    "sparse-folder": (_folder_clash, "export-name-taken", "a.img"),
    "sparse-empty": (_put("images/a.img.sparse", ""), "export-damaged", "a.img.sparse"),
    "sparse-garbage": (_put("images/a.img.sparse", os.urandom(9000)), "export-damaged", "a.img.sparse"),
    "notes-json": (_put("notes/warnings.json", "{x"), "export-damaged", "notes/warnings.json"),
    "notes-number": (_put("notes/warnings.json", "1"), "export-damaged", "notes/warnings.json"),
    "notes-object": (_put("notes/warnings.json", "{}"), "export-damaged", "notes/warnings.json"),
    "notes-of-numbers": (_put("notes/warnings-1.json", "[1]"), "export-damaged", "notes/warnings-1.json"),
    "notes-nested": (_put("notes/warnings.json", "[" * 100_000), "export-damaged", "notes/warnings.json"),
    "notes-not-utf-8": (_put("notes/warnings.json", b'["\xff"]'), "export-damaged", "notes/warnings.json"),
    "dropped-text": (_put("notes/dropped.json", '["a"]'), "export-damaged", "notes/dropped.json"),
    "notes-link": (_link("notes", "."), "export-special-file", "notes"),
    "note-link": (_link("notes/warnings.json", "warnings.json"), "export-special-file", "notes/warnings.json"),
    "dropped-link": (_link("notes/dropped.json", "dropped.json"), "export-special-file", "notes/dropped.json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_refused_with_artifact_and_path(host: Path, checkout: Path, case: str) -> None:
    put, reason, shown = REFUSED[case]
    if case.startswith(("note", "dropped")):
        (checkout / "images").mkdir()
        (checkout / "images" / "file").write_text("x")
    put(checkout, host)
    (checkout.parent / "out" / "box").mkdir(parents=True)
    (checkout.parent / "out" / "box" / "old").write_text("old")
    before = snapshot(host)
    with pytest.raises(UserError) as caught:
        made(checkout)
    assert caught.value.reason == reason
    assert "box" in caught.value.message
    assert shown in caught.value.message
    assert snapshot(host) == before
    assert [path.name for path in (checkout.parent / "out").iterdir()] == ["box"]
    assert [path.name for path in (checkout.parent / "out" / "box").iterdir()] == ["old"]


def test_every_name_that_is_exported_is_read_back_by_sha256sum(checkout: Path) -> None:
    names = (
        "a b",
        "back\\slash",
        "\\begin",
        "-n",
        "*star",
        "ünï",
        "sub/#",
        "x" * 200,
        "'\"$(true)`",
        "a.sparse.img",
    )
    for name in names:
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text(name)
    place, _ = made(checkout)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=place,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(names)
    listed = {each["name"] for each in json.loads((place / "manifest.json").read_text())["files"]}
    assert listed == set(names)


def test_notes_are_told(checkout: Path) -> None:
    (checkout / "notes").mkdir()
    (checkout / "notes" / "warnings-a.json").write_text('["one"]')
    (checkout / "notes" / "warnings-b.json").write_text('["two"]')
    (checkout / "images").mkdir()
    _, told = made(checkout)
    assert [each.text for each in told if isinstance(each, Notice)] == ["box: one", "box: two"]


def test_an_interrupted_checksum_ends_though_the_file_is_huge(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 43)  # hours
    script = "import sys; from pathlib import Path; from rootstream.project.export import checksums"
    script += "; print('on', flush=True)"
    argv = [sys.executable, "-c", f"{script}; checksums([Path(sys.argv[1])])", str(tmp_path / "huge")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"on\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said


@pytest.mark.parametrize(("size", "taken"), [(9, True), (10, True), (11, False)])
def test_notes_have_a_bound(checkout: Path, monkeypatch: pytest.MonkeyPatch, size: int, *, taken: bool) -> None:
    monkeypatch.setattr(artifact, "MOST_NOTES", 10)
    (checkout / "images").mkdir()
    (checkout / "notes").mkdir()
    (checkout / "notes" / "warnings.json").write_text("[]".ljust(size))
    if taken:
        made(checkout)
        return
    with pytest.raises(UserError) as caught:
        made(checkout)
    assert caught.value.reason == "export-damaged"
    assert "notes/warnings.json" in str(caught.value)


@pytest.mark.parametrize(("length", "taken"), [(512, True), (513, False)])
def test_paths_have_a_bound(checkout: Path, length: int, *, taken: bool) -> None:
    name = "ö" * 100 + "/" + "n" * 200 + "/"
    name += "x" * (length - len(name.encode()))
    (checkout / name).parent.mkdir(parents=True)
    (checkout / name).write_text("x")
    if taken:
        place, _ = made(checkout)
        assert (place / name).is_file()
        return
    with pytest.raises(UserError) as caught:
        made(checkout)
    assert caught.value.reason == "export-bad-name"
