"""Several runs on one cache: real locks, real processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from rootstream.engine import leftovers
from rootstream.engine.sharing import FOLDER, LONGEST, at_limit, clear, leased


def temporary(token: str) -> Path:
    folder = Path(tempfile.gettempdir(), f"rootstream-{token}")
    folder.mkdir()
    return folder


def test_who_comes_second_is_not_alone(tmp_path: Path) -> None:
    with leased(tmp_path, quota="infinity", wait=None) as first:
        assert first.alone
        assert first.temporary.stat().st_mode & 0o777 == 0o700
        with leased(tmp_path, quota="infinity", wait=None) as second:
            assert not second.alone
    with leased(tmp_path, quota="infinity", wait=None) as third:
        assert third.alone
    assert not third.temporary.exists()
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [".lock"]


def test_sockets_have_short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 40)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with leased(tmp_path, quota="infinity", wait=None) as lease:
        assert len(str(lease.temporary)) <= LONGEST
        assert lease.temporary.is_dir()
    assert not lease.temporary.exists()


def test_at_the_limit_a_build_waits_for_the_others(tmp_path: Path) -> None:
    (tmp_path / "cas").mkdir()
    (tmp_path / "cas" / "disk_usage").write_text("95")
    assert at_limit(tmp_path, "100")
    said = threading.Event()
    got: list[bool] = []

    def second() -> None:
        with leased(tmp_path, quota="100", wait=said.set) as lease:
            got.append(lease.alone)

    waiting = threading.Thread(target=second)
    with leased(tmp_path, quota="100", wait=None):
        waiting.start()
        assert said.wait(20)
        assert got == []
    waiting.join(20)
    assert got == [True]


def test_a_mixed_use_makes_the_next_casd_count_again(tmp_path: Path) -> None:
    usage = tmp_path / "cas" / "disk_usage"
    usage.parent.mkdir()
    with leased(tmp_path, quota="infinity", wait=None):
        usage.write_text("10")
        with leased(tmp_path, quota="infinity", wait=None):
            pass
        assert usage.exists()
    assert not usage.exists()


@pytest.mark.parametrize(("used", "full"), [("100", True), ("10", False), ("none", False), ("", False)])
def test_the_limit(tmp_path: Path, used: str, full: bool) -> None:
    (tmp_path / "cas" / "objects" / "ab").mkdir(parents=True)
    (tmp_path / "cas" / "objects" / "ab" / "cd").write_bytes(b"x" * 50)
    (tmp_path / "cas" / "disk_usage").write_text(used)
    assert at_limit(tmp_path, "100") is full
    assert not at_limit(tmp_path, "infinity")


def test_what_a_dead_run_left_is_cleared(tmp_path: Path) -> None:
    token = "d00d" + os.urandom(4).hex()
    folder = temporary(token)
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"],
        env={leftovers.VARIABLE: token},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    child.stdout.readline()  # it is itself by now: between fork and exec nobody sees its environment
    runs = tmp_path / FOLDER
    runs.mkdir()
    (runs / token).write_text(str(folder))
    try:
        with leased(tmp_path, quota="infinity", wait=None) as lease:
            assert lease.alone
        assert child.wait(20) != 0
        assert not folder.exists()
        assert not (runs / token).exists()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_temporary_files_of_killed_processes_go_when_nobody_uses_the_cache(tmp_path: Path) -> None:
    (tmp_path / "cas" / "tmp" / "fuse-x").mkdir(parents=True)
    (tmp_path / "cas" / "tmp" / "fuse-x" / "blob").write_text("large")
    (tmp_path / "cas" / "staging" / "cas-tmpdirx").mkdir(parents=True)
    (tmp_path / "cas" / "staging" / "used").mkdir()
    (tmp_path / "cas" / "staging" / "used" / "file").write_text("")
    (tmp_path / "cas" / "objects").mkdir()
    (tmp_path / "casserver-x.sock").write_text("")
    with leased(tmp_path, quota="infinity", wait=None):
        (tmp_path / "cas" / "tmp" / "new").mkdir()
        with leased(tmp_path, quota="infinity", wait=None):
            found = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("cas*/*/*")}
            assert found == {"cas/tmp/new", "cas/staging/used"}
    assert not (tmp_path / "casserver-x.sock").exists()
    assert (tmp_path / "cas" / "objects").is_dir()


def test_a_living_run_is_left_alone(tmp_path: Path) -> None:
    token = "feed" + os.urandom(4).hex()
    folder = temporary(token)
    runs = tmp_path / FOLDER
    runs.mkdir()
    with (runs / token).open("w") as record:
        record.write(str(folder))
        record.flush()
        fcntl.flock(record, fcntl.LOCK_EX)
        with leased(tmp_path, quota="infinity", wait=None) as lease:
            assert not lease.alone
        assert folder.exists()
    folder.rmdir()


def test_a_record_cannot_name_a_folder_of_others(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    runs = tmp_path / "cache" / FOLDER
    runs.mkdir(parents=True)
    (runs / "0bad").write_text(str(precious))
    with leased(tmp_path / "cache", quota="infinity", wait=None):
        pass
    assert precious.exists()
    assert not (runs / "0bad").exists()


BST = """
import subprocess, sys
argv = ["/x/buildbox-casd", "-c", "import sys; print('up', flush=True); sys.stdin.read()", sys.argv[1]]
with subprocess.Popen(argv, executable=sys.executable, stdin=subprocess.PIPE):
    sys.stdin.read()
"""


def test_a_bst_started_by_hand_keeps_its_files(tmp_path: Path) -> None:
    """The cache is in use by a casd whose parent is a bst that we did not start."""
    cache = tmp_path / "cache"
    (cache / "cas/tmp").mkdir(parents=True)
    (cache / "cas/tmp/in-use").touch()
    argv = [sys.executable, "-c", BST, str(cache), "bst", "build"]
    env = {name: value for name, value in os.environ.items() if name != leftovers.VARIABLE}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as bst:
        assert bst.stdin
        assert bst.stdout
        bst.stdout.readline()
        with leased(cache, quota="infinity", wait=None) as lease:
            assert not lease.alone
        assert (cache / "cas/tmp/in-use").exists()
        bst.stdin.close()
    with leased(cache, quota="infinity", wait=None) as lease:
        assert lease.alone
    assert not (cache / "cas/tmp/in-use").exists()


MOUNT = """
import ctypes, os, sys, time
handle = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={handle},rootmode=40000,user_id=0,group_id=0".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"/dev/fuse", os.fsencode(sys.argv[1]), b"fuse", 0, options) != 0:
    sys.exit("no FUSE: " + os.strerror(ctypes.get_errno()))
print(flush=True)
time.sleep(600)
"""


def test_mounts_whose_server_is_dead_go_and_those_that_live_stay(tmp_path: Path) -> None:
    places = [tmp_path / "cas" / "staging" / name for name in ("dead", "living")]
    servers = []
    for place in places:
        place.mkdir(parents=True)
        argv = [sys.executable, "-c", MOUNT, str(place)]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stderr is not None
        if not child.stdout.readline():
            with child.stdout, child.stderr:
                why = child.stderr.read().decode()
            child.wait()
            pytest.skip(why)
        servers.append(child)
    try:
        servers[0].kill()
        servers[0].wait()
        clear(tmp_path)  # nothing of ours was there yet
        (tmp_path / FOLDER).mkdir()
        clear(tmp_path)
        mounts = Path("/proc/self/mounts").read_text()
        assert str(places[0]) not in mounts
        assert str(places[1]) in mounts
    finally:
        for child in servers:
            child.kill()
            child.wait()
            for pipe in (child.stdout, child.stderr):
                assert pipe is not None
                pipe.close()
        clear(tmp_path)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
