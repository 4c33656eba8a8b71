"""Power control `tasmota`: a smart plug with the firmware Tasmota."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from rootstream.description.power.base import PowerKind, Url
from rootstream.description.system import Duration, Means, ProjectFile
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.machines import NetMachine


class Tasmota(PowerKind):
    """A smart plug or power strip with Tasmota firmware, over HTTP.

    A plug only switches the power: set the machine's firmware to power on when power returns, and to boot from the
    network first.
    """

    word: ClassVar[str] = "tasmota"
    url: Url
    """URL of the plug, such as `http://10.0.0.20`."""
    outlet: Annotated[int, Field(ge=1, le=32)] | None = None
    """Number of the outlet (Tasmota's `Power1`, `Power2` ...); by default the only one, or the first."""
    user: Annotated[str, Field(pattern=r"^[!-~]{1,32}$"), Means("the name of a user")] = "admin"
    """User to log in as, if the plug has a password."""
    password_file: ProjectFile | None = None
    """File with the password; keep it out of version control. Tasmota expects it in the URL of each request."""
    pause: Duration = 5.0
    """How long the machine stays off in a power cycle."""
    timeout: Duration = 10.0
    """Time limit for a response."""

    @override
    def problems(self, machine: NetMachine, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if self.password_file is None and "user" in self.model_fields_set:
            message = "user: it has no effect without `password_file:`"
            yield UserError("bad-value", message, where=at(node, *path, "user"))
