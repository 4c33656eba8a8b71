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
    Means("a user name, or USER:GROUP"),
]


class FileCheck(CheckKind):
    """Check that a file exists, and optionally its contents, mode and owner."""

    word: ClassVar[str] = "file"
    logs_in: ClassVar[bool] = True
    file: ImagePath
    """Path of a file that must exist in the booted system; symbolic links are followed. The check runs in the
    shell on the console; if nobody is logged in, root is logged in first."""
    content: str | None = None
    """Regular expression to search for in its first 64 KiB."""
    mode: Mode | None = None
    """Expected mode."""
    owner: Owner | None = None
    """Expected owner: USER or USER:GROUP, by name or ID."""
    within: Duration = 30.0
    """Time limit."""

    @override
    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        yield self.content, ("content",)
