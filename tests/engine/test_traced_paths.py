"""Every path that a command opens in its project, from a trace of it: each step is replaced, none is followed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import LONG
from tests.readonly import snapshot

from rootstream.__main__ import main
from rootstream.errors import UserError
from rootstream.project import project

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

DESCRIBED = "systems:\n  small: {root: busybox, images: [tar]}\n"
# Those that look at a description; what serves and boots machines works on the same results.
VERBS = (
    ("update", "--missing"),
    ("fetch",),
    ("build", "-n"),
    ("build",),
    ("show",),
    ("log", "small"),
    ("builds",),
    ("clean", "--yes", "--out"),
)
ELEMENT = "kind: import\nsources: [{kind: local, path: files}]\n"
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_RANDOM = re.compile(r"[.-][a-z0-9_]{8}(/|$)|/\.new-")  # names that nobody can know before


def _project(folder: Path) -> Path:
    (folder / "elements").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "project.conf").write_text("name: traced\nmin-version: 2.2\nelement-path: elements\n")
    (folder / "elements" / "image.bst").write_text(ELEMENT)
    (folder / "files" / "disk.img").write_text("disk")
    return folder


def _trace(folder: Path, *words: str) -> set[str]:
    """Return the paths below a project, without its own files, that a command names to the kernel."""
    log = folder.with_name("trace")
    argv = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        "trace=%file",
        "-o",
        str(log),
        sys.executable,
        "-m",
        "rootstream",
        *words,
    ]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=LONG, check=False)
    if "PTRACE" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("nothing can be traced here")
    assert done.returncode == 0, done.stderr
    found = set()
    for line in log.read_text(errors="replace").splitlines():
        for text in _PATH.findall(line):
            path = Path(os.path.normpath(folder / text))
            if path.is_relative_to(folder) and path != folder and not _RANDOM.search(f"/{path}"):
                found.add(str(path.relative_to(folder)))
    mine = ("project.conf", "elements", "files", "system.yaml")
    return {path for path in found if path.split("/")[0] not in mine}


def _steps(paths: set[str], *, plain: bool) -> list[str]:
    """Return each path and each step to it, of what is written or believed.

    A trace has names relative to BuildStream's folder, too; that is the project only where it is a plain one.
    """
    ours = (".rootstream", "out", *((".bst", "project.refs", "junction.refs") if plain else ("system.lock",)))
    every = {path for each in paths for path in (each, *map(str, Path(each).parents))} - {"."}
    return sorted(each for each in every if each.split("/")[0] in ours)


def _replace(place: Path, kind: str, canary: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "foreign":
        place.write_text("{}")
        os.chown(place, 65534, 65534)
    else:
        place.symlink_to(canary if kind == "folder" else canary / "thesis.txt")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a plain project that is built, and the steps of all that its commands name to the kernel."""
    folder = _project(tmp_path_factory.mktemp("traced-plain") / "project")
    return folder, _steps(_trace(folder, "build", "image.bst") | _trace(folder, "show", "image.bst"), plain=True)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the steps of all that the commands of a described project name to the kernel."""
    folder = tmp_path_factory.mktemp("traced") / "project"
    folder.mkdir()
    (folder / "system.yaml").write_text(DESCRIBED)
    found: set[str] = set()
    for words in VERBS:
        found |= _trace(folder, *words)
    return _steps(found, plain=False)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    return folder


KINDS = pytest.mark.parametrize(
    "kind",
    [
        *("folder", "file", "pipe"),
        pytest.param(
            "foreign", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
        ),
    ],
)


@KINDS
def test_no_step_of_what_a_build_opens_is_followed(
    plain: tuple[Path, list[str]], canary: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    built, steps = plain
    assert {"out", "out/image", ".rootstream/lock", ".rootstream/state/image.json", ".bst"} <= set(steps)
    before = snapshot(canary)
    folder = tmp_path / "project"
    for step in steps:
        shutil.copytree(built, folder, symlinks=True, copy_function=shutil.copy2)
        (folder / "files" / "disk.img").write_text(f"disk {step}")  # something is to be done
        _replace(folder / step, kind, canary)
        assert main(["build", "image.bst", "-C", str(folder)]) == 2
        assert str(folder / step) in capsys.readouterr().err, step
        assert snapshot(canary) == before, step
        shutil.rmtree(folder)


@KINDS
def test_no_step_of_a_described_project_is_followed(
    described: list[str], canary: Path, tmp_path: Path, kind: str
) -> None:
    wanted = {".rootstream/plan/project.conf", ".rootstream/state/small.json", "out/small", "system.lock"}
    assert wanted <= {*described}
    before = snapshot(canary)
    folder = tmp_path / "project"
    for step in described:
        folder.mkdir()
        (folder / "system.yaml").write_text(DESCRIBED)
        _replace(folder / step, kind, canary)
        with pytest.raises(UserError) as caught:
            project.find(folder)
        assert caught.value.where is not None, step
        assert caught.value.where.path == folder / step
        assert snapshot(canary) == before, step
        shutil.rmtree(folder)
