"""The engine with the real BuildStream: what a build, a failure, a checkout and a shell do."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pexpect
import pytest
from engine_project import engine, left_by, make_project
from tests.conftest import Command

from rootstream.errors import UserError
from rootstream.events import ElementFinished, Event, Notice, Plan, Transfer

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("builds") / "project")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds-cache")


def finished(events: list[Event]) -> dict[tuple[str, str], str]:
    return {(e.action, e.element): e.result for e in events if isinstance(e, ElementFinished)}


def test_a_build_and_the_same_again(project: Path, tmp_path: Path) -> None:
    ours = engine(tmp_path / "cache")
    events: list[Event] = []
    ours.build(project, ["both.bst"], events.append)
    assert events[0] == Plan(total=4, cached=0, to_fetch=0, to_build=4)
    assert finished(events)["build", "two.bst"] == "success"
    again: list[Event] = []
    ours.build(project, ["both.bst"], again.append)
    assert again == [Plan(total=3, cached=3, to_fetch=0, to_build=0)]
    assert left_by(tmp_path / "cache") == []
    states = {state.name: state for state in ours.show(project, ["both.bst"])}
    assert {state.state for state in states.values()} == {"cached"}
    assert states["two.bst"].build_depends == ("base.bst", "one.bst")
    assert states["both.bst"].kind == "stack"
    assert len({state.key for state in states.values()}) == 4
    built = next(e for e in events if isinstance(e, ElementFinished) and e.element == "one.bst")
    assert built.key == states["one.bst"].key


def test_who_builds_where_is_not_seen_in_a_sandbox(project: Path, tmp_path: Path) -> None:
    """The umask is no part of any key, so what a command makes must not depend on it."""
    before = os.umask(0o077)
    try:
        ours = engine(tmp_path / "cache", LC_ALL="C", TZ="Asia/Tokyo", USER="somebody", LANG="ja_JP.UTF-8")
        ours.build(project, ["who.bst"])
        ours.checkout(project, "who.bst", tmp_path / "out")
    finally:
        os.umask(before)
    seen = (tmp_path / "out" / "who").read_text()
    assert seen.startswith("0022\n")
    for word in ("somebody", "Tokyo", "ja_JP", f"HOME='{Path.home()}'", os.uname().nodename):
        assert word not in seen, (word, seen)


def test_states_before_a_build(project: Path, tmp_path: Path) -> None:
    states = engine(tmp_path / "cache").show(project, ["both.bst", "parcel.bst"])
    found = {state.name: state.state for state in states}
    assert found["base.bst"] == "buildable"
    assert found["two.bst"] == "waiting"
    assert found["parcel.bst"] == "fetch needed"


def test_a_failure_tells_why_and_others_go_on(project: Path, cache: Path) -> None:
    ours = engine(cache)
    events: list[Event] = []
    with pytest.raises(UserError) as caught:
        ours.build(project, ["bad.bst", "slow.bst"], events.append)
    error = caught.value
    assert error.reason == "element-failed"
    assert error.detail is not None
    assert error.detail.split("\n")[-2:] == ["line 50", "fatal: no such luck"]
    assert "exit status 3" in error.message
    assert "rootstream shell bad.bst" in str(error.hint)
    assert finished(events)["build", "slow.bst"] == "success"
    assert next(iter(ours.show(project, ["bad.bst"], depends="none"))).state == "failed"
    log = ours.log(project, "bad.bst")
    assert log is not None
    assert str(log) in str(error.hint)
    assert "fatal: no such luck" in log.read_text()
    # the tree of the failed build
    assert ours.shell(project, "bad.bst", ["sh", "-c", 'test "$(cat evidence)" = precious']) == 0
    assert ours.shell(project, "bad.bst", ["sh", "-c", "exit 7"]) == 7
    # the same again is tried again
    with pytest.raises(UserError) as caught:
        ours.build(project, ["bad.bst"])
    assert caught.value.reason == "element-failed"


def test_a_shell_where_a_cached_element_was_built(project: Path, cache: Path) -> None:
    ours = engine(cache)
    ours.build(project, ["two.bst"])
    # two.bst holds no program at all; it was built with those of base.bst, and with one.bst
    assert ours.shell(project, "two.bst", ["sh", "-c", "test -x /d/one && ! test -e /two"]) == 0
    # base.bst was built with nothing: it is what is staged
    assert ours.shell(project, "base.bst", ["sh", "-c", "test ! -e /d"]) == 0


def test_an_interactive_shell(project: Path, cache: Path) -> None:
    with pytest.raises(UserError):
        engine(cache).build(project, ["bad.bst"])
    code = (
        "import os, sys; from pathlib import Path; from rootstream.engine import Engine; "
        "sys.exit(Engine.of(os.environ).shell(Path(sys.argv[1]), 'bad.bst'))"
    )
    environment = {"PATH": os.environ["PATH"], "ROOTSTREAM_CACHE": str(cache), "TERM": "dumb"}
    child = pexpect.spawn(
        sys.executable, ["-c", code, str(project)], env=environment, timeout=60, encoding="utf-8"
    )
    child.expect(r"bad\.bst:.*\$ ")
    child.sendline("cat evid*; echo $((40 + 2))")
    child.expect("precious")
    child.expect("42")
    child.sendintr()  # for the shell alone
    child.expect(r"bad\.bst:.*\$ ")
    child.sendline("echo still $((40 + 4))")
    child.expect("still 44")
    # its exit status is dash's own affair: it cannot give the terminal back to a process outside its namespace
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()
    assert left_by(cache) == []


def test_a_fetch_with_progress_and_a_retry(project: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    ours = engine(tmp_path / "cache")
    ours.fetch(project, ["parcel.bst"], events.append)
    assert [e.bytes_done for e in events if isinstance(e, Transfer)] == [500, 500, 1000]
    assert [e.level for e in events if isinstance(e, Notice)] == ["warning"]
    assert finished(events) == {("fetch", "parcel.bst"): "success"}
    ours.track(project, ["parcel.bst"])


def test_a_fetch_that_fails(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        engine(tmp_path / "cache").build(project, ["lost.bst"])
    assert caught.value.reason == "fetch-failed"
    assert "the line broke" in caught.value.message


def test_a_checkout_is_plain_files_in_a_new_folder(project: Path, cache: Path, tmp_path: Path) -> None:
    ours = engine(cache)
    ours.build(project, ["one.bst"])
    place = tmp_path / "out"
    ours.checkout(project, "one.bst", place)
    assert [str(path.relative_to(place)) for path in sorted(place.rglob("*"))] == ["d", "d/link", "d/one"]
    assert (place / "d" / "link").readlink() == Path("one")
    assert (place / "d" / "one").read_text() == "one\n"
    # an edit of the files must never reach the cache
    assert (place / "d" / "one").stat().st_nlink == 1
    assert (place / "d" / "one").stat().st_mode & stat.S_IXUSR
    (place / "d" / "one").write_text("changed\n")
    with pytest.raises(UserError) as caught:
        ours.checkout(project, "one.bst", place)
    assert caught.value.reason == "destination-exists"
    ours.checkout(project, "one.bst", tmp_path / "linked", hardlinks=True)
    assert (tmp_path / "linked" / "d" / "one").read_text() == "one\n"
    assert (tmp_path / "linked" / "d" / "one").stat().st_nlink > 1


def test_what_was_built_with_a_key_is_checked_out_although_its_inputs_changed(
    project: Path, cache: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(project, tmp_path / "project", symlinks=True)
    ours = engine(cache)
    keys = {each.name: each.key for each in ours.build(copy, ["one.bst"])}
    element = copy / "elements" / "one.bst"
    element.write_text(element.read_text().replace("echo one", "echo other"))
    assert keys != {each.name: each.key for each in ours.show(copy, ["one.bst"])}
    with pytest.raises(UserError) as caught:
        ours.checkout(copy, "one.bst", tmp_path / "now")
    assert caught.value.reason == "artifact-missing"
    ours.checkout(copy, "one.bst", tmp_path / "then", key=keys["one.bst"])
    assert (tmp_path / "then" / "d" / "one").read_text() == "one\n"


def test_what_is_deleted_is_not_there_any_more(project: Path, tmp_path: Path) -> None:
    ours = engine(tmp_path / "cache")
    ours.build(project, ["one.bst"])
    ours.delete(project, ["one.bst"])
    with pytest.raises(UserError) as caught:
        ours.checkout(project, "one.bst", tmp_path / "out")
    assert caught.value.reason == "artifact-missing"
    assert "one.bst" in caught.value.message
    ours.clean()
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"rootstream-runs"}
    ours.build(project, ["one.bst"])


def test_public_data(project: Path, cache: Path) -> None:
    data = engine(cache).public(project, "one.bst")
    assert isinstance(data, dict)
    assert data["rootstream"] == {"arch": "x86_64", "checks": [{"console": "from one.bst"}]}


@pytest.mark.parametrize(
    ("element", "reason"),
    [("nope.bst", "project-invalid"), ("wrong.bst", "project-invalid"), ("--help", "element-name-invalid")],
)
def test_mistakes_in_a_project(project: Path, cache: Path, element: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        engine(cache).build(project, [element])
    assert caught.value.reason == reason


def test_a_folder_without_a_project(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        engine(cache).show(tmp_path, ["one.bst"])
    assert caught.value.reason == "project-missing"


def test_a_mistake_in_an_element_has_its_place(project: Path, cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        engine(cache).show(project, ["wrong.bst"])
    where = caught.value.where
    assert where is not None
    assert (where.path, where.line) == (project / "elements" / "wrong.bst", 2)


@pytest.mark.skipif(
    shutil.which("bwrap", path=str(Path(sys.executable).parent)) is not None, reason="bwrap lies beside Python"
)
def test_without_bubblewrap(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        engine(tmp_path / "cache", PATH=str(tmp_path)).build(project, ["one.bst"])
    assert caught.value.reason == "sandbox-missing"


def test_a_cache_that_is_too_small(project: Path, tmp_path: Path) -> None:
    (project / "elements" / "large.bst").write_text(
        "kind: manual\nbuild-depends: [base.bst]\nconfig:\n  install-commands:\n"
        '  - "mkdir -p %{install-root}; head -c 90M /dev/zero > %{install-root}/x"\n'
    )
    with pytest.raises(UserError) as caught:
        engine(tmp_path / "cache", ROOTSTREAM_CACHE_QUOTA="40M").build(project, ["large.bst"])
    assert caught.value.reason == "cache-full"


def test_a_cache_of_somebody_else(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        engine(tmp_path / "file" / "cache").show(project, ["one.bst"])
    assert caught.value.reason == "cache-unwritable"


def test_the_users_own_settings_reach_bst(project: Path, tmp_path: Path) -> None:
    (tmp_path / "rootstream").mkdir()
    (tmp_path / "rootstream" / "engine.yaml").write_text("scheduler: {builders: few}\n")
    with pytest.raises(UserError) as caught:
        engine(tmp_path / "cache", XDG_CONFIG_HOME=str(tmp_path)).show(project, ["one.bst"])
    assert caught.value.reason == "engine-settings-invalid"
    assert str(caught.value.where) == f"{tmp_path}/rootstream/engine.yaml:1:13"
    assert "builders" in caught.value.message


def test_an_artifact_that_is_a_link_moves_no_file_of_the_host(tmp_path: Path, run: Command) -> None:
    host = tmp_path / "home"
    host.mkdir()
    (host / "thesis.txt").write_text("precious")
    folder = tmp_path / "project"
    (folder / "elements").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "project.conf").write_text("name: plain\nmin-version: 2.2\nelement-path: elements\n")
    (folder / "elements" / "evil.bst").write_text("kind: import\nsources: [{kind: local, path: files}]\n")
    (folder / "files" / "images").symlink_to(host)
    done = run("build", "evil.bst", cwd=folder)
    assert done.returncode == 2
    assert "the artifact of evil cannot be exported: 'images'" in done.stderr
    assert [path.read_text() for path in host.iterdir()] == ["precious"]
    assert list((folder / "out").iterdir()) == []
    assert {path.name for path in (folder / ".rootstream").iterdir()} == {"lock"}
