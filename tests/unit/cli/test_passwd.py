"""`rootstream passwd`: the hash of a password, as a description and as Buildroot's configuration have it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from rootstream.cli.passwd import passwd
from rootstream.errors import UserError


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@pytest.mark.parametrize("password", ["secret", "two words $HOME '\" #", "größe", "-x"])
def test_passwd_prints_a_hash_of_the_password(password: str) -> None:
    done = CliRunner().invoke(passwd, [], input=f"{password}\n")
    assert done.exit_code == 0
    _, kind, salt, _ = done.output.strip().split("$")
    assert kind == "6"
    argv = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    again = subprocess.run(argv, input=password.encode(), capture_output=True, check=True)
    assert again.stdout.decode() == done.output


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_passwd_for_a_buildroot_configuration_doubles_the_dollars() -> None:
    done = CliRunner().invoke(passwd, ["--buildroot"], input="secret\n")
    assert done.output.startswith("$$6$$")
    assert done.output.count("$") == 6


def test_an_empty_password_has_no_hash() -> None:
    assert isinstance(CliRunner().invoke(passwd, [], input="\n").exception, UserError)
