"""The library that notes what programs look for in vain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src/rootstream/sandbox/buildroot/missed.c"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("library") / "missed.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", place, SOURCE], check=True)
    return place


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("[ -f one ]", {"one"}),
        ("[ -x there ]", set()),
        ("cat sub/../two", {"two"}),
        ("cat ./sub//three", {"sub/three"}),
        ("cd sub; cat ../four", {"four"}),
        ("cat there/five", {"there/five"}),
        (f"{sys.executable} -S -c 'import os; os.path.exists(\"six\")'", {"six"}),
        (f'{sys.executable} -S -c \'import os; os.stat("seven", dir_fd=os.open("sub", 0))\'', {"sub/seven"}),
        ("make -sf Makefile", {"eight.mk"}),
        ("cat ../beside/nine /nowhere/ten", set()),
        ("echo new > eleven; cat eleven", set()),
        ("cat there", set()),
        ("cat ''", set()),
    ],
)
def test_what_is_looked_for_below_a_folder_is_noted(
    tmp_path: Path, library: Path, command: str, expected: set[str]
) -> None:
    folder = tmp_path / "below"
    (folder / "sub").mkdir(parents=True)
    (folder / "there").write_text("")
    (folder / "Makefile").write_text("-include eight.mk\nall:\n\t@:\n")
    env = os.environ | {
        "LD_PRELOAD": str(library),
        "ROOTSTREAM_BELOW": f"/elsewhere:{folder}",
        "ROOTSTREAM_MISSED": str(tmp_path / "missed"),
    }
    subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, check=False)
    said = (tmp_path / "missed").read_text().splitlines() if (tmp_path / "missed").is_file() else []
    assert {str(Path(each).relative_to(folder)) for each in said} == expected


def test_errno_and_modes_are_those_of_the_c_library(tmp_path: Path, library: Path) -> None:
    program = (
        "import os\n"
        "os.umask(0)\n"
        "os.close(os.open('made', os.O_CREAT | os.O_WRONLY, 0o640))\n"
        "print(oct(os.stat('made').st_mode & 0o777))\n"
        "try: open('gone')\n"
        "except FileNotFoundError as error: print(error.errno)\n"
    )
    env = os.environ | {
        "LD_PRELOAD": str(library),
        "ROOTSTREAM_BELOW": str(tmp_path),
        "ROOTSTREAM_MISSED": str(tmp_path / "missed"),
    }
    argv = [sys.executable, "-S", "-c", program]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "0o640\n2\n"
