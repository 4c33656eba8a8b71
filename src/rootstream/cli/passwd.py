"""`rootstream passwd`: the hash of a password, for system.yaml or a Buildroot configuration."""

from __future__ import annotations

import sys

import click

from rootstream.cli.front import echo


@click.command()
@click.option("--buildroot", is_flag=True, help="Double every $, as BR2_TARGET_GENERIC_ROOT_PASSWD needs it.")
def passwd(buildroot: bool) -> None:
    """Ask for a password and print its hash (SHA-512 crypt), for `password: {hash: ...}`.

    The password is read twice from the terminal, without echo, or once from standard input if that is no terminal.
    """
    from rootstream.host.password_hash import crypt

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    found = crypt(password)
    echo(found.replace("$", "$$") if buildroot else found)
