"""Check `file`: what a file of the booted system holds, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Duration, ImagePath, Means, Mode

Owner = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$"),
    Means("the name of a user, or USER:GROUP"),
]


class FileCheck(CheckKind):
    """The booted system has a file."""

    word: ClassVar[str] = "file"
    logs_in: ClassVar[bool] = True
    file: ImagePath
    """Path of a file that the booted system must have; links are followed. The shell on the console looks, where
    root is logged in first if nobody is."""
    content: str | None = None
    """Regular expression that its first 64 KiB must match somewhere."""
    mode: Mode | None = None
    """Mode that it must have."""
    owner: Owner | None = None
    """User that it must belong to, or USER:GROUP; numbers, too."""
    within: Duration = 30.0
    """How long that may take."""

    @override
    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        yield self.content, ("content",)
