"""dnsmasq as a child: started with a configuration of its own, watched, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream import events
from rootstream.errors import UserError, Where
from rootstream.host import process
from rootstream.netboot.dhcp.dnsmasq import DnsmasqFiles

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before it is started again
SETTLED = 10.0  # seconds after which it counts as running well
_STARTING = 1.0
_LINES = 20
_PROGRAM = "dnsmasq"
# Exit status of dnsmasq(8)
_STATUS = {1: "bad-configuration", 2: "port-in-use", 3: "cannot-write", 4: "out-of-memory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A folder that dnsmasq's own user can reach; it holds no secret."""

    folder: Path

    def files(self) -> DnsmasqFiles:
        """Return the files of dnsmasq in it."""
        return DnsmasqFiles(
            hosts=self.folder / "hosts",
            leases=self.folder / "leases",
            pid=self.folder / "dnsmasq.pid",
            tftp=self.folder / "tftp",
            user=user(),
        )

    @property
    def configuration(self) -> Path:
        """Return the path of the configuration."""
        return self.folder / "dnsmasq.conf"

    def clear(self) -> None:
        """Delete everything in it that is made anew; leases are not, machines have them still."""
        shutil.rmtree(self.folder / "tftp", ignore_errors=True)
        for path in (self.configuration, self.files().hosts, self.files().pid):
            path.unlink(missing_ok=True)
        leases = self.files().leases
        with contextlib.suppress(OSError):
            if leases.stat().st_size == 0:
                leases.unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def user() -> str:
    """Return the user that dnsmasq is to become: its own, where this process can make it that."""
    for name in ("dnsmasq", "nobody"):
        try:
            number = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        return name if os.geteuid() == 0 and _mapped(number) else "root"
    return "root"


def _mapped(number: int) -> bool:
    """Say whether a user is there in this user namespace."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        begin, _, count = (int(word) for word in line.split())
        if begin <= number < begin + count:
            return True
    return False


class Daemon:
    """dnsmasq for as long as it is wanted; `heard` gets each line of its log, in the event loop's thread."""

    def __init__(
        self,
        runtime: Runtime,
        heard: Callable[[str], None],
        report: events.Reporter,
        *,
        env: Mapping[str, str],
    ) -> None:
        self._runtime = runtime
        self._heard = heard
        self._report = report
        self._env = env
        self._child: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._last: list[str] = []
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Return the number of the process that holds dnsmasq, while there is one."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    async def start(self, configuration: str, hosts: str) -> None:
        """Start dnsmasq. Raises `UserError` program-missing, port-in-use, no-permission, dnsmasq-failed."""
        path = os.pathsep.join((self._env.get("PATH", os.defpath), "/usr/sbin"))
        if shutil.which(_PROGRAM, path=path) is None:
            raise UserError(
                "program-missing",
                f"{_PROGRAM} is not installed or not on PATH",
                hint="Install it (Debian: `apt install dnsmasq-base`).",
            )
        self._env = {**self._env, "PATH": path}
        self._runtime.configuration.write_text(configuration)
        self.hosts(hosts)
        self._end_leftover()
        ended = self._spawn()
        done, _ = await asyncio.wait((ended,), timeout=_STARTING)
        if done:
            status = ended.result()
            raise self._fault(status)
        self._task = asyncio.create_task(self._watch(ended))

    def hosts(self, text: str) -> None:
        """Change who gets which address; a running dnsmasq reads it at once."""
        path = self._runtime.files().hosts
        new = path.with_name("hosts.new")
        new.write_text(text)
        new.replace(path)
        pid = self._process()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._child is not None:
            child, self._child = self._child, None
            await asyncio.to_thread(process.end, child)
        self._runtime.files().pid.unlink(missing_ok=True)

    def _spawn(self) -> asyncio.Future[int]:
        """Start the process, and threads that read its log; the future has its exit status."""
        argv = (
            _PROGRAM,
            # in a user namespace of one user it cannot change its groups, which only this leaves out
            "--no-daemon" if os.geteuid() == 0 and user() == "root" else "--keep-in-foreground",
            "--log-facility=-",
            f"--conf-file={self._runtime.configuration}",
        )
        self._last = []
        self._child = child = process.start(
            process.die_with_parent(argv, below=True), env=self._env, stderr=subprocess.PIPE
        )
        self.starts += 1
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        threading.Thread(target=self._read, args=(child, loop, ended), name="log of dnsmasq", daemon=True).start()
        return ended

    def _read(
        self, child: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: asyncio.Future[int]
    ) -> None:
        stream = child.stderr
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            while stream is not None and (line := stream.readline(8192)):
                loop.call_soon_threadsafe(self._take, line.decode(errors="replace").rstrip("\n"))
            status = child.wait()
            loop.call_soon_threadsafe(lambda: None if ended.done() else ended.set_result(status))

    def _take(self, line: str) -> None:
        self._last = [*self._last[-_LINES:], line]
        try:
            self._heard(line)
        except UserError as error:
            self._report(events.Notice(level="warning", text=str(error)))

    async def _watch(self, ended: asyncio.Future[int]) -> None:
        """Start it again whenever it ends."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            begun = loop.time()
            status = await ended
            if loop.time() - begun > SETTLED:
                pause = FIRST_PAUSE
            said = f": {self._last[-1]}" if self._last and status > 0 else ""
            text = f"dnsmasq ended ({process.ending(status)}){said}; restarting it in {pause:g} s"
            self._report(events.Notice(level="warning", text=text))
            while True:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                try:
                    self._end_leftover()  # of a parent that was killed alone
                    ended = self._spawn()
                    break
                except (UserError, OSError) as error:
                    text = f"dnsmasq cannot be started: {error}; trying again in {pause:g} s"
                    self._report(events.Notice(level="warning", text=text))

    def _fault(self, status: int) -> UserError:
        reason = _STATUS.get(status, "dnsmasq-failed")
        text = "\n".join(self._last)
        if "ermission denied" in text or "peration not permitted" in text:
            reason = "no-permission"
        hints = {
            "port-in-use": "Another DHCP or TFTP server runs on this host; "
            "`ss -lunp 'sport = :67 or sport = :69'` shows it. With one on another host, use `--proxy`.",
            "no-permission": "DHCP and TFTP use ports below 1024: run this as root.",
        }
        return UserError(
            reason, f"dnsmasq did not start: {process.ending(status)}", detail=text or None, hint=hints.get(reason)
        )

    def _process(self) -> int | None:
        """Return the number of dnsmasq's own process, if it is one of this runtime folder."""
        mark = f"--conf-file={self._runtime.configuration}".encode()
        for pid in self._candidates():
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    return pid
        return None

    def _candidates(self) -> list[int]:
        """Return what its note says, and what is below the process that holds it: not always is there a note."""
        words: list[str] = []
        with contextlib.suppress(OSError):
            words += self._runtime.files().pid.read_text().split()
        if self._child is not None:
            with contextlib.suppress(OSError):
                pid = self._child.pid
                words += Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(word) for word in words if word.isdecimal()]

    def _end_leftover(self) -> None:
        """End the dnsmasq of a server that was killed."""
        pid = self._process()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def prepare(folder: Path, programs: Mapping[str, Path]) -> Runtime:
    """Make the runtime folder, with iPXE's programs for TFTP in it.

    Raises `UserError` not-ours for a folder of somebody else (it may be in /tmp, and dnsmasq's configuration can
    have commands run), and cannot-write.
    """
    tftp = folder / "tftp"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise UserError(
                "not-ours", "is not a folder of this user", where=Where(path=folder), hint="Delete it."
            )
        _fill(folder, tftp, programs)
    except OSError as error:
        raise UserError(
            "cannot-write", f"cannot be written: {error.strerror}", where=Where(path=folder)
        ) from error
    return Runtime(folder=folder)


def _fill(folder: Path, tftp: Path, programs: Mapping[str, Path]) -> None:
    tftp.mkdir(exist_ok=True)
    for path in (folder, tftp):
        path.chmod(0o755)
    for name, source in programs.items():
        new = tftp / f".{name}.new"
        shutil.copyfile(source, new)
        new.chmod(0o644)
        new.replace(tftp / name)
