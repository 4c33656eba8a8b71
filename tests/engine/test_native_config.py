"""`rootstream config` on a system that the engine builds, with BusyBox's own Kconfig in its sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect
import pytest
from tests.conftest import Command

pytestmark = pytest.mark.engine

YAML = """\
systems:
  box:
    root: {busybox: {fragments: [busybox.config]}}
    images: [tar]
"""
MINE = "# mine\nCONFIG_HUSH=y\n\n# the end\n"


@pytest.fixture
def box(hello: Path) -> Path:
    (hello / "system.yaml").write_text(YAML)
    (hello / "busybox.config").write_text(MINE)
    return hello


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_looking_writes_nothing(box: Path, run: Command) -> None:
    before = files(box)
    assert run("config", "get", "HUSH", "CONFIG_NO_SUCH", cwd=box, check=True).stdout.split() == [
        "CONFIG_HUSH=y",
        "CONFIG_NO_SUCH=n",
    ]
    assert "all symbols have the requested values" in run("config", "check", cwd=box, check=True).stdout
    assert "HUSH" in run("config", "explain", "CONFIG_HUSH", cwd=box, check=True).stdout
    assert files(box) == before


def test_what_is_set_is_saved_in_its_line_and_shown(box: Path, run: Command) -> None:
    done = run("config", "set", "CONFIG_HUSH=n", "FEATURE_VI_UNDO=n", cwd=box, check=True)
    text = (box / "busybox.config").read_text()
    assert text == "# mine\n# CONFIG_HUSH is not set\n\n# the end\n# CONFIG_FEATURE_VI_UNDO is not set\n"
    assert "-CONFIG_HUSH=y" in done.stdout
    run("config", "unset", "HUSH", "FEATURE_VI_UNDO", cwd=box, check=True)
    assert (box / "busybox.config").read_text() == "# mine\n\n# the end\n"


def test_a_busybox_that_wants_a_c_library_is_refused_before_it_is_compiled(box: Path, run: Command) -> None:
    before = files(box)
    done = run("config", "set", "CONFIG_STATIC=n", cwd=box)
    assert done.returncode == 2
    assert "busybox.config:5: without CONFIG_STATIC=y, BusyBox needs a C library" in done.stderr
    after = files(box)
    assert {name: after[name] for name in before} == before
    (box / "busybox.config").write_text(MINE + "# CONFIG_STATIC is not set\n")
    done = run("config", "check", cwd=box)
    assert done.returncode == 2
    assert "busybox.config:5: without CONFIG_STATIC=y, BusyBox needs a C library" in done.stdout


def test_what_does_not_come_out_is_refused(box: Path, run: Command) -> None:
    before = files(box)
    done = run("config", "set", "CONFIG_FEATURE_HUSH_NO_SUCH=y", cwd=box)
    assert done.returncode == 2
    assert "busybox.config:5: CONFIG_FEATURE_HUSH_NO_SUCH=y" in done.stderr
    after = files(box)
    assert {name: data for name, data in after.items() if not name.startswith(".rootstream/")} == before
    done = run("config", "linux", cwd=box)
    assert (done.returncode, "kernel" in done.stderr or "linux" in done.stderr) == (2, True)


def menu(box: Path, *keys: str) -> str:
    """Open the menu, press keys, leave it and save; return what was printed at the end."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "rootstream", "config", "busybox"],
        cwd=str(box),
        dimensions=(40, 120),
        timeout=900,
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        codec_errors="replace",
    )
    child.expect("Arrow keys")
    for key in (*keys, "\x1b\x1b"):
        child.expect(".")
        while child.expect([".+", pexpect.TIMEOUT], timeout=4) == 0:
            pass
        child.send(key)
    if child.expect([pexpect.EOF, "Do you wish"]) == 1:
        while child.expect([".+", pexpect.TIMEOUT], timeout=4) == 0:
            pass
        child.send("\r")
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    return child.before or ""


def test_what_is_changed_in_the_menu_is_saved_in_its_shortest_form(box: Path) -> None:
    # Settings, its first line; much else follows from it
    shown = menu(box, "\r", "n", "\x1b\x1b")
    text = (box / "busybox.config").read_text()
    assert text.startswith(MINE + "# CONFIG_DESKTOP is not set\n")
    # what depends on it is off by itself; how processes are listed without it is a choice of the menu's own
    added = text.removeprefix(MINE).splitlines()
    assert set(added[1:]) <= {"CONFIG_FEATURE_PS_WIDE=y", "CONFIG_FEATURE_PS_LONG=y"}
    assert "+# CONFIG_DESKTOP is not set" in shown
    assert "libncurses-dev" in (box / "system.lock").read_text()
