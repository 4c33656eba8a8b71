"""Check `login`: somebody logs in on the console, or is refused."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Account, Duration, Model


class Login(Model):
    user: Account = "root"
    """Who logs in on the console."""
    password: str | None = None
    """The password, where one is asked for."""
    refused: bool = False
    """The login must be refused."""


class LoginCheck(CheckKind):
    """Somebody logs in on the console, or is refused."""

    word: ClassVar[str] = "login"
    logs_in: ClassVar[bool] = True
    needs_console: ClassVar[bool] = True
    login: Login
    """Log in on the console; the commands after it run in that session."""
    within: Duration = 60.0
    """How long the login may take."""

    @property
    @override
    def title(self) -> str:
        return f"login: {self.login.user}{' is refused' if self.login.refused else ''}"
