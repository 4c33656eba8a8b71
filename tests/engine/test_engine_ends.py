"""How runs end that are not left in peace: stopped, killed, several at once, as an ordinary user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from engine_project import building, engine, left_by, make_project
from tests.conftest import python_for_all

from rootstream.engine.settings import configuration
from rootstream.engine.sharing import FOLDER

pytestmark = pytest.mark.engine
NOBODY = 65534


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("ends") / "project")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_ctrl_c_during_a_build(project: Path, cache: Path) -> None:
    with building(cache, project, "slow.bst") as build:
        build.until("element-started", action="build", element="slow.bst")
        build.process.send_signal(signal.SIGINT)
        assert build.end() == 1
    assert build.reason == "interrupted"
    assert not [e for e in build.events if e["type"] == "element-finished" and e["result"] == "failure"]
    assert left_by(cache) == []
    # the next run goes on: the base is built
    with building(cache, project, "slow.bst") as build:
        assert build.until("plan")["cached"] == 1
        assert build.end() == 0


def test_ctrl_c_before_a_build_begins(project: Path, cache: Path) -> None:
    with building(cache, project, "slow.bst") as build:
        while not list((cache / FOLDER).glob("[0-9a-f]*")) and build.process.poll() is None:
            pass
        build.process.send_signal(signal.SIGINT)
        assert build.end() == 1
    assert build.reason == "interrupted"
    # a signal between two instructions of the set-up may leave the record of the run: the next one removes it
    engine(cache).show(project, ["slow.bst"])
    assert left_by(cache) == []


def test_bst_is_killed(project: Path, cache: Path) -> None:
    with building(cache, project, "slow.bst") as build:
        build.until("element-started", action="build", element="slow.bst")
        os.kill(build.pid_of("buildstream\0--config"), signal.SIGKILL)
        assert build.end() == 1
    assert build.reason == "engine-died"
    assert left_by(cache) == []
    engine(cache).build(project, ["slow.bst"])


def test_casd_is_killed(project: Path, cache: Path) -> None:
    with building(cache, project, "slow.bst") as build:
        build.until("element-started", action="build", element="slow.bst")
        os.kill(build.pid_of("buildbox-casd\0"), signal.SIGKILL)
        assert build.end() == 1
    assert build.reason == "engine-died"
    assert left_by(cache) == []
    engine(cache).build(project, ["slow.bst"])


def test_we_are_killed(project: Path, cache: Path) -> None:
    with building(cache, project, "slow.bst") as build:
        build.until("element-started", action="build", element="slow.bst")
        build.process.kill()
    assert left_by(cache) != []
    engine(cache).build(project, ["one.bst"])
    assert left_by(cache) == []


def test_two_builds_at_once_in_one_project(project: Path, cache: Path) -> None:
    with building(cache, project, "slow.bst", "two.bst") as first:
        first.until("element-started", action="build", element="slow.bst")
        with building(cache, project, "slow.bst", "one.bst") as second:
            assert second.end() == 0
        assert first.end() == 0
    assert left_by(cache) == []
    engine(cache).build(project, ["two.bst", "slow.bst"])


def test_two_builds_at_the_limit_of_the_cache(project: Path, cache: Path) -> None:
    # alone, the second's casd would expire what the first still reads
    for name in "abcde":
        (project / name).mkdir()
        (project / name / name).write_bytes(os.urandom(20_000_000))
        text = f"kind: import\nsources: [{{kind: local, path: {name}}}]\n"
        (project / "elements" / f"{name}.bst").write_text(text)
    (project / "elements" / "reader.bst").write_text(
        "kind: manual\nbuild-depends: [base.bst, a.bst]\nconfig:\n  install-commands:\n"
        '  - "sleep 4; mkdir -p %{install-root}; cp /a %{install-root}/a"\n'
    )
    quota = {"ROOTSTREAM_CACHE_QUOTA": "80M"}
    with building(cache, project, "reader.bst", **quota) as first:
        first.until("element-started", action="build", element="reader.bst")
        with building(cache, project, "b.bst", "c.bst", "d.bst", "e.bst", **quota) as second:
            assert second.end() == 0
        assert first.end() == 0


def test_a_bst_started_by_hand_goes_on_beside_a_build(project: Path, cache: Path, tmp_path: Path) -> None:
    engine(cache).build(project, ["base.bst"])
    conf = tmp_path / "by-hand.conf"
    conf.write_text(configuration(engine(cache).settings, mark=None))
    argv = [sys.executable, "-m", "buildstream", "--config", str(conf), "--no-interactive", "build", "slow.bst"]
    with subprocess.Popen(argv, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bst:
        assert bst.stdout
        said = ""
        while "Running commands" not in said:
            said += bst.stdout.readline()
        engine(cache).build(project, ["one.bst"])
        said += bst.stdout.read()
        assert bst.wait() == 0, said


@pytest.mark.skipif(os.geteuid() != 0, reason="we are an ordinary user: all these tests say it")
def test_an_ordinary_user() -> None:
    code = (
        "import os, sys; from pathlib import Path; from rootstream.engine import Engine; "
        "assert os.geteuid() == 65534; Engine.of(os.environ).build(Path(sys.argv[1]), ['both.bst'])"
    )
    # what a container may keep from users of its host's /dev is given in a mount namespace of our own
    script = (
        'mknod "$1/fuse" c 10 229 && chmod 666 "$1/fuse" && mount --bind "$1/fuse" /dev/fuse && rm "$1/fuse"; '
        "shift; exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --ambient-caps=-all "
        '"$@"'
    )
    folder = Path(tempfile.mkdtemp(prefix="rootstream-test-"))
    try:
        folder.chmod(0o755)
        project = make_project(folder / "project")
        home = folder / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        python = python_for_all(folder / "venv")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", folder, python, "-c", code, project],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home)},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (home / ".cache" / "rootstream" / "bst" / "cas").stat().st_uid == NOBODY
        assert left_by(home) == [] if (home / FOLDER).exists() else True
    finally:
        shutil.rmtree(folder)
