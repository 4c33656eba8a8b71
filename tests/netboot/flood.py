"""Program: everything at once for the server at 10.0.2.1: started as `flood.py PATH SHA256 SECONDS`.

Slow heads and bodies, readers that take nothing, packed bodies and rubbish, each from addresses of its own, beside
honest machines, which try again as iPXE does. It prints JSON: how many machines had their file whole, and how many
there were.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import socket
import sys
from collections.abc import Awaitable, Callable

SERVER = ("10.0.2.1", 8080)
HONEST, EACH = 40, 12
ADDRESSES = range(50, 150)  # 10.0.2.50 and so on
HEAD = "Host: 10.0.2.1\r\nConnection: close\r\n"
POST = f"POST /api/v1/boots/1/home HTTP/1.1\r\n{HEAD}".encode()
BOMB = gzip.compress(bytes(64 << 20))
Ill = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


async def opened(address: str, *, buffer: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    line = socket.socket()
    if buffer:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.setblocking(False)
    line.bind((address, 0))
    try:
        async with asyncio.timeout(20):
            await asyncio.get_running_loop().sock_connect(line, SERVER)
    except BaseException:
        line.close()
        raise
    return await asyncio.open_connection(sock=line, limit=4096)


async def drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(1)


async def slow_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    writer.write(f"GET {path} HTTP/1.1\r\n".encode())
    await drip(writer, b"X: y\r\n")


async def slow_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: str) -> None:
    writer.write(POST + b"Content-Length: 150\r\n\r\n")
    await drip(writer, b"u")


async def no_reader(_: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    writer.write(f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
    await asyncio.sleep(600)


async def bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(POST + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB)
    async with asyncio.timeout(20):
        await reader.read()


async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"GET /" + b"a" * 60_000 + b"\x80 HTTP/1.1\r\nAuthorization: Bearer SECRETSECRETSECRET\r\n\r\n")
    async with asyncio.timeout(20):
        await reader.read()


KINDS: tuple[Ill, ...] = (slow_head, slow_body, no_reader, bomb, rubbish)


async def ill(kind: Ill, address: str, path: str) -> None:
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await opened(address, buffer=4096)
            try:
                await kind(reader, writer, path)
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.2)


async def fetched(address: str, path: str) -> str:
    """Return the SHA-256 of what the server sends."""
    reader, writer = await opened(address)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
        state = hashlib.sha256()
        while True:
            async with asyncio.timeout(60):
                piece = await reader.read(1 << 16)
            if not piece:
                return state.hexdigest()
            state.update(piece)
    finally:
        writer.close()


async def honest(address: str, path: str, wanted: str, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    if await fetched(address, path) == wanted:
                        return True
                await asyncio.sleep(1)
    return False


async def main(path: str, wanted: str, seconds: float) -> None:
    bad = [
        asyncio.create_task(ill(kind, f"10.0.2.{ADDRESSES[number * EACH + host]}", path))
        for number, kind in enumerate(KINDS)
        for host in range(EACH)
    ]
    await asyncio.sleep(2)
    good = await asyncio.gather(*(honest(f"10.0.2.{n}", path, wanted, seconds) for n in ADDRESSES[-HONEST:]))
    for task in bad:
        task.cancel()
    await asyncio.gather(*bad, return_exceptions=True)
    sys.stdout.write(json.dumps({"whole": sum(good), "of": HONEST}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
