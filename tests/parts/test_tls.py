"""What is said of certificates, with real ones and a real handshake."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from rootstream.engine import tls
from rootstream.engine.remote_api import _ahead, probe
from rootstream.engine.remotes import Remote

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
CONFIG = """\
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = names
unique_subject = no
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost
"""
DAY = 86400


def certificate(folder: Path, *, begins: float, ends: float) -> None:
    """Write a certificate for localhost, signed by itself, that is valid between two times."""
    (folder / "ca.conf").write_text(CONFIG)
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    request = (
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout key.pem"
    )
    sign = "openssl ca -batch -notext -selfsign -config ca.conf -keyfile key.pem -in request.pem -out cert.pem"
    dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(each)) for each in (begins, ends)]
    for words in (
        [*request.split(), "-out", "request.pem"],
        [*sign.split(), "-startdate", dates[0], "-enddate", dates[1]],
    ):
        subprocess.run(words, cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def server(folder: Path, *, protocols: tuple[str, ...] = ("h2",)) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_alpn_protocols(list(protocols))
    listening = socket.create_server(("localhost", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                with (
                    client,
                    contextlib.suppress(OSError),
                    context.wrap_socket(client, server_side=True) as wrapped,
                ):
                    wrapped.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def fault(tmp_path: Path, port: int, host: str = "localhost", *, trusted: bool = True) -> tuple[str, str]:
    remote = Remote(url=f"https://{host}:{port}", ca=tmp_path / "cert.pem" if trusted else None)
    assert not probe([remote])[0].ok
    return tls.fault(remote) or ("", "")


@pytest.mark.parametrize("days", [(-2, -1), (1, 2)])
def test_a_clock_that_is_a_day_off(tmp_path: Path, days: tuple[int, int]) -> None:
    certificate(tmp_path, begins=time.time() + days[0] * DAY, ends=time.time() + days[1] * DAY)
    with server(tmp_path) as port:
        (told,) = probe([Remote(url=f"https://localhost:{port}", ca=tmp_path / "cert.pem")])
        found, fix = fault(tmp_path, port)
    assert "clock" in told.text  # what a build says
    assert "does not fit the time" in found
    assert "clock" in fix
    assert "UTC" in fix


def test_names_authorities_and_protocols(tmp_path: Path) -> None:
    certificate(tmp_path, begins=time.time() - DAY, ends=time.time() + DAY)
    with server(tmp_path) as port:
        assert "another name" in fault(tmp_path, port, "127.0.0.1")[0]
        assert "not trusted" in fault(tmp_path, port, trusted=False)[0]
    with server(tmp_path, protocols=("http/1.1",)) as port:
        assert "HTTP/2" in fault(tmp_path, port)[0]


def test_how_far_a_clock_is_ahead() -> None:
    assert _ahead(formatdate(1_700_086_400, usegmt=True), 1_700_000_000) == 86_400
    assert _ahead(None, 0) is None
    assert _ahead("yesterday", 0) is None
