"""A mirror of the test, as a real server in a thread, and every way in which it goes wrong."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rootstream.fetch.mirrors import Mirror
from rootstream.formats.records import Item

BODY = bytes(range(256)) * 4096  # 1 MiB
Answer = Callable[["Handler"], None]


@dataclass
class Site:
    """What the server has, how it answers for some paths, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    connections: int = 0
    address: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def mirror(self) -> Mirror:
        return Mirror(url=self.address)

    def add(self, path: str, body: bytes = BODY, answer: Answer | None = None) -> Item:
        self.files[f"/{path}"] = body
        if answer:
            self.answers[f"/{path}"] = answer
        return Item(path=path, size=len(body), sha256=hashlib.sha256(body).hexdigest())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def setup(self) -> None:
        super().setup()
        self.site.connections += 1

    def log_message(self, *_words: object) -> None:
        pass

    def do_GET(self) -> None:
        self.site.asked.append((self.path, self.headers.get("Range")))
        self.site.answers.get(self.path, well)(self)

    @property
    def body(self) -> bytes:
        return self.site.files[self.path]

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


def well(handler: Handler) -> None:
    """Answer as a good server does, ranges included."""
    body = handler.site.files.get(handler.path)
    wanted = handler.headers.get("Range")
    if body is None:
        handler.head(404, Content_Length=0)
    elif wanted:
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
        if start >= len(body):
            handler.head(416, Content_Length=0)
            return
        handler.head(
            206, Content_Length=len(body) - start, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}"
        )
        handler.wfile.write(body[start:])
    else:
        handler.head(200, Content_Length=len(body))
        handler.wfile.write(body)


def whole(handler: Handler) -> None:
    """Answer with everything, whatever range was asked for."""
    handler.head(200, Content_Length=len(handler.body))
    handler.wfile.write(handler.body)


def garbage(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.body))
    handler.wfile.write(b"\0" * len(handler.body))


def stalling(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.body))
    handler.wfile.write(handler.body[:1000])
    handler.wfile.flush()
    handler.site.over.wait(10)
    handler.close_connection = True


def trickling(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.body))
    for byte in handler.body:
        if handler.site.over.wait(0.01):
            break
        try:
            handler.wfile.write(bytes([byte]))
        except OSError:
            break
    handler.close_connection = True


def trickling_head(handler: Handler) -> None:
    """Send headers without end, each soon enough to go on."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    while not handler.site.over.wait(0.01):
        try:
            handler.wfile.write(b"a")
        except OSError:
            break
    handler.close_connection = True


def short_once(handler: Handler) -> None:
    """Break off in the middle, then behave."""
    handler.site.answers[handler.path] = well
    handler.head(200, Content_Length=len(handler.body))
    handler.wfile.write(handler.body[: len(handler.body) // 2])
    handler.close_connection = True


def endless(handler: Handler) -> None:
    """Send more than the file, without a length."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    try:
        for _ in range(8):
            handler.wfile.write(handler.body)
    except OSError:
        pass


def longer(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.body) + 1)
    handler.close_connection = True


def failing(handler: Handler) -> None:
    handler.head(503, Content_Length=0)


def failing_endlessly(status: int) -> Answer:
    """Send an error page as long as somebody reads it."""

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Location", handler.path)
        handler.end_headers()
        handler.close_connection = True
        try:
            for _ in range(64 << 10):
                handler.wfile.write(bytes(1 << 16))
        except OSError:
            return
        handler.site.asked.append(("read to its end", None))

    return answer


def moved_to(address: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(302, Location=address, Content_Length=0)

    return answer


def serve(site: Site) -> Iterator[Site]:
    class Mine(Handler):
        pass

    Mine.site = site
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    yield site
    site.over.set()
    server.shutdown()
    thread.join()
    server.server_close()
