"""A relay between BuildStream and the server that has its workers: it sees which actions wait.

BuildStream waits for an action without a word, also where the server has no worker that takes it. The server tells
each action's stage (ExecuteOperationMetadata of the Remote Execution API) while it passes through here. The
relay is a socket in a folder that only this user can enter, since it has the user's token for the server.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rootstream.engine.remote_api import Api
from rootstream.engine.remotes import Remote
from rootstream.events import Notice
from rootstream.formats import protobuf
from rootstream.formats.units import duration

_EXECUTION = "/build.bazel.remote.execution.v2.Execution/"
_STREAMS = (f"{_EXECUTION}Execute", f"{_EXECUTION}WaitExecution")
_CALLS = ("/google.longrunning.Operations/", "/build.bazel.remote.execution.v2.Capabilities/")
_NAME, _METADATA, _DONE = 1, 2, 3  # of Operation
_VALUE, _STAGE = 2, 1  # of Any, of ExecuteOperationMetadata
_QUEUED = 2
LONGEST = 7 * 24 * 3600.0  # seconds that an action may take
THREADS = 2048
WAITS = 30.0  # seconds until that is told
MINUTE = 60.0  # seconds until it is told again
# What BuildStream asks of a worker is what this host is, in its words.
ISA = {"x86_64": "x86-64"}.get(platform.machine(), platform.machine())


class ExecutionRelay:
    """A relay to the server of some workers, whose socket is in a folder; a context manager."""

    def __init__(self, remote: Remote, folder: Path) -> None:
        self._api = Api(remote)
        self._url = f"unix:{folder / 'workers'}"
        self._lock = threading.Lock()
        self._queued: dict[str, float] = {}
        self._server: Any = None
        self._told = -MINUTE
        self.remote = remote

    def __enter__(self) -> Remote:
        """Start, and return the server that BuildStream is to be told of."""
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        import grpc  # noqa: PLC0415  (a tenth of a second, only for who has workers)

        self._server = grpc.server(ThreadPoolExecutor(THREADS))  # each action that is waited for takes a thread
        self._server.add_generic_rpc_handlers((_handler(grpc, self),))
        self._server.add_insecure_port(self._url)
        self._server.start()
        return Remote(url=self._url)

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._api.__exit__()

    def due(self, now: float) -> list[Notice]:
        """Return a message now and then while actions wait for a worker."""
        with self._lock:
            longest = now - min(self._queued.values(), default=now)
            count = len(self._queued)
        if longest < WAITS or now - self._told < MINUTE:
            return []
        self._told = now
        actions = f" ({count} elements wait)" if count > 1 else ""
        text = f"waiting for a worker with OSFamily=linux ISA={ISA} for {duration(longest)} at {self.remote.name}"
        return [Notice(level="info", text=text + actions)]

    def follow(self, operation: bytes) -> str:
        """Take note of the stage of an action, and return its name."""
        try:
            name = protobuf.first(operation, _NAME).decode("utf-8", "replace")
            stage = protobuf.first_number(protobuf.first(operation, _METADATA, _VALUE), _STAGE)
            queued = stage == _QUEUED and not protobuf.first_number(operation, _DONE)
        except ValueError:
            return ""
        with self._lock:
            if queued:
                self._queued.setdefault(name, time.monotonic())
            else:
                self._queued.pop(name, None)
        return name

    def forget(self, names: set[str]) -> None:
        """Take note that nobody waits for some actions any more."""
        with self._lock:
            for each in names:
                self._queued.pop(each, None)

    def stream(self, method: str, request: bytes, context: Any) -> Iterator[bytes]:  # noqa: ANN401
        """Pass a call on whose answer is a stream of operations."""
        names: set[str] = set()
        answers = self._api.stream(method, request, LONGEST)
        context.add_callback(answers.cancel)
        try:
            for operation in answers:
                names.add(self.follow(operation))
                yield operation
        finally:
            self.forget(names)

    def call(self, method: str, request: bytes) -> bytes:
        """Pass another call on."""
        answer: bytes = self._api.start(method, request, LONGEST).result()
        return answer


def _handler(grpc: Any, relay: ExecutionRelay) -> Any:  # noqa: ANN401  (grpc has no types)
    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:  # noqa: ANN401
            method = details.method

            def stream(request: bytes, context: Any) -> Iterator[bytes]:  # noqa: ANN401
                try:
                    yield from relay.stream(method, request, context)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())

            def call(request: bytes, context: Any) -> bytes:  # noqa: ANN401
                try:
                    return relay.call(method, request)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())
                    return b""

            if method in _STREAMS:
                return grpc.unary_stream_rpc_method_handler(stream)
            return grpc.unary_unary_rpc_method_handler(call) if method.startswith(_CALLS) else None

    return Handler()
