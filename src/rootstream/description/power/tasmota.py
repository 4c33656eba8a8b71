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
    """A smart plug, or a strip of them, with the firmware Tasmota, over HTTP.

    A plug can't tell the machine what to do: have its firmware start it when power comes back, and boot from the
    network first.
    """

    word: ClassVar[str] = "tasmota"
    url: Url
    """The plug, such as `http://10.0.0.20`."""
    outlet: Annotated[int, Field(ge=1, le=32)] | None = None
    """Which of its outlets (Tasmota's `Power1`, `Power2` ...); by default the only one, or the first."""
    user: Annotated[str, Field(pattern=r"^[!-~]{1,32}$"), Means("the name of a user")] = "admin"
    """Who logs in, where the plug has a password."""
    password_file: ProjectFile | None = None
    """File with the password; keep it out of version control. Tasmota takes it in the address that it is asked
    for."""
    pause: Duration = 5.0
    """How long the machine stays off when it is switched off and on."""
    timeout: Duration = 10.0
    """How long an answer may take."""

    @override
    def problems(self, machine: NetMachine, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
        if self.password_file is None and "user" in self.model_fields_set:
            message = "user: without a `password_file:` nobody logs in"
            yield UserError("bad-value", message, where=at(node, *path, "user"))
