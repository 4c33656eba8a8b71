"""What every check is: its name in reports, what it needs of the machine, and the rules that it has to keep."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from rootstream.description.kinds import Kind
from rootstream.description.system import Duration
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System


class CheckKind(Kind):
    """A kind of check; its word is one of its fields. How it is made is told by the module `runner`."""

    runner: ClassVar[str | None] = None
    """Module with `run`; by default that of its word in rootstream.boot.checks."""
    logs_in: ClassVar[bool] = False
    """Whether somebody is logged in for it."""
    needs_console: ClassVar[bool] = False
    """Whether it is about the console itself, so that a shell by SSH is not enough."""
    needs_virtual: ClassVar[bool] = False
    """Whether only a virtual machine can show it."""
    works_after_end: ClassVar[bool] = False
    """Whether it can be made when the machine is off: it is about what has been."""

    within: Duration = 60.0
    """Time limit."""
    name: str | None = None
    """Name of the check in reports."""

    @property
    def title(self) -> str:
        """What it is called in reports where it has no `name`."""
        return f"{self.kind}: {getattr(self, self.kind)}"

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports of the system that it connects to."""
        return ()

    def patterns(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        """Yield the regular expressions in it, with the words that lead to them."""
        yield from ()

    def problems(self, system: System, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        """Yield every rule that it breaks; `node` is the system's YAML, `path` leads to this check in it."""
        if self.ports and all(nic.model == "none" for nic in system.machine.nics):
            message = "this check needs a network card, and the machine has none"
            yield UserError("bad-value", message, where=at(node, *path))
        for pattern, steps in self.patterns():
            why = _why_no_pattern(pattern or "")
            if why:
                message = f"{steps[-1]}: not a regular expression: {why}"
                yield UserError("bad-value", message, where=at(node, *path, *steps))


def _why_no_pattern(pattern: str) -> str | None:
    """Return why a text is no regular expression, or None for one that is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what another Python may read otherwise
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None
