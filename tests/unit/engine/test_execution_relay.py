"""The relay to workers: what the server says of actions passes through, and which wait is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from rootstream.engine import execution_relay
from rootstream.engine.execution_relay import ExecutionRelay
from rootstream.engine.remotes import Remote
from rootstream.formats import protobuf

EXECUTE = "/build.bazel.remote.execution.v2.Execution/Execute"
CANCEL = "/google.longrunning.Operations/CancelOperation"
QUEUED, EXECUTING = 2, 3


def operation(stage: int, *, done: bool = False) -> bytes:
    metadata = protobuf.text(1, "type.googleapis.com/x") + protobuf.message(2, protobuf.number(1, stage))
    return protobuf.text(1, "op-1") + protobuf.message(2, metadata) + protobuf.number(3, int(done))


class Scheduler:
    """A server whose actions wait until a worker comes."""

    def __init__(self) -> None:
        self.worker = threading.Event()
        self.seen: list[tuple[bytes, str]] = []
        self.server = grpc.server(ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    def service(self, details: Any) -> Any:  # noqa: ANN401
        def execute(request: bytes, context: Any) -> Iterator[bytes]:  # noqa: ANN401
            self.seen.append((request, dict(context.invocation_metadata()).get("authorization", "")))
            yield operation(QUEUED)
            self.worker.wait(30)
            yield operation(EXECUTING)
            yield operation(4, done=True)

        def cancel(_: bytes, context: Any) -> bytes:  # noqa: ANN401
            context.abort(grpc.StatusCode.NOT_FOUND, "no such operation")
            return b""

        if details.method == EXECUTE:
            return grpc.unary_stream_rpc_method_handler(execute)
        return grpc.unary_unary_rpc_method_handler(cancel) if details.method == CANCEL else None


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    found = Scheduler()
    found.server.start()
    yield found
    found.worker.set()
    found.server.stop(None).wait()


def test_what_waits_is_told_until_a_worker_comes(
    scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_relay, "ISA", "x86-64")
    token = tmp_path / "token"
    token.write_text("secret\n")
    relay = ExecutionRelay(Remote(url=f"http://127.0.0.1:{scheduler.port}", token=token), tmp_path)
    with relay as remote, grpc.insecure_channel(remote.url) as channel:
        answers = channel.unary_stream(EXECUTE)(b"\x0a\x01x")
        assert next(answers) == operation(QUEUED)
        assert scheduler.seen == [(b"\x0a\x01x", "Bearer secret")]
        now = time.monotonic()
        assert relay.due(now) == []
        (notice,) = relay.due(now + 31)
        server = f"127.0.0.1:{scheduler.port}"
        assert notice.text == f"waiting for a worker with OSFamily=linux ISA=x86-64 for 31 s at {server}"
        assert relay.due(now + 32) == []
        assert len(relay.due(now + 100)) == 1
        scheduler.worker.set()
        assert list(answers) == [operation(EXECUTING), operation(4, done=True)]
        assert relay.due(now + 1000) == []


def test_what_is_given_up_waits_no_more(scheduler: Scheduler, tmp_path: Path) -> None:
    relay = ExecutionRelay(Remote(url=f"http://127.0.0.1:{scheduler.port}"), tmp_path)
    with relay as remote, grpc.insecure_channel(remote.url) as channel:
        answers = channel.unary_stream(EXECUTE)(b"")
        next(answers)
        answers.cancel()
        deadline = time.monotonic() + 20
        while relay.due(time.monotonic() + 1000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
            relay._told = -execution_relay.MINUTE  # or it would not repeat it for a minute


def test_errors_and_what_is_no_business_of_workers(scheduler: Scheduler, tmp_path: Path) -> None:
    relay = ExecutionRelay(Remote(url=f"http://127.0.0.1:{scheduler.port}"), tmp_path)
    with relay as remote, grpc.insecure_channel(remote.url) as channel:
        for method, code in ((CANCEL, "NOT_FOUND"), ("/google.bytestream.ByteStream/Write", "UNIMPLEMENTED")):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(b"")
            assert caught.value.code().name == code
    assert relay.follow(b"\xff") == ""
