"""How long a build will take: by the logs of earlier builds, and by what waits for what."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rootstream.engine import forecast
from rootstream.engine.elements import ElementState
from rootstream.progress.words import planned


def state(name: str, *needs: str, cached: bool = False) -> ElementState:
    return ElementState(
        name=name, kind="manual", key="a" * 64, state="cached" if cached else "waiting", build_depends=needs
    )


# a compiler, and two libraries that are built with it; the program needs one of them
ELEMENTS = (
    state("base.bst", cached=True),
    state("compiler.bst", "base.bst"),
    state("one.bst", "compiler.bst"),
    state("two.bst", "compiler.bst"),
    state("program.bst", "one.bst"),
)


ENDED = "[00:07:12] SUCCESS [8eff] package-linux.bst: Build\n"
FAILED = "[00:00:23] FAILURE [ccbf] package-busybox.bst: Command failed\n"


def log(
    logs: Path, name: str, seconds: float, begin: float, action: str = "build", text: str = f"{ENDED * 99}"
) -> None:
    folder = logs / "rootstream" / name
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(begin))
    path = folder / f"{'a' * 64}-{action}.{stamp}.log"
    path.write_text(text)
    os.utime(path, (begin + seconds, begin + seconds))


def logged(logs: Path) -> Path:
    for name, seconds in {"compiler": 100, "one": 10, "two": 60, "program": 30}.items():
        log(logs, name, 9 * seconds, 1_000_000_000)
        log(logs, name, seconds, 1_600_000_000)
        log(logs, name, 9 * seconds, 1_700_000_000, "fetch")
        log(logs, name, seconds / 9, 1_700_000_001, text=ENDED + FAILED)
        log(logs, name, seconds / 9, 1_700_000_002, text="[00:00:00] START   Build\n")  # interrupted
    return logs


def test_builders_work_beside_each_other(tmp_path: Path) -> None:
    two = forecast.planned(ELEMENTS, ["program.bst", "two.bst"], logged(tmp_path), 2)
    assert (two.to_build, two.seconds, two.unknown) == (4, 160, 0)
    assert two.chain == ("compiler.bst", "two.bst")
    one = forecast.planned(ELEMENTS, ["program.bst", "two.bst"], tmp_path, 1)
    assert one.seconds == 200
    told = planned(two)
    assert told.endswith(
        "4 to build; estimated 2m40s from earlier builds, most of it for compiler.bst, then two.bst"
    )


def test_only_what_is_built_counts(tmp_path: Path) -> None:
    found = forecast.planned(ELEMENTS, ["program.bst"], logged(tmp_path), 2, remote=("one.bst",))
    assert (found.to_pull, found.to_build, found.seconds) == (1, 1, 30)


def test_what_was_not_built_here_before_is_said(tmp_path: Path) -> None:
    (tmp_path / "rootstream").mkdir()
    (logged(tmp_path) / "rootstream" / "one").rename(tmp_path / "rootstream" / "another")
    found = forecast.planned(ELEMENTS, ["program.bst"], tmp_path, 2)
    assert (found.seconds, found.unknown) == (131, 1)
    assert "3 to build, 1 of them for the first time; estimated 2m11s" in planned(found)
    (tmp_path / "rootstream" / "compiler").rename(tmp_path / "rootstream" / "yet-another")
    found = forecast.planned(ELEMENTS, ["program.bst"], tmp_path, 2)
    assert (found.seconds, found.chain) == (0, ())
    assert planned(found).endswith("3 to build")


def test_names_in_the_folder_of_logs_are_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "rootstream" / "one"
    folder.mkdir(parents=True)
    for name in (
        "x-build.20261301-999999.log",
        f"{'a' * 64}-build.99999999-999999.log",
        f"{'a' * 64}-build.x.log",
    ):
        (folder / name).touch()
    assert forecast.took(tmp_path, "one.bst") is None
