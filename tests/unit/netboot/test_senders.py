"""Files that threads send: whole, to slow ones and many, and to those who go away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rootstream.netboot.http.senders import Loop
from tests.netsite import run_to_end

Pair = Callable[[], tuple[socket.socket, socket.socket]]
DATA = os.urandom(5_000_000)


def here() -> Loop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    return loop


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Return what makes two ends of a connection."""
    with contextlib.ExitStack() as stack:

        def made() -> tuple[socket.socket, socket.socket]:
            found = socket.socketpair()
            for each in found:
                stack.enter_context(each)
                each.setblocking(False)
            return found

        yield made


def open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            found.add(str(Path("/proc/self/fd", name).readlink()))
    return found


async def received(line: socket.socket, most: int = 1 << 30) -> bytes:
    data = bytearray()
    while len(data) < most and (piece := await here().sock_recv(line, 1 << 20)):
        data += piece
    return bytes(data)


def test_files_and_parts_of_them_arrive_whole(tmp_path: Path, pair: Pair) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)

    async def one(offset: int, count: int | None) -> None:
        ours, its = pair()
        with ours, its, path.open("rb") as file:
            reading = asyncio.create_task(received(its))
            sent = await here().sock_sendfile(ours, file, offset, count)
            ours.close()
            end = len(DATA) if count is None else min(offset + count, len(DATA))
            assert await reading == DATA[offset:end]
            assert sent == max(0, end - offset)

    async def main() -> None:
        parts = [(0, None), (1, None), (17, 4_000_000), (len(DATA), 5), (len(DATA) - 5, 100), (0, 0)]
        await asyncio.gather(*(one(*part) for part in parts * 10))

    run_to_end(main())


def test_who_reads_nothing_holds_up_nobody(tmp_path: Path, pair: Pair) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)

    async def main() -> None:
        stuck = [pair() for _ in range(20)]
        with path.open("rb") as file:
            waiting = [asyncio.create_task(here().sock_sendfile(ours, file)) for ours, _ in stuck]
            await asyncio.sleep(0.2)
            ours, its = pair()
            reading = asyncio.create_task(received(its, len(DATA)))
            assert await asyncio.wait_for(here().sock_sendfile(ours, file), 10) == len(DATA)
            assert await reading == DATA
            for task in waiting[:10]:
                task.cancel()
            for _, its in stuck[10:]:
                its.close()
            done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in done[:10]] == [asyncio.CancelledError] * 10
        assert all(isinstance(each, (BrokenPipeError, ConnectionResetError)) for each in done[10:])
        await asyncio.sleep(0.2)
        assert str(path) not in open_files()

    before = threading.active_count()
    run_to_end(main())
    assert threading.active_count() == before


def test_a_file_that_becomes_shorter_ends(tmp_path: Path, pair: Pair) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)

    async def main() -> None:
        ours, its = pair()
        with path.open("r+b") as file:
            sending = asyncio.create_task(here().sock_sendfile(ours, file, 0, len(DATA)))
            await asyncio.sleep(0.2)
            file.truncate(1000)
            reading = asyncio.create_task(received(its))
            assert await asyncio.wait_for(sending, 10) < len(DATA)
            ours.close()
            await reading

    run_to_end(main())


@pytest.mark.parametrize("count", [0, 3])
def test_the_end_of_the_loop_is_the_end_of_what_is_sent(tmp_path: Path, pair: Pair, count: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    pairs = [pair() for _ in range(count)]

    async def main() -> None:
        with path.open("rb") as file:
            for ours, _ in pairs:
                task = asyncio.create_task(here().sock_sendfile(ours, file))
                await asyncio.sleep(0.05)
                assert not task.done()

    run_to_end(main())
    assert not [each for each in threading.enumerate() if each.name == "sender"]
