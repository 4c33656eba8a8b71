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
    """Path to ask for."""
    port: Port = 80
    """Port of the system."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    """Status that the answer must have."""
    body: str | None = None
    """Regular expression that the body must match somewhere."""


class HttpCheck(CheckKind):
    """A web server answers."""

    word: ClassVar[str] = "http"
    http: Http
    """An HTTP answer of the system."""

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
