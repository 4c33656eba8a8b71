"""Requests that are none, too large, slow or packed; what is told of them; a server without descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import re
import resource
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rootstream.netboot import event_log
from rootstream.netboot.http import listening, log, requests, senders
from rootstream.netboot.http import site as http
from rootstream.netboot.http.listening import Connections, Room
from rootstream.netboot.store import state_folder
from tests.netsite import KERNEL, MACHINES, SYSTEM, Site, run_to_end

Run = Callable[[Callable[[Site], Coroutine[Any, Any, None]]], None]
SECRET = "SECRETTOKENSECRETTOKEN"
HOME = "/api/v1/boots/1/home"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(work: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
        site = Site(tmp_path, SYSTEM + MACHINES)

        async def main() -> None:
            end = log.tell_to(site.service.told_by_anybody, asyncio.get_running_loop())
            try:
                async with site.served():
                    await work(site)
            finally:
                end()

        run_to_end(main())

    return start


HEADS = (
    "If-Modified-Since: Mon, 01 Jan 10000 00:00:00 GMT",
    "If-Modified-Since: Mon, 01 Jan 99999999999 00:00:00 GMT",
    "If-Unmodified-Since: Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "If-Modified-Since: Mon, 99 Jan 2024 99:99:99 GMT",
    *(f"If-Modified-Since: {value}" for value in ("\xff\xfe", "1", ",,,,")),
    *(f"If-None-Match: {value}" for value in ("\xff", '"a",' * 300)),
    *("If-Match: *", "If-Range: \xff", "Accept-Encoding: gzip", "Connection: Upgrade\r\nUpgrade: websocket"),
    *("Range: bytes=\xff-", "Range: bytes=" + "9" * 4000 + "-", "Range: bytes=0-0,2-2", "Range: lines=1-2"),
    *("Connection: \xff", "Cookie: \xff=\xfe; a", "Accept: \xff", "X: " + "y" * 4000, "TE: trailers"),
    *("Content-Type: \xff; charset=\xfe", "Content-Length: 0"),
)
QUERIES = (
    *("machines/%ff%fe", "boots?machine=%ed%a0%80", "boots?machine=%00", "boots?limit=0", "boots?before=0"),
    *("events?after=999999999999999&mark=%ff", "boots?machine=\xff", "events?wait=0&mark=" + "x" * 3000),
    *("machines/box/console?offset=999999999999999", "machines/box%0a", "boots/0", "boots/999999999999999"),
    "../../x",
)


def post(path: str, *head: str, body: bytes = b"") -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: a", "Connection: close", f"Authorization: Bearer {SECRET}", *head)
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "x", "identity, gzip", "\xff"])
def test_nothing_is_unpacked(run: Run, encoding: str) -> None:
    packed = gzip.compress(bytes(1 << 20))

    async def work(site: Site) -> None:
        for path in (HOME, "/api/v1/machines/box/choose", "/nowhere"):
            for head in (f"Content-Length: {len(packed)}", "Transfer-Encoding: chunked"):
                body = packed if head.startswith("C") else b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
                answer = await site.raw(post(path, f"Content-Encoding: {encoding}", head, body=body))
                assert status(answer) == 415, answer

    run(work)


def test_a_body_is_not_read_past_its_limit(run: Run) -> None:
    async def work(site: Site) -> None:
        for path, length, wanted in (
            (HOME, 10**15, 413),
            (HOME, requests.MOST + 1, 413),
            ("/api/v1/machines/box/choose", 10**9, 413),
            ("/nowhere", 10**9, 413),
            ("/boot.ipxe", 10**9, 413),
        ):
            # not a byte of it is sent: the answer comes all the same, and the end
            answer = await site.raw(post(path, f"Content-Length: {length}"))
            assert status(answer) == wanted
            expected = await site.raw(post(path, f"Content-Length: {length}", "Expect: 100-continue"))
            assert (status(expected), b"100 Continue" in expected) == (wanted, False)
        get = b"GET /boot.ipxe HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
        assert status(await site.raw(get)) == 413
        sent = await endless(site, post(HOME, "Transfer-Encoding: chunked"), b"1000\r\n" + b"u" * 4096 + b"\r\n")
        assert sent < 8 << 20  # what two sockets hold

    run(work)


async def endless(site: Site, head: bytes, piece: bytes) -> int:
    """Send pieces for as long as they are taken; return how many bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head)
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 64 << 20:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    writer.close()
    del reader
    return sent


@pytest.mark.parametrize("head", ["Content-Length: 150", "Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(requests, "PATIENCE", 1.0)
    drop = b"u" if head.startswith("C") else b"1\r\nu\r\n"

    async def work(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(post(HOME, head))

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(drop)
                    await writer.drain()
                    await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(30):
            answer = await reader.readline()  # what is still sent may reset the connection behind it
        assert answer.startswith(b"HTTP/1.1 408 ")
        dripping.cancel()
        writer.close()

    run(work)


MALFORMED = (
    b"GET /" + b"a" * 60_000 + b"\x80 HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n",
    b"GET / HTTP/1.?\r\nA: " + b"a" * 8000 + b"\r\nAuthorization: Bearer %b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer %b\r\n\r\n",
    b"%b / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/boots/1/home HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n",
    b"POST /api/v1/boots/1/home HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nX: %b\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/boots/1/home HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\nX: %b\r\n\r\n",
    b"POST /api/v1/boots/1/home HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\nX: %b\r\n\r\n",
)


def test_what_is_no_request_is_a_line_at_most(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def work(site: Site) -> None:
        count = 0
        for _ in range(8):
            for text in MALFORMED:
                answer = await site.raw(text.replace(b"%b", SECRET.encode()))
                assert 400 <= status(answer) < 500, (text[-100:], answer)
                count += 1
        assert count > 5 * event_log.MOST_TOLD
        lines = [each.text for each in site.told if hasattr(each, "text")]
        assert 0 < len(lines) <= 2 * (event_log.MOST_TOLD + 1)  # of two kinds
        assert all(len(line) <= event_log.LONGEST and line.isprintable() and SECRET not in line for line in lines)

    run(work)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("head", HEADS)
def test_odd_headers(run: Run, head: str, capfd: pytest.CaptureFixture[str]) -> None:
    async def work(site: Site) -> None:
        number = site.export()
        for path in (f"/builds/good/{number}/bzImage", "/api/v1/machines", "/boot.ipxe", "/nowhere"):
            text = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n\r\n"
            answer = await site.raw(text.encode("latin-1"))
            assert 200 <= status(answer) < 500, answer
            if status(answer) == 200 and "bzImage" in path:
                assert answer.endswith(KERNEL)
        assert (await site.ask("/boot.ipxe"))[0] == 200

    run(work)
    assert capfd.readouterr().err == ""


def test_what_can_be_expected(run: Run) -> None:
    async def work(site: Site) -> None:
        for value, wanted in (("100-continue", 403), ("\xe9", 417), ("200-ok", 417), ("100-CONTINUE ", 403)):
            answer = await site.raw(post(HOME, "Content-Length: 1", f"Expect: {value}", body=b"x"))
            final = answer.partition(b"\r\n\r\n")[2] if answer.startswith(b"HTTP/1.1 100 ") else answer
            assert status(final) == wanted, answer
        answer = await site.raw(post("/nowhere", "Expect: \xe9"))
        assert status(answer) == 417

    run(work)


def test_a_charset_that_there_is_not(run: Run) -> None:
    async def work(site: Site) -> None:
        state_folder.made(site.project)
        state_folder.tokens(site.project).write_text(SECRET + "\n")
        for kind, body, wanted in (
            ("application/json; charset=bogus", b"{}", 400),
            ("application/json; charset=utf-16", "{}".encode("utf-16"), 400),
            ("application/json; charset=UTF-8", b"{}", 200),
            ("application/json", b"\xff\xfe{", 400),
            ("application/json", b'{"system": "\\ud800"}', 404),
            ("application/json", b'{"build": "\\ud800\\u0000"}', 404),
            ("application/json", b'{"once": ' + b"9" * 4000 + b"}", 400),
            ("application/json", b"NaN", 400),
        ):
            head = (f"Content-Type: {kind}", f"Content-Length: {len(body)}")
            answer = await site.raw(post("/api/v1/machines/box/choose", *head, body=body))
            assert status(answer) == wanted, (kind, body[:30], answer)
        assert SECRET not in str(site.told)

    run(work)


@pytest.mark.parametrize("query", QUERIES)
def test_odd_questions(run: Run, query: str) -> None:
    async def work(site: Site) -> None:
        text = f"GET /api/v1/{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = await site.raw(text.encode("latin-1"))
        assert 200 <= status(answer) < 500, answer

    run(work)


def test_only_what_changes_nothing_is_for_head(run: Run) -> None:
    async def work(site: Site) -> None:
        site.export()
        assert (await site.ask("/machines/52-54-00-00-00-01.ipxe", method="HEAD"))[0] == 405
        assert site.state.boots() == ()
        assert (await site.ask("/boot.ipxe", method="HEAD"))[0] == 200
        status, head, _ = await site.ask("/boot.ipxe", method="DELETE")
        assert (status, head["allow"]) == (405, "GET,HEAD")
        assert (await site.ask("/nowhere", method="DELETE"))[0] == 404

    run(work)


def test_a_link_in_a_build_is_not_followed(run: Run, tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        number = site.export()
        place = site.builds.folder / "good" / number / "bzImage"
        place.unlink()
        (tmp_path / "secret").write_bytes(KERNEL)
        place.symlink_to(tmp_path / "secret")
        assert (await site.ask(f"/builds/good/{number}/bzImage"))[0] == 404

    run(work)


def test_who_takes_nothing_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "STRETCH", 0.5)
    monkeypatch.setattr(senders, "LEAST", 1 << 30)

    async def work(site: Site) -> None:
        path = f"/builds/good/{site.export(ramdisk=bytes(20_000_000))}/initramfs.cpio"
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await asyncio.sleep(3)
        total = 0
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1 << 20):
                    total += len(data)
        assert total < 20_000_000
        writer.close()

    run(work)


def test_files_wait_for_their_turn() -> None:
    limits = Room(connections=10, of_one=10, files=3, files_of_one=2)
    running: list[str] = []
    seen: list[tuple[str, ...]] = []

    async def send(connections: Connections, address: str) -> None:
        async with connections.sending(address):
            running.append(address)
            seen.append(tuple(sorted(running)))
            await asyncio.sleep(0.01)
            running.remove(address)

    async def main() -> None:
        connections = Connections(limits)
        async with asyncio.timeout(30):
            await asyncio.gather(*(send(connections, address) for address in "aaaaaabbc"))

    run_to_end(main())
    assert len(seen) == 9
    assert all(len(each) <= 3 and each.count("a") <= 2 for each in seen)


def test_without_descriptors_it_goes_on(run: Run) -> None:
    async def work(site: Site) -> None:
        number = site.export()
        path = f"/builds/good/{number}/bzImage"
        assert (await site.ask(path))[0] == 200
        readers = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(3)]
        await asyncio.sleep(0.2)
        taken: list[int] = []
        try:
            for _ in range(5):  # what was closed just now is free a moment later
                with contextlib.suppress(OSError):
                    while True:
                        taken.append(os.dup(0))
                await asyncio.sleep(0.1)
            for reader, writer in readers:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
                assert status(answer) == 503, answer
                assert b"Retry-After: 1" in answer
        finally:
            for each in taken:
                os.close(each)
            for _, writer in readers:
                writer.close()
        assert (await site.ask(path))[0] == 200

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        run(work)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("descriptors", [0, 64, 128, 256, 1024, 4096, 1 << 20])
def test_room(descriptors: int) -> None:
    found = listening.room(descriptors)
    if descriptors >= 128:
        assert found.connections + 3 * found.files + 40 <= descriptors
    assert 0 < found.files_of_one <= found.files
    assert 0 < found.of_one <= found.connections <= listening.MOST
    assert listening.room(1 << 20).connections == listening.MOST


def test_idle_connections_go_when_all_places_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(listening, "IDLE_WHEN_FULL", 0.3)
    site = Site(tmp_path, SYSTEM + MACHINES)
    limits = Room(connections=4, of_one=4, files=2, files_of_one=2)

    async def main() -> None:
        app = http.application(site.service, {}, Connections(limits))
        http.Routes(app).close()
        runner = web.AppRunner(app, access_log=None, **http.LIMITS)
        await runner.setup()
        assert runner.server
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        door = listening.Door(runner.server, [listener], app[http.CONNECTIONS])
        slow = []
        for _ in range(4):
            slow.append(await asyncio.open_connection("127.0.0.1", port))
            slow[-1][1].write(b"GET /boot.ipxe HTTP/1.1\r\nHost")
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
            writer.write(b"GET /boot.ipxe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert status(await reader.read()) == 200
        for _, each in (*slow, (reader, writer)):
            each.close()
        await door.close()
        await runner.cleanup()
        site.state.close()

    run_to_end(main())
