"""What tests of the whole product share: the command as a user runs it, and `examples/hello`, built once."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

import rootstream as package

ROOT = Path(__file__).parents[1]
HELLO = ROOT / "examples" / "hello"
DERIVED = shutil.ignore_patterns("out", ".rootstream", ".bst")
LONG = 3600.0  # seconds; a cold build compiles a kernel

# A shell that starts us in the background has us ignore interrupts; tests send them to programs that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave modules and tests, which stay until the end, out of what the garbage collector looks through."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


Command = Callable[..., subprocess.CompletedProcess[str]]


def rootstream(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "rootstream", *words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the boot servers of tests a state folder that is nobody's, and return it."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def run() -> Command:
    return rootstream


@pytest.fixture(scope="session")
def lock() -> Path:
    """Return the lock of examples/hello; it is made once and kept, so that a second run needs no network."""
    rootstream("update", "--missing", cwd=HELLO, check=True)
    return HELLO / "system.lock"


@pytest.fixture
def hello(tmp_path: Path, lock: Path) -> Path:
    """Return a copy of examples/hello with its lock, not built."""
    assert lock.exists()
    return Path(shutil.copytree(HELLO, tmp_path / "hello", ignore=DERIVED))


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Have the other processes that run tests wait, so that the second finds in the cache what the first made."""
    with (Path(tempfile.gettempdir()) / f"rootstream-tests-{os.geteuid()}-{name}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, lock: Path) -> Path:
    """Return a copy of examples/hello, built; tests leave it as it is."""
    assert lock.exists()
    folder = Path(shutil.copytree(HELLO, tmp_path_factory.mktemp("built") / "hello", ignore=DERIVED))
    with one_at_a_time("hello"):
        rootstream("build", "hello", cwd=folder, check=True)
    shutil.copytree(
        folder / ".rootstream" / "plan", folder.parent / "plan"
    )  # the next build there may have another
    return folder


def extracted(packed: tarfile.TarFile, folder: Path, members: list[tarfile.TarInfo] | None = None) -> None:
    """Unpack what a test made itself; Python before 3.11.4 knows no filters."""
    words = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
    packed.extractall(folder, members, **words)  # type: ignore[arg-type]  # noqa: S202


def python_for_all(folder: Path) -> Path:
    """Return a Python that any user can run, with our packages; skip where there is none."""
    plain = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    if plain is None:
        pytest.skip("no Python that an ordinary user can run")
    subprocess.run([plain, "-m", "venv", "--without-pip", folder], check=True)
    places = [place for place in sys.path if place.endswith("site-packages")]
    places.append(str(Path(package.__file__).parent.parent))
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "rootstream-tests.pth").write_text("\n".join(places) + "\n")
    return folder / "bin" / "python"
