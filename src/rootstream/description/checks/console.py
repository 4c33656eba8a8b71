"""Check `console`: a text that the console shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override

from rootstream.description.checks.base import CheckKind


class ConsoleCheck(CheckKind):
    """Wait for text on the console."""

    word: ClassVar[str] = "console"
    needs_console: ClassVar[bool] = True
    works_after_end: ClassVar[bool] = True
    console: str
    """Text that must appear on the console."""
    regex: bool = False
    """Treat the text as a regular expression."""

    @override
    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        if self.regex:
            yield self.console, ("console",)
