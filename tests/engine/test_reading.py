"""Commands that only read, in a project that cannot be written, without a network: they change nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.conftest import DERIVED, HELLO, Command
from tests.readonly import look

pytestmark = pytest.mark.engine

# Without a kernel: musl and BusyBox come from the cache once anything with them was built.
SYSTEM = """
systems:
  small:
    root: busybox
    layers: [{overlay: overlay}, {hostname: small}]
    images: [tar]
"""
READING = (
    ("build", "-n"),
    ("show",),
    ("show", "--json"),
    ("sbom", "small"),
    ("why", "small", "/bin/ls"),
    ("licenses", "small"),
    ("log", "busybox"),
    ("log", "small:busybox", "--path"),
    ("schema",),
    ("doctor",),
    ("completion", "bash"),
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, lock: Path, run: Command) -> Path:
    """Return a project that is built."""
    folder = Path(shutil.copytree(HELLO, tmp_path_factory.mktemp("small") / "project", ignore=DERIVED))
    assert lock.exists()
    (folder / "system.yaml").write_text(SYSTEM)
    run("build", cwd=folder, check=True)
    return folder


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """Return a copy of the project that may be changed, with what is built."""
    return Path(shutil.copytree(small, tmp_path / "project", symlinks=True, copy_function=shutil.copy2))


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_reading_changes_nothing(small: Path, words: tuple[str, ...]) -> None:
    done = look(small, *words, status=None if words == ("doctor",) else 0)
    assert done.stdout or "nothing to do" in done.stderr


def test_what_is_up_to_date_is_not_built(small: Path) -> None:
    assert "small: nothing to do" in look(small, "build", "-n").stderr


@pytest.mark.parametrize("words", [("build", "-n"), ("show",), ("log", "busybox")], ids=" ".join)
def test_without_a_lock_nothing_is_pinned(small: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = Path(shutil.copytree(small, tmp_path / "bare", ignore=DERIVED))
    (folder / "system.lock").unlink()
    done = look(folder, *words, status=2)
    assert "`rootstream update`" in done.stderr
    assert not (folder / ".rootstream").exists()


def test_a_dry_run_names_what_changed(copy: Path, run: Command) -> None:
    shutil.rmtree(copy / "out")
    shutil.rmtree(copy / ".rootstream")
    assert "small: would be built: new" in look(copy, "build", "-n").stderr
    run("build", cwd=copy, check=True)
    (copy / "overlay" / "etc" / "more").write_text("more\n")
    (copy / "system.yaml").write_text(SYSTEM.replace("hostname: small", "hostname: other"))
    told = look(copy, "build", "-n").stderr
    assert "file overlay/etc/more is new" in told
    assert "option layers.hostname changed" in told
    assert "system-small.bst" in told
    assert "busybox" not in told
    (copy / "overlay" / "etc" / "more").unlink()
    (copy / "system.yaml").write_text(SYSTEM)
    (copy / "out" / "small" / "rootfs.tar").write_text("mine\n")
    told = look(copy, "build", "-n").stderr
    assert "or changed since it was exported" in told
    assert "all of its" in told


def test_a_dry_run_tells_events(small: Path) -> None:
    lines = [json.loads(line) for line in look(small, "build", "-n", "--json").stdout.splitlines()]
    assert {line["type"] for line in lines[:-1]} == {"notice"}
    assert any("nothing to do" in line["text"] for line in lines[:-1])
    assert lines[-1]["type"] == "done"
