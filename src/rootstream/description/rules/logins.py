"""Who can log in: accounts, keys and sudo that lack what they need, and checks that cannot get in.

None of this stops a build: a machine without any login can be what is wanted. Where a root may have more than the
description says (elements, configurations of Buildroot's own), nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstream.description.checks.login import Login, LoginCheck
from rootstream.description.layers import (
    Password,
    RootLogin,
    RootLoginLayer,
    ServicesLayer,
    SshdLayer,
    User,
    UsersLayer,
)
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot, FromBusybox, FromDebianPackages, FromElements
from rootstream.description.rules import software
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import Caution

Steps = tuple[str | int, ...]
_NO_LOGIN = ("/bin/false", "/usr/bin/false", "/sbin/nologin", "/usr/sbin/nologin")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """An account of the description; `chosen` if it says itself that there is no password."""

    name: str
    password: Password
    keys: bool
    chosen: bool
    steps: Steps
    console: bool = True

    @property
    def on_console(self) -> bool:
        return self.console and self.password != "locked"  # noqa: S105  (a word, not a password)


def cautions(system: System, node: Node, folder: Path) -> Iterator[Caution]:
    """Yield what keeps people, or the checks, from logging in; `folder` is that of the project's files."""
    if isinstance(system.root, FromElements) or software.overlaid(system, folder, "etc/passwd", "etc/shadow"):
        return
    found = {account.name: account for account in _accounts(system)}
    server = software.has(system, folder, software.SSH)
    yield from _keys(system, node, found, server=server)
    yield from _sudo(system, node, folder)
    yield from _users(system, node, folder)
    yield from _nobody(system, node, found, server=server is not False)
    yield from _checks(system, node, found)


def _accounts(system: System) -> Iterator[_Account]:
    login = RootLogin()
    steps: Steps = ()
    for number, layer in enumerate(system.layers):
        if isinstance(layer, RootLoginLayer):
            login, steps = layer.root_login, ("layers", number, "root_login")
        if isinstance(layer, UsersLayer):
            for index, user in enumerate(layer.users):
                yield _Account(
                    name=user.name,
                    password=user.password,
                    keys=bool(user.authorized_keys),
                    chosen="password" in user.model_fields_set,
                    steps=("layers", number, "users", index),
                )
    yield _Account(
        name="root",
        password=login.password,
        keys=bool(login.authorized_keys),
        chosen="password" in login.model_fields_set,
        steps=steps,
        console=login.console,
    )


def _keys(system: System, node: Node, found: dict[str, _Account], *, server: bool | None) -> Iterator[Caution]:
    """Yield keys that no SSH server asks for, and a policy for none."""
    if server is not False:
        return
    for account in found.values():
        if account.keys:
            alone = "" if account.on_console else f", and {account.name} has no password"
            yield Caution(
                reason="no-ssh-server",
                message=f"authorized_keys: this root has no SSH server{alone}",
                where=at(node, *account.steps, "authorized_keys"),
                hint=_SERVER[type(system.root)],
            )
    for number, layer in enumerate(system.layers):
        if isinstance(layer, SshdLayer):
            message = "sshd: this root has no SSH server"
            where = at(node, "layers", number, "sshd")
            yield Caution(reason="no-ssh-server", message=message, where=where, hint=_SERVER[type(system.root)])


_SERVER = {
    FromDebianPackages: "Add openssh-server to the packages of the root.",
    FromBusybox: "BusyBox has none: build one with `- packages:`, or put one in an overlay.",
    FromBuildroot: "Add BR2_PACKAGE_DROPBEAR=y or BR2_PACKAGE_OPENSSH=y to the defconfig or a fragment.",
}


def _sudo(system: System, node: Node, folder: Path) -> Iterator[Caution]:
    """Yield accounts that are to use a sudo that is not there, or asks for a password that they do not have."""
    missing = software.has(system, folder, software.SUDO) is False
    for user, steps in _written_users(system):
        word = "sudo" if user.sudo else "groups"
        if missing and (user.sudo or "sudo" in user.groups):
            debian = isinstance(system.root, FromDebianPackages)
            yield Caution(
                reason="no-sudo",
                message=f"{word}: {user.name} is allowed to use sudo, which is not in this root",
                where=at(node, *steps, word),
                hint="Add sudo to the packages of the root."
                if debian
                else "BusyBox has none: build it with `- packages:`, or use `su` and a password for root.",
            )
        elif user.sudo is True and user.password == "locked":  # noqa: S105  (a word, not a password)
            yield Caution(
                reason="sudo-without-password",
                message=f"sudo: it asks {user.name} for a password, but the account has none",
                where=at(node, *steps, "sudo"),
                hint="Write `sudo: nopasswd`, or set a `password`.",
            )


def _users(system: System, node: Node, folder: Path) -> Iterator[Caution]:
    """Yield people's accounts that nobody can log in to, without their author having said so."""
    services = {
        service.user for layer in system.layers if isinstance(layer, ServicesLayer) for service in layer.services
    }
    for user, steps in _written_users(system):
        if user.shell not in _NO_LOGIN and software.has_shell(system, folder, user.shell) is False:
            yield Caution(
                reason="no-shell",
                message=f"shell: {user.shell} is not in this root, so nobody can log in as {user.name}",
                where=at(node, *steps, "shell"),
            )
        personal = not user.system and user.shell not in _NO_LOGIN and user.name not in services
        if personal and not user.authorized_keys and "password" not in user.model_fields_set:
            yield Caution(
                reason="no-login",
                message=f"users: {user.name} has neither a password nor a key, so it cannot log in",
                where=at(node, *steps),
                hint="Set a `password` or `authorized_keys`, or write `password: locked` if that is intended.",
            )


def _nobody(system: System, node: Node, found: dict[str, _Account], *, server: bool) -> Iterator[Caution]:
    """Yield a system that asks for a login on its console and has no account that can log in anywhere."""
    if not software.asks(system) or found["root"].chosen:
        return
    if any(account.on_console or (server and account.keys) for account in found.values()):
        return
    yield Caution(
        reason="nobody-can-log-in",
        message="nobody can log in: root has no password, and no other account can log in either",
        where=at(node, "layers"),
        hint="Add `- root_login: {password: empty}` to the layers, or a hash from `rootstream passwd`; "
        "write `{password: locked}` if that is intended.",
    )


def _checks(system: System, node: Node, found: dict[str, _Account]) -> Iterator[Caution]:
    """Yield checks that log in where that is not possible."""
    inside = False
    for number, check in enumerate(system.checks):
        if isinstance(check, LoginCheck):
            why = _refused(system, check.login, found)
            inside = why is None and not check.login.refused
            where = at(node, "checks", number, "login")
            if why and not check.login.refused:
                yield Caution(reason="login-not-possible", message=f"login: {why}", where=where)
            account = found.get(check.login.user)
            if check.login.refused and account and account.console and account.password == "empty":  # noqa: S105
                message = f"login: {account.name} has an empty password, so the login will not be refused"
                yield Caution(reason="login-not-refused", message=message, where=where)
        elif check.logs_in and not inside and software.asks(system):
            why = _refused(system, Login(), found)
            if why:
                yield Caution(
                    reason="login-not-possible",
                    message=f"{check.kind}: no login precedes it, so it runs as root, but {why}",
                    where=at(node, "checks", number),
                    hint="Put a `login:` before it, with an account that can log in.",
                )
                return


def _refused(system: System, login: Login, found: dict[str, _Account]) -> str | None:
    """Return why a login on the console fails, as far as it can be known."""
    account = found.get(login.user)
    if account is None:
        # packages of a Debian, and a skeleton of Buildroot, bring accounts of their own
        return f"there is no account {login.user!r}" if isinstance(system.root, FromBusybox) else None
    if account.name == "root" and not account.steps and isinstance(system.root, FromBuildroot):
        return None
    if not account.console:
        return f"{account.name} cannot log in on a console"
    if account.password == "locked":  # noqa: S105  (a word, not a password)
        return f"{account.name} has no password"
    if account.password != "empty" and login.password is None:  # noqa: S105
        return f"{account.name} has a password, and the check gives none"
    return None


def _written_users(system: System) -> Iterator[tuple[User, Steps]]:
    for number, layer in enumerate(system.layers):
        if isinstance(layer, UsersLayer):
            for index, user in enumerate(layer.users):
                yield user, ("layers", number, "users", index)
