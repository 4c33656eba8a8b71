"""Check `login`: somebody logs in on the console, or is refused."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Account, Duration, Model


class Login(Model):
    user: Account = "root"
    """User to log in as."""
    password: str | None = None
    """Password, if the system asks for one."""
    refused: bool = False
    """Expect the login to be refused."""


class LoginCheck(CheckKind):
    """Log in on the console, or expect to be refused."""

    word: ClassVar[str] = "login"
    logs_in: ClassVar[bool] = True
    needs_console: ClassVar[bool] = True
    login: Login
    """Login on the console; later commands run in this session."""
    within: Duration = 60.0
    """Time limit."""

    @property
    @override
    def title(self) -> str:
        return f"login: {self.login.user}{' is refused' if self.login.refused else ''}"
