"""QEMU's monitor (QMP) for synchronous callers: the qemu.qmp library in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from qemu.qmp import EventListener, Message, QMPClient, QMPError

from rootstream.boot.qemu import Forward
from rootstream.errors import UserError

_TIMEOUT = 10.0
_CLOSE = 2.0

# A line of `info usernet` (libslirp: src/misc.c, slirp_connection_info): protocol and state, file descriptor,
# source address and port, destination address and port
_LINE = re.compile(
    r"^\s*TCP\[(?P<state>\w+)\]\s+-?\d+\s+\S+\s+(?P<host>\d+)\s+\S+\s+(?P<guest>\d+)\s", re.MULTILINE
)


class Monitor:
    """A monitor on a connected socket, which it closes at the end."""

    def __init__(self, line: socket.socket) -> None:
        self.shutdown_reason: str | None = None
        self._line = line
        self._client = QMPClient()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="monitor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with contextlib.suppress(QMPError, OSError, EOFError, TimeoutError, asyncio.CancelledError):
                self._do(self._client.disconnect(), timeout=_CLOSE)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._line.close()

    def connect(self, *, timeout: float) -> None:
        """Greet QEMU. Raises `UserError` monitor-failed if it doesn't answer in time, or is gone."""
        self._client.register_listener(EventListener("SHUTDOWN", self._note))
        try:
            self._do(self._client.connect(self._line), timeout=timeout)
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            raise UserError("monitor-failed", f"QEMU's monitor does not respond: {error}") from error

    def execute(self, command: str, **arguments: object) -> object:
        """Run a command of the monitor and return its result. Raises `UserError` monitor-failed."""
        try:
            return self._do(self._client.execute(command, arguments or None), timeout=_TIMEOUT)
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            raise UserError("monitor-failed", f"QEMU's monitor failed at {command}: {error}") from error

    def connections(self) -> tuple[tuple[str, Forward], ...]:
        """Return the TCP connections and listening ports of the user networks, with their states."""
        text = self.execute("human-monitor-command", **{"command-line": "info usernet"})
        return parse_usernet(str(text))

    def _note(self, message: Message) -> bool:
        """Remember why the machine ended; not kept as an event of the library."""
        data = message.get("data")
        self.shutdown_reason = str(data.get("reason")) if isinstance(data, dict) else None
        return False

    def _do(self, work: Coroutine[Any, Any, object], *, timeout: float) -> object:
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self._loop)
        return future.result(timeout + 1)


def parse_usernet(text: str) -> tuple[tuple[str, Forward], ...]:
    """Return what `info usernet` shows about TCP: HOST_FORWARD is a listening port."""
    return tuple(
        (match["state"], Forward(host=int(match["host"]), guest=int(match["guest"])))
        for match in _LINE.finditer(text)
    )
