"""Power control `redfish`: a BMC that speaks Redfish."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from rootstream.description.power.base import PowerKind, Url
from rootstream.description.system import Duration, Means, ProjectFile


class Redfish(PowerKind):
    """Redfish, the successor of IPMI, over HTTP."""

    word: ClassVar[str] = "redfish"
    url: Url
    """The machine's BMC, such as `https://10.0.0.9`."""
    system: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$"), Means("the name of a system")] | None = None
    """Which of its systems; by default the only one."""
    user: Annotated[str, Field(pattern=r"^[!-9;-~]{1,64}$"), Means("the name of a user")] | None = None
    """Who logs in."""
    password_file: ProjectFile | None = None
    """File with the password; keep it out of version control."""
    verify: bool = True
    """Check the BMC's certificate."""
    timeout: Duration = 30.0
    """How long an answer may take."""
