"""Every path that a command opens in its project, from a trace of it: each step is replaced, none is followed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import LONG, Command
from tests.readonly import snapshot

from rootstream import project
from rootstream.errors import UserError

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


def _steps(paths: set[str]) -> list[str]:
    """Return each path and each step to it, of what is written or believed."""
    ours = (".rootstream", "out", ".bst", "system.lock", "project.refs", "junction.refs")
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


@pytest.mark.parametrize("kind", ["folder", "file", "pipe", "foreign"])
def test_no_step_of_what_a_build_opens_is_followed(tmp_path: Path, run: Command, kind: str) -> None:
    if kind == "foreign" and os.geteuid() != 0:
        pytest.skip("only root makes files of others")
    folder = _project(tmp_path / "project")
    steps = _steps(_trace(folder, "build", "image.bst") | _trace(folder, "show", "image.bst"))
    assert {"out", "out/image", ".rootstream/lock", ".rootstream/state/image.json", ".bst"} <= set(steps)
    canary = tmp_path / "home"
    canary.mkdir()
    (canary / "thesis.txt").write_text("precious")
    before = snapshot(canary)
    built = shutil.copytree(folder, tmp_path / "built", symlinks=True, copy_function=shutil.copy2)
    for step in steps:
        shutil.rmtree(folder)
        shutil.copytree(built, folder, symlinks=True, copy_function=shutil.copy2)
        (folder / "files" / "disk.img").write_text(f"disk {step}")  # something is to be done
        _replace(folder / step, kind, canary)
        done = run("build", "image.bst", cwd=folder)
        assert snapshot(canary) == before, step
        assert done.returncode == 2, (step, done.stderr)
        assert str(folder / step) in done.stderr, (step, done.stderr)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the steps of all that the commands of a described project name to the kernel."""
    folder = tmp_path_factory.mktemp("traced") / "project"
    folder.mkdir()
    (folder / "system.yaml").write_text(DESCRIBED)
    found: set[str] = set()
    for words in VERBS:
        found |= _trace(folder, *words)
    steps = _steps(found)
    # what else is there is looked for, not written
    assert {each.split("/")[0] for each in found - set(steps)} <= {".git", ".gitignore", "project.conf", "overlay"}
    return steps


@pytest.mark.parametrize("kind", ["folder", "file", "pipe", "foreign"])
def test_no_step_of_a_described_project_is_followed(traced: list[str], tmp_path: Path, kind: str) -> None:
    if kind == "foreign" and os.geteuid() != 0:
        pytest.skip("only root makes files of others")
    assert {".rootstream/plan/project.conf", ".rootstream/state/small.json", "out/small", "system.lock"} <= {
        *traced
    }
    canary = tmp_path / "home"
    canary.mkdir()
    (canary / "thesis.txt").write_text("precious")
    before = snapshot(canary)
    for step in traced:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "system.yaml").write_text(DESCRIBED)
        _replace(folder / step, kind, canary)
        with pytest.raises(UserError) as caught:
            project.find(folder)
        assert caught.value.where is not None, step
        assert caught.value.where.path == folder / step
        assert snapshot(canary) == before, step
        shutil.rmtree(folder)
