"""Power control `ipmi`: a BMC that speaks IPMI 2.0."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from rootstream.description.power.base import PowerKind
from rootstream.description.system import Duration, Means, Port, ProjectFile


class Ipmi(PowerKind):
    """IPMI 2.0 over the network, with ipmitool."""

    word: ClassVar[str] = "ipmi"
    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,250}$"), Means("the name or address of the BMC")]
    """Address of the BMC."""
    port: Port = 623
    """Port of the BMC."""
    user: Annotated[str, Field(pattern=r"^[!-~]{1,16}$"), Means("the name of a user")] = "ADMIN"
    """User to log in as."""
    password_file: ProjectFile
    """File with the password; keep it out of version control."""
    timeout: Duration = 30.0
    """Time limit for a command."""
