"""What every power control is: what it needs of this host, and whose the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from rootstream.description.kinds import Kind
from rootstream.description.system import Means
from rootstream.description.yaml_nodes import Node
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.machines import NetMachine

Argument = Annotated[str, Field(pattern=r"^[^\x00\n]+$"), Means("a command argument")]
Command = Annotated[tuple[Argument, ...], Field(min_length=1, max_length=100)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$"), Means("a URL such as https://10.0.0.9")]


class PowerKind(Kind):
    """A kind of power control. What does it is the module `driver`: netboot/power/WORD.py, or a plugin's own."""

    driver: ClassVar[str | None] = None
    """Module with `switch` and `state`; by default that of its word in rootstream.netboot.power."""
    by_hand: ClassVar[bool] = False
    """Whether a person switches the machine."""
    virtual: ClassVar[bool] = False
    """Whether it is a virtual machine, which lives as long as the process that switched it on.

    Its driver has `started`, too, and what switches it is the server, or who boots it.
    """

    @property
    def interface(self) -> str | None:
        """The network interface of this host that the machine is attached to, if that is known."""
        return None

    @property
    def programs(self) -> str | None:
        """Which of its words have programs of the description run on this host, such as `power: command`."""
        return None

    def problems(
        self,
        machine: NetMachine,  # noqa: ARG002
        node: Node,  # noqa: ARG002
        path: tuple[str | int, ...],  # noqa: ARG002
    ) -> Iterator[UserError]:
        """Yield every rule that it breaks; `node` is the file's YAML, `path` leads to its words in it."""
        yield from ()
