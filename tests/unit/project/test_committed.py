"""A project that somebody else committed: no link, special file or file of others is used where ours belong."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream import events
from rootstream.__main__ import main
from rootstream.errors import UserError
from rootstream.host import nofollow, temporary
from rootstream.plan.overlay import walk
from rootstream.project import export, lock, project
from tests.readonly import snapshot

STEPS = (
    "out",
    "out/hello",
    "out/hello/manifest.json",
    "out/hello/verify",
    "out/hello/verify/console.log",
    "out/.netboot",
    "out/.netboot/builds",
    "out/.hello.abcdefgh",
    ".rootstream",
    ".rootstream/lock",
    ".rootstream/locks",
    ".rootstream/locks/hello",
    ".rootstream/state",
    ".rootstream/state/hello.json",
    ".rootstream/plan",
    ".rootstream/plan/project.conf",
    ".rootstream/plan/elements",
    ".rootstream/plan/.bst",
    ".rootstream/plan/.bst/workspaces.yml",
    ".rootstream/checkout-x",
    ".rootstream/buildroot",
    ".rootstream/buildroot/hello",
    ".rootstream/buildroot/hello/output",
    ".rootstream/buildroot/hello/output/images",
    ".rootstream/buildroot/hello/output/target",
    ".rootstream/buildroot/hello/output/.config",
    ".rootstream/buildroot/hello/output/build/busybox-1",
    ".rootstream/buildroot/hello/state",
    ".rootstream/buildroot/hello/state/packages.json",
    ".rootstream/buildroot/hello/logs/build.log",
    "system.lock",
)
PLAIN_STEPS = (".bst2", ".bst2/workspaces.yml", ".bst", ".bst/workspaces.yml", "project.refs", "junction.refs")
VERBS = (
    ("show",),
    ("build",),
    ("build", "-n"),
    ("fetch",),
    ("update",),
    ("run",),
    ("verify",),
    ("log", "hello"),
    ("shell", "hello"),
    ("config", "check"),
    ("config", "set", "CONFIG_A=y"),
    ("make",),
    ("env",),
    ("builds",),
    ("rollback", "hello"),
    ("boot", "box"),
    ("power", "box", "status"),
    ("serve", "-i", "lo"),
    ("publish", "away", "--url", "http://127.0.0.1/"),
    ("clean", "--yes", "--out"),
)


def _link_to_folder(place: Path, canary: Path) -> str:
    place.symlink_to(os.path.relpath(canary, place.parent))
    return "link-in-project"


def _link_to_file(place: Path, canary: Path) -> str:
    place.symlink_to(canary / "thesis.txt")
    return "link-in-project"


def _link_to_nothing(place: Path, canary: Path) -> str:
    place.symlink_to(canary / "not-there")
    return "link-in-project"


def _pipe(place: Path, _canary: Path) -> str:
    os.mkfifo(place)
    return "special-file"


def _socket(place: Path, _canary: Path) -> str:
    here = Path.cwd()
    os.chdir(place.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(place.name)
    finally:
        os.chdir(here)
    return "special-file"


def _foreign(place: Path, _canary: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root makes files of others")
    place.write_text("{}\n")
    os.chown(place, 65534, 65534)
    return "foreign-owner"


KINDS = (_link_to_folder, _link_to_file, _link_to_nothing, _pipe, _socket, _foreign)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "hello" / ".ssh").mkdir(parents=True)
    (folder / "thesis.txt").write_text("precious\n")
    (folder / "hello" / "thesis.txt").write_text("precious\n")
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "system.yaml").write_text("systems:\n  hello: {root: busybox, kernel: {}, images: [kernel]}\n")
    return folder


def _refused(words: tuple[str, ...], folder: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(folder)
    assert main([*words, "-C", str(folder)]) == 2
    said = capsys.readouterr().err
    assert str(place) in said, said
    assert snapshot(folder) == before


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_looked_at(
    clone: Path,
    canary: Path,
    step: str,
    kind: Callable[[Path, Path], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = clone / step
    place.parent.mkdir(parents=True, exist_ok=True)
    reason = kind(place, canary)
    before = snapshot(canary)
    with pytest.raises(UserError) as caught:
        project.find(clone)
    assert caught.value.reason == reason
    assert caught.value.where
    assert caught.value.where.path == place
    _refused(("show",), clone, place, capsys)
    assert snapshot(canary) == before


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
@pytest.mark.parametrize("step", ["out", ".rootstream", ".rootstream/plan", ".rootstream/lock", "system.lock"])
def test_every_verb_looks(
    clone: Path, canary: Path, step: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    place = clone / step
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(canary)
    before = snapshot(canary)
    _refused(words, clone, place, capsys)
    assert snapshot(canary) == before


@pytest.mark.parametrize("step", PLAIN_STEPS)
def test_what_buildstream_writes_into_its_own_project_is_looked_at(
    tmp_path: Path, canary: Path, step: str
) -> None:
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "project.conf").write_text("name: plain\nmin-version: 2.2\n")
    place = tmp_path / "clone" / step
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(canary / "thesis.txt")
    with pytest.raises(UserError) as caught:
        project.find(tmp_path / "clone")
    assert caught.value.reason == "link-in-project"


@pytest.mark.parametrize("path", ["/etc", "../home", "elements/../../home", "link", "a\\0b"])
def test_workspaces_of_buildstream_are_in_the_project(tmp_path: Path, canary: Path, path: str) -> None:
    folder = tmp_path / "clone"
    (folder / ".bst2").mkdir(parents=True)
    (folder / "project.conf").write_text("name: plain\nmin-version: 2.2\n")
    (folder / "link").symlink_to(canary)
    file = folder / ".bst2" / "workspaces.yml"
    file.write_text('format-version: 4\nworkspaces: {a.bst: {path: "here/a"}}\n')
    assert project.find(folder).kind == "plain"
    file.write_text(f'format-version: 4\nworkspaces: {{a.bst: {{path: "{path}"}}}}\n')
    with pytest.raises(UserError) as caught:
        project.find(folder)
    assert caught.value.reason == "outside-project"
    for text in ("[", "1", "workspaces: [1]", "workspaces: {a.bst: 1}", "[" * 5000):
        file.write_text(text)
        with pytest.raises(UserError) as caught:
            project.find(folder)
        assert caught.value.reason == "bad-workspaces"


def test_results_can_be_on_another_disk(clone: Path, canary: Path, tmp_path: Path) -> None:
    (clone / "out").symlink_to(canary)
    found = project.find(clone, tmp_path / "disk")
    assert found.out("hello") == tmp_path / "disk" / "hello"
    assert export.results_folder(found) == tmp_path / "disk"
    (tmp_path / "disk" / "hello").symlink_to(canary)
    with pytest.raises(UserError) as caught:
        project.find(clone, tmp_path / "disk")
    assert caught.value.reason == "link-in-project"


def test_results_elsewhere_are_an_option_and_a_variable(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "out").symlink_to(tmp_path)
    assert main(["builds", "-C", str(clone), "--out", str(tmp_path / "disk")]) == 0
    monkeypatch.setenv("ROOTSTREAM_OUT", str(tmp_path / "disk"))
    assert main(["builds", "-C", str(clone)]) == 0
    (tmp_path / "disk").mkdir()
    assert main(["clean", "-C", str(clone), "--out", "--yes"]) == 0
    assert not (tmp_path / "disk").exists()
    assert capsys.readouterr().err == ""


def test_root_may_work_in_the_checkout_of_somebody_else(clone: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes files of others")
    (clone / ".rootstream").mkdir()
    for path in (clone, *clone.rglob("*")):
        os.chown(path, 65534, 65534)
    assert project.find(clone).folder == clone


def test_a_project_that_others_put_above_is_not_taken(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes files of others")
    (tmp_path / "mine").mkdir()
    (tmp_path / "project.conf").write_text("name: theirs\n")
    os.chown(tmp_path / "project.conf", 65534, 65534)
    with pytest.raises(UserError) as caught:
        project.find(tmp_path / "mine")
    assert caught.value.reason == "foreign-project"
    assert project.find(tmp_path).kind == "plain"


def test_a_description_that_is_a_link_out_of_the_project_is_not_read(clone: Path, canary: Path) -> None:
    (clone / "system.yaml").unlink()
    (clone / "system.yaml").symlink_to(canary / "thesis.txt")
    with pytest.raises(UserError) as caught:
        project.find(clone)
    assert caught.value.reason == "outside-project"
    assert "precious" not in str(caught.value)


def test_a_description_may_be_a_link_within_the_project(clone: Path) -> None:
    (clone / "system.yaml").rename(clone / "other.yaml")
    (clone / "system.yaml").symlink_to("other.yaml")
    assert project.find(clone).folder == clone


# What is swapped after the look: nothing is followed when it is opened, either.


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    "step", [".rootstream", ".rootstream/lock", ".rootstream/state/hello.json", lock.FILE_NAME]
)
def test_nothing_is_followed_that_came_later(
    clone: Path, canary: Path, step: str, kind: Callable[[Path, Path], str]
) -> None:
    found = project.find(clone)
    (clone / step).parent.mkdir(parents=True, exist_ok=True)
    reason = kind(clone / step, canary)
    before = snapshot(canary)

    def take() -> None:
        with project.locked(found, events.ignore):
            project.read_state(found, "hello")
            nofollow.write(clone, found.work / "state" / "hello.json", b"{}\n")
            lock.write(lock.Lock(), found.lock)

    with pytest.raises(UserError) as caught:
        take()
    assert caught.value.reason == reason
    assert snapshot(canary) == before


def test_a_folder_is_deleted_without_what_its_links_name(clone: Path, canary: Path) -> None:
    (clone / ".rootstream" / "buildroot" / "hello" / "output").mkdir(parents=True)
    (clone / ".rootstream" / "buildroot" / "hello" / "output" / "staging").symlink_to(canary)
    before = snapshot(canary)
    assert nofollow.remove(clone, clone / ".rootstream")
    assert not nofollow.remove(clone, clone / ".rootstream")
    assert snapshot(canary) == before


def test_files_are_written_whole_and_without_leftovers(clone: Path) -> None:
    place = clone / "a" / "b" / "file"
    nofollow.write(clone, place, b"one", 0o600)
    nofollow.write(clone, place, b"two", 0o644)
    assert nofollow.read_bytes(clone, place) == b"two"
    assert place.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in place.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", [_link_to_file, _link_to_folder, _pipe], ids=lambda each: each.__name__)
def test_init_waits_for_no_ignore_file_and_follows_none(
    tmp_path: Path, canary: Path, kind: Callable[[Path, Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new" / ".git").mkdir(parents=True)
    kind(tmp_path / "new" / ".gitignore", canary)
    before = snapshot(canary)
    assert main(["init", "debian-server", str(tmp_path / "new")]) == 2
    assert ".gitignore" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "new").iterdir()} == {".git", ".gitignore"}
    assert snapshot(canary) == before


def test_an_overlay_may_be_deeper_than_python_recurses(tmp_path: Path) -> None:
    here = Path.cwd()
    with temporary.folder("x-", tmp_path) as folder:
        os.chdir(folder)
        for _ in range(1200):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
        os.chdir(here)
        assert sum(1 for _ in walk(folder)) == 1200
