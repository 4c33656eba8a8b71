"""A session of xconfig and of gconfig in an X server without a screen: changed by keys and saved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TITLE = "Buildroot .* Configuration"
NEEDED = {"Xvfb": "xvfb", "xdotool": "xdotool"}
# To the option `last` in the last menu but one (the last is Rootstream's; gconfig shows a comment first), to yes
KEYS = {
    "xconfig": ("End", "Up", "y"),
    "gconfig": ("End", "space", "Down", "space", "Down", "Down", "y"),
}
LIBRARIES = {"xconfig": ("Qt5Widgets",), "gconfig": ("gtk+-2.0", "gmodule-2.0", "libglade-2.0")}
LIST = ("100", "300")  # in the list of options, which has the keys when the pointer is there
CONFIG = """\
menuconfig BR2_PACKAGE_LAST
\tbool "last"

if BR2_PACKAGE_LAST
config BR2_PACKAGE_LAST_WORD
\tstring "word"
endif
"""
WAIT = 240.0

pytestmark = pytest.mark.buildroot


@pytest.fixture(params=KEYS)
def tool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (Debian: {package})")
    asked = ["pkg-config", "--exists", *LIBRARIES[found]]
    if shutil.which("pkg-config") is None or subprocess.run(asked, check=False).returncode:
        pytest.skip(f"the headers of {', '.join(LIBRARIES[found])} are not there")
    return found


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    read, write = os.pipe()
    argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x800x24", "-nolisten", "tcp"]
    with (
        (tmp_path / "xvfb.log").open("wb") as log,
        subprocess.Popen(argv, stdout=log, stderr=log, pass_fds=(write,)) as server,
    ):
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        yield f":{number}"
        server.terminate()


@pytest.fixture
def project(tree: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    external = folder / "external"
    external.mkdir(parents=True)
    (external / "external.desc").write_text("name: TESTS\n")
    (external / "Config.in").write_text(CONFIG)
    (external / "external.mk").touch()
    (folder / "box_defconfig").write_text("BR2_x86_64=y\n")
    root = f"tree: {{local: {tree}}}, defconfig: box_defconfig, external: [external]"
    (folder / "system.yaml").write_text(
        f"systems: {{box: {{root: {{buildroot: {{{root}}}}}, images: [files]}}}}\n"
    )
    return folder


def until(what: Callable[[], bool], going: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < limit
        assert going.poll() is None, going.communicate()[0]
        time.sleep(0.2)


def test_a_change_in_a_window_is_saved(tool: str, display: str, project: Path) -> None:
    env = {**os.environ, "DISPLAY": display}

    def hands(*words: str) -> bool:
        return subprocess.run(["xdotool", *words], env=env, capture_output=True, check=False).returncode == 0

    argv = [sys.executable, "-m", "rootstream", "config", "--tool", tool]
    with subprocess.Popen(
        argv,
        cwd=project,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as going:
        until(lambda: hands("search", "--onlyvisible", "--name", TITLE), going)
        time.sleep(2)  # a window is there before it takes keys, and says nothing when it does
        assert hands("mousemove", *LIST, "click", "1")
        assert hands("key", "--delay", "100", *KEYS[tool], "ctrl+s")
        time.sleep(1)
        assert hands("key", "ctrl+q")
        said = going.communicate(timeout=WAIT)[0]
    assert going.returncode == 0, said
    assert "+BR2_PACKAGE_LAST=y\n" in said
    assert (project / "box_defconfig").read_text() == "BR2_x86_64=y\nBR2_PACKAGE_LAST=y\n"


def test_no_display_is_said(project: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    argv = [sys.executable, "-m", "rootstream", "config", "--tool", "xconfig"]
    done = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: xconfig opens a window, and neither DISPLAY nor WAYLAND_DISPLAY is set\n" in done.stderr
