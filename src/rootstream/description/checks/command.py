"""Check `command`: a command of the shell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Duration


class CommandCheck(CheckKind):
    """A command of the shell ends as it must."""

    word: ClassVar[str] = "command"
    logs_in: ClassVar[bool] = True
    command: str
    """A command for the shell on the console; root is logged in first if nobody is."""
    exit: Annotated[int, Field(ge=0, le=255)] = 0
    """Exit status that it must have."""
    output: str | None = None
    """Regular expression that its output must match somewhere."""
    within: Duration = 30.0
    """How long it may take."""

    @override
    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        yield self.output, ("output",)
