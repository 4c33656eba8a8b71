"""What goes wrong in the parts below the plugins, which run without BuildStream too.

The plugins turn a `Fault` into a `SourceError` with the same reason and detail.
"""

from __future__ import annotations

from collections.abc import Mapping


class Fault(Exception):  # noqa: N818  (the mistakes of others, not a defect)
    """Something that the user, the mirror or an archive got wrong.

    `reason` is a stable kebab-case word, `detail` longer text, `temporary` says that trying again may help.
    `asked` are names that the user gave (a package, a suite), each with what is wrong with it.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        detail: str | None = None,
        temporary: bool = False,
        asked: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail
        self.temporary = temporary
        self.asked = dict(asked or {})

    def explained(self) -> str | None:
        """Return the detail with a line for each name that the user gave; rootstream.engine.faults reads them."""
        lines = [f"Asked for {name}: {text}" for name, text in self.asked.items()]
        return "\n".join([*([self.detail] if self.detail else []), *lines]) or None
