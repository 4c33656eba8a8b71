"""Files of the project: what cannot be read is a message with the file, and the line where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream.description.power.redfish import Redfish
from rootstream.errors import UserError
from rootstream.host.file_text import bytes_of, key_lines, text_of
from rootstream.netboot.power import redfish
from tests.powered import switched


def test_public_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# mine\n\n  ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample é \nssh-rsa AAAAB3NzaC1yc2EAAAAD\n")
    assert key_lines(path) == ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample é", "ssh-rsa AAAAB3NzaC1yc2EAAAAD")
    path.write_text(
        'from="10.0.0.0/8",no-pty ssh-rsa AAAAB3NzaC1yc2EAAAAD x\nsk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1l y\n'
    )
    assert len(key_lines(path)) == 2


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-rsa",
        "ssh-rsa AAAA",
        "admin:x:0",
        "ssh-rsa AAAAB3NzaC1yc2EA\x07",
    ],
)
def test_what_is_no_public_key_is_refused_at_its_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"\n{line}\n")
    with pytest.raises(UserError) as caught:
        key_lines(path)
    assert caught.value.reason == "not-a-public-key"
    assert caught.value.where is not None
    assert caught.value.where.line == 2


def test_what_is_no_text_or_no_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"caf\xe9\n")
    assert bytes_of(path) == b"caf\xe9\n"
    bmc = Redfish(url="http://127.0.0.1:1", user="admin", password_file="password")
    asked: tuple[Callable[[], object], ...] = (
        lambda: text_of(path),
        lambda: text_of(tmp_path),
        lambda: redfish.state(bmc, switched(tmp_path, bmc)),
    )
    for ask in asked:
        with pytest.raises(UserError) as caught:
            ask()
        assert caught.value.reason == "file-unreadable"
        assert caught.value.where is not None
