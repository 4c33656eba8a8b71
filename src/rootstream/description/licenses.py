"""Which licenses a system may have in its images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rootstream.description.system import Means, Model, OneLine

LicensePattern = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9.*-]{1,200}( WITH [A-Za-z0-9.*-]{1,200})?$"),
    Means("an SPDX identifier such as GPL-3.0-only, or a pattern such as AGPL-*"),
]


class LicenseException(Model):
    """A component that may have a license in spite of the policy."""

    component: OneLine
    """Name of the component, or a pattern such as `gcc-*-base`."""
    license: LicensePattern = "*"
    """License that it may have; by default any."""
    unknown: bool = False
    """Also accept that its license is unknown."""
    reason: OneLine
    """Why."""


class Licenses(Model):
    """Which licenses the components of the images may have; `rootstream licenses` reports conflicts."""

    allow: tuple[LicensePattern, ...] = ()
    """SPDX identifiers or patterns of the licenses that are allowed; by default all that `deny` does not name."""
    deny: tuple[LicensePattern, ...] = ()
    """Those that are not, even if `allow` has them."""
    unknown: Literal["allow", "deny"] = "allow"
    """What an unknown license is."""
    exceptions: tuple[LicenseException, ...] = ()
    """Components that the policy does not apply to, with a reason."""
