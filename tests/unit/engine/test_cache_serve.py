"""What a team's server may be, its tokens, its log, its unit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from rootstream.engine import cache_proxy
from rootstream.engine.cache_proxy import Log, Proxy
from rootstream.engine.cache_serve import address, is_loopback
from rootstream.errors import UserError
from rootstream.verbs import cache_serve

PEM = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"


def reason(folder: Path, bind: str, *, certificate: Path | None = None, insecure: bool = False) -> str | None:
    try:
        cache_serve.options(
            folder, bind=bind, quota="1G", certificate=certificate, anybody=False, insecure=insecure, metrics=None
        )
    except UserError as error:
        return error.reason
    return None


def test_beyond_loopback_there_is_tls_and_a_token(tmp_path: Path) -> None:
    pem = tmp_path / "s.pem"
    pem.write_text(PEM)
    store = tmp_path / "store"
    for bind in ("127.0.0.1:1", "localhost:1", "[::1]:1"):
        assert reason(store, bind) is None
    for bind in ("0.0.0.0:1", "10.0.0.1:1", "[::]:1", "cache.example:1"):
        assert reason(store, bind) == "insecure"
        assert reason(store, bind, certificate=pem) == "insecure"
        assert reason(store, bind, insecure=True) is None
    cache_serve.new_token(store, "ci", "writer")
    assert reason(store, "0.0.0.0:1", certificate=pem) is None
    assert reason(store, "0.0.0.0:1") == "insecure"


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:70000", "host:x", "a b:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError):
        address(text)


def test_addresses() -> None:
    assert address("[::]:443") == ("::", 443)
    assert address("cache.example:443") == ("cache.example", 443)
    assert not is_loopback("localhost.example")


def test_a_new_token_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    first = cache_serve.new_token(tmp_path, "ci", "writer")
    second = cache_serve.new_token(tmp_path, "ann", "reader")
    third = cache_serve.new_token(tmp_path, "ci", "reader")
    assert len({first, second, third}) == 3
    found = cache_proxy.clients(tmp_path / "tokens")
    assert [(each.name, each.role) for each in found] == [("ann", "reader"), ("ci", "reader")]
    text = (tmp_path / "tokens").read_text()
    assert not any(token in text for token in (first, second, third))
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o600
    cache_serve.revoke(tmp_path, "ci")
    with pytest.raises(UserError) as caught:
        cache_serve.revoke(tmp_path, "ci")
    assert "ann" in str(caught.value)


def test_a_damaged_file_of_tokens_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# mine\n\nci admin 00\n")
    with pytest.raises(UserError) as caught:
        cache_proxy.clients(tmp_path / "tokens")
    assert caught.value.where is not None
    assert caught.value.where.line == 3


def test_the_log_is_added_up_by_client() -> None:
    log = Log()
    assert log.line("ann 10.0.0.1 ok 10 2000")
    assert log.line("ann 10.0.0.1 refused 5 80")
    assert log.line("- 10.0.0.2 refused 1 80")
    assert not log.line("[NOTICE] (1) : New worker forked")
    found = log.take()
    totals = found["ann", "10.0.0.1"]
    assert (totals.requests, totals.refused, totals.received, totals.sent) == (2, 1, 15, 2080)
    assert set(found) == {("ann", "10.0.0.1"), ("-", "10.0.0.2")}
    assert log.take() == {}


def test_without_a_certificate_there_is_no_tls() -> None:
    text = Proxy(bind="127.0.0.1:1", socket=Path("/s")).text()
    assert "ssl" not in text
    assert "proto h2" in text
    assert "metrics" not in text


def test_the_unit_escapes_what_systemd_would_read(tmp_path: Path) -> None:
    folder = tmp_path / "a b%c"
    wanted = cache_serve.options(
        folder, bind="127.0.0.1:1", quota="1G", certificate=None, anybody=False, insecure=False, metrics=None
    )
    text = cache_serve.unit(wanted)
    assert f'cache serve "{tmp_path}/a b%%c" --bind' in text
    assert "LoadCredential" not in text


def test_a_program_that_the_service_cannot_reach() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        base = Path(name)
        base.chmod(0o755)
        for folder in ("home/python", "opt"):
            (base / folder).mkdir(parents=True)
        (base / "home" / "python" / "python3").write_text("")
        (base / "opt" / "python3").symlink_to("../home/python/python3")
        (base / "opt" / "python").symlink_to("python3")
        assert cache_serve.barrier(base / "opt" / "python") is None
        (base / "home").chmod(0o700)
        assert cache_serve.barrier(base / "opt" / "python") == base / "home"
        (base / "opt" / "python3").unlink()
        (base / "opt" / "python3").symlink_to("python")  # a circle
        assert cache_serve.barrier(base / "opt" / "python") is None
