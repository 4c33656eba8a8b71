"""Check `command`: a command of the shell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Duration


class CommandCheck(CheckKind):
    """Run a shell command and check its exit status and output."""

    word: ClassVar[str] = "command"
    logs_in: ClassVar[bool] = True
    command: str
    """Shell command to run on the console; if nobody is logged in, root is logged in first."""
    exit: Annotated[int, Field(ge=0, le=255)] = 0
    """Expected exit status."""
    output: str | None = None
    """Regular expression to search for in its output."""
    within: Duration = 30.0
    """Time limit."""

    @override
    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        yield self.output, ("output",)
