"""Check `http`: an answer of a web server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Means, Model, Port


class Http(Model):
    path: Annotated[str, Field(pattern=r"^/[^\s]*$"), Means("a path that begins with '/'")] = "/"
    """Path to request."""
    port: Port = 80
    """Port of the system."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    """Expected status code."""
    body: str | None = None
    """Regular expression to search for in the body."""


class HttpCheck(CheckKind):
    """Make an HTTP request to the system and check the response."""

    word: ClassVar[str] = "http"
    http: Http
    """HTTP request to the system, and the expected response."""

    @property
    @override
    def title(self) -> str:
        return f"http: {self.http.path} on {self.http.port}"

    @property
    @override
    def ports(self) -> tuple[int, ...]:
        return (self.http.port,)

    @override
    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        yield self.http.body, ("http", "body")
