"""Folders for the time of one command: gone with it, and if it was killed with the next one that writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rootstream import events
from rootstream.host import temporary
from rootstream.project import project

HOLD = """
import sys, time
from pathlib import Path
from rootstream.host import temporary
with temporary.folder(sys.argv[1], Path(sys.argv[2])) as folder:
    (folder / "deep" / "er").mkdir(parents=True)
    print(folder, flush=True)
    time.sleep(600)
"""


def holder(prefix: str, parent: Path) -> tuple[subprocess.Popen[str], Path]:
    argv = [sys.executable, "-c", HOLD, prefix, str(parent)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    with child.stdout:
        return child, Path(child.stdout.readline().strip())


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> project.Project:
    (tmp_path / "project" / ".rootstream" / "state").mkdir(parents=True)
    (tmp_path / "project" / "out").mkdir()
    (tmp_path / "project" / "system.yaml").write_text("systems: {}\n")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return project.find(tmp_path / "project")


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    with temporary.folder("x-", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith("x-")
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("prefix", "place"),
    [
        ("checkout-", ".rootstream"),
        ("update-", ".rootstream"),
        ("collect-", ".rootstream"),
        (".hello@uefi.", "out"),
        ("rootstream-plan-", "../tmp"),
        ("rootstream-run-", "../tmp"),
    ],
)
def test_what_the_dead_left_goes_and_what_the_living_use_stays(
    described: project.Project, prefix: str, place: str
) -> None:
    parent = (described.folder / place).resolve()
    dead, left = holder(prefix, parent)
    living, used = holder(prefix, parent)
    try:
        dead.kill()
        dead.wait()
        assert left.is_dir()
        with project.locked(described, events.ignore):
            assert not left.exists()
            assert used.is_dir()
    finally:
        living.send_signal(signal.SIGKILL)
        living.wait()


def test_files_that_were_to_replace_others_go(described: project.Project) -> None:
    ours = (".system.lock.0a1b2c3d", ".rootstream/state/.hello.json.0a1b2c3d")
    theirs = (".hello.json.0a1b2c3d", ".system.lock.mine", "out/.keep", "out/file")
    for name in (*ours, *theirs):
        (described.folder / name).touch()
    with project.locked(described, events.ignore):
        pass
    assert not [name for name in ours if (described.folder / name).exists()]
    assert all((described.folder / name).exists() for name in theirs)


def test_folders_of_others_stay(described: project.Project) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes folders of others")
    folder = Path(tempfile.gettempdir(), "rootstream-run-abcdefgh")
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with project.locked(described, events.ignore):
        assert folder.is_dir()


def test_a_link_in_the_folder_for_temporary_files_is_not_followed(
    described: project.Project, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").touch()
    Path(tempfile.gettempdir(), "rootstream-run-abcdefgh").symlink_to(tmp_path / "home")
    with project.locked(described, events.ignore):
        pass
    assert (tmp_path / "home" / "thesis.txt").exists()


def test_a_folder_that_is_too_deep_for_python_goes_too(tmp_path: Path) -> None:
    here = Path.cwd()
    with temporary.folder("x-", tmp_path) as folder:
        os.chdir(folder)
        for _ in range(1500):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
        os.chdir(here)
    assert list(tmp_path.iterdir()) == []
