"""Systems built again from their sources: what is the same, who is to blame for what is not, and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_project import left_by, make_project
from tests.conftest import Command
from tests.hostbase import make_base

from rootstream.verbs.second_clock import second_clock

pytestmark = pytest.mark.engine

# The date is written into a file, that into a tar, and the tar is what the image is made of.
MORE = {
    "dated": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands:
  - |
    mkdir -p %{install-root}/etc tree/etc
    date +%s.%N > tree/etc/built
    echo same > tree/etc/other
    tar --mtime=@0 --sort=name -cf %{install-root}/root.tar -C tree .
""",
    "yearly": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands: ["mkdir -p %{install-root}", "date +%Y > %{install-root}/year"]
""",
    "image": """\
kind: manual
build-depends: [base.bst, one.bst, dated.bst]
config:
  install-commands: ["mkdir -p %{install-root}", "cp /root.tar %{install-root}/image.tar"]
""",
    "unused": """\
kind: manual
build-depends: [base.bst, dated.bst]
config:
  install-commands: ["mkdir -p %{install-root}", "echo same > %{install-root}/image.txt"]
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = make_project(tmp_path / "project")
    for name, text in MORE.items():
        (folder / "elements" / f"{name}.bst").write_text(text)
    return folder


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user with a cache and a folder for temporary files of their own."""
    (tmp_path / "temporary").mkdir()
    return {"ROOTSTREAM_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "temporary")}


def left_in(places: dict[str, str]) -> list[str]:
    return [path.name for path in Path(places["TMPDIR"]).iterdir()] + left_by(Path(places["ROOTSTREAM_CACHE"]))


def test_what_is_the_same(project: Path, places: dict[str, str], run: Command, tmp_path: Path) -> None:
    done = run("prove", "two.bst", "--json", "--keep", str(tmp_path / "kept"), cwd=project, env=places, check=True)
    told = json.loads(done.stdout)
    assert told["reproducible"]
    assert [each["name"] for each in told["images"] if each["same"]] == ["sbom.cdx.json", "two"]
    assert told["elements"] == [] == told["elements_not_compared"]
    assert told["elements_compared"] == 3
    assert {"folder", "umask", "time zone", "locale", "jobs"} <= told["varied"].keys()
    assert {*told["varied"], *told["not_varied"]} >= {"user", "network"}
    assert (tmp_path / "kept" / "two").read_text() == "one\n"
    assert left_in(places) == []


def test_sources_are_not_downloaded_again(project: Path, places: dict[str, str], run: Command) -> None:
    done = run("prove", "parcel.bst", cwd=project, env=places, check=True)
    assert "2 files are the same bytes" in done.stdout
    tries = Path(places["ROOTSTREAM_CACHE"]) / "sources" / "parcel" / "parcel-1.tries"
    assert tries.read_text() == "xx"


def test_an_element_that_writes_the_date_is_named(project: Path, places: dict[str, str], run: Command) -> None:
    done = run("prove", "image.bst", "--json", cwd=project, env=places)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert [each["name"] for each in told["images"] if not each["same"]] == ["image.tar", "sbom.cdx.json"]
    first, second = told["elements"]
    assert (first["element"], first["because"]) == ("dated.bst", [])
    assert first["files"] == [{"path": "/root.tar", "inner": "./etc/built", "change": "content"}]
    assert (second["element"], second["because"]) == ("image.bst", ["dated.bst"])
    text = run("prove", "image.bst", cwd=project, env=places)
    assert text.returncode == 1
    assert "because    dated.bst differs:\n             /root.tar: ./etc/built  content\n" in text.stdout
    assert left_in(places) == []


def test_what_records_the_year_only_is_found(project: Path, places: dict[str, str], run: Command) -> None:
    done = run("prove", "yearly.bst", "--json", "--keep", "kept", cwd=project, env=places)
    told = json.loads(done.stdout)
    assert told["varied"]["clock"] == "400 days ahead in 1 of 1 sandboxes, for programs that ask their C library"
    assert [each["name"] for each in told["images"] if not each["same"]] == ["sbom.cdx.json", "year"]
    first, second = (int((project / folder / "year").read_text()) for folder in ("out/yearly", "kept"))
    assert 1 <= second - first <= 2
    assert done.returncode == 1


def test_without_a_compiler_the_clock_is_the_hosts(
    project: Path, places: dict[str, str], run: Command, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for each in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if each.name not in ("cc", "bwrap") and not (programs / each.name).is_symlink():
                (programs / each.name).symlink_to(each)
    (programs / "bwrap").symlink_to("/usr/bin/bwrap")
    done = run("prove", "yearly.bst", cwd=project, env={**places, "PATH": str(programs)}, check=True)
    assert "not varied clock: there is no C compiler (`cc`) on this host, which it takes\n" in done.stdout
    assert "varied     clock" not in done.stdout


def test_sandboxes_that_preload_libraries_have_the_true_clock(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    clock = second_clock(tmp_path / "programs", (), (), os.environ)
    clock.begin()
    assert clock.said() == ({}, {"clock": "no sandbox of this build could be shown another one"})

    def year(*more: str, command: tuple[str, ...] = ("date", "+%Y")) -> int:
        words = ("--unshare-user", "--bind", str(tmp_path / "base"), "/", *more, "--dev", "/dev", *command)
        done = subprocess.run([clock.programs / "bwrap", *words], capture_output=True, text=True, check=True)
        return int(done.stdout)

    now = time.localtime().tm_year
    assert year() > now
    assert year(command=("sh", "-c", "LD_PRELOAD= date +%Y")) == now
    assert year("--setenv", "LD_PRELOAD", "") == now
    (tmp_path / "base" / ".rootstream").mkdir()
    assert year() == now
    text = "400 days ahead in 1 of 4 sandboxes, for programs that ask their C library"
    assert clock.said() == (
        {"clock": text},
        {"clock of the others": "they load libraries of their own into programs"},
    )


def test_a_difference_that_no_image_has(project: Path, places: dict[str, str], run: Command) -> None:
    done = run("prove", "unused.bst", cwd=project, env=places, check=True)
    assert "no image   dated.bst differs:\n" in done.stdout


def test_nothing_is_left_of_what_was_interrupted(project: Path, places: dict[str, str]) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "rootstream", "prove", "slow.bst"],
        cwd=project,
        env={**os.environ, **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    again = False
    for line in child.stderr:
        again = again or "again" in line
        if again and line.startswith("build slow.bst"):
            break
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "stopped" in said
    assert "Traceback" not in said
    assert left_in(places) == []


def test_what_is_no_file_is_not_copied(project: Path, places: dict[str, str], run: Command) -> None:
    os.mkfifo(project / "pipe")
    run("prove", "two.bst", cwd=project, env=places, check=True)


def test_a_folder_to_keep_that_is_there(project: Path, places: dict[str, str], run: Command) -> None:
    done = run("prove", "one.bst", "--keep", str(project), cwd=project, env=places)
    assert done.returncode == 2
    assert "already exists" in done.stderr
