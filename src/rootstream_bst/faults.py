"""What goes wrong in the parts below the plugins, which run without BuildStream too.

The plugins turn a `Fault` into a `SourceError` with the same reason and detail.
"""

from __future__ import annotations


class Fault(Exception):  # noqa: N818  (the mistakes of others, not a defect)
    """Something that the user, the mirror or an archive got wrong.

    `reason` is a stable kebab-case word, `detail` longer text, `temporary` says that trying again may help.
    """

    def __init__(self, reason: str, message: str, *, detail: str | None = None, temporary: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail
        self.temporary = temporary
