"""Power control `redfish`: a BMC that speaks Redfish."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from rootstream.description.power.base import PowerKind, Url
from rootstream.description.system import Duration, Means, ProjectFile


class Redfish(PowerKind):
    """Redfish, the successor of IPMI, over HTTP(S)."""

    word: ClassVar[str] = "redfish"
    url: Url
    """URL of the BMC, such as `https://10.0.0.9`."""
    system: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,128}$"), Means("the name of a system")] | None = None
    """Name of the system on the BMC; by default the only one."""
    user: Annotated[str, Field(pattern=r"^[!-9;-~]{1,64}$"), Means("the name of a user")] | None = None
    """User to log in as."""
    password_file: ProjectFile | None = None
    """File with the password; keep it out of version control."""
    verify: bool = True
    """Verify the TLS certificate of the BMC."""
    timeout: Duration = 30.0
    """Time limit for a response."""
