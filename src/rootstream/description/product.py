"""What a system is as a product, and the terms of software of the project, for bills of materials."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from rootstream.description.system import Means, Model, OneLine

LONGEST = 1000


def _expression(value: str) -> str:
    """Return an SPDX license expression as SPDX writes it; its library is loaded only where there is one."""
    from license_expression import ExpressionError, get_spdx_licensing  # noqa: PLC0415

    if len(value) > LONGEST:
        raise ValueError(f"expected an SPDX license expression of at most {LONGEST} characters")
    licensing = get_spdx_licensing()
    try:
        parsed = licensing.parse(value)
        unknown = [each for each in licensing.unknown_license_keys(parsed) if not each.startswith("LicenseRef-")]
    except (ExpressionError, AttributeError, TypeError) as error:
        raise ValueError(f"{value!r} is not an SPDX license expression such as `MIT OR Apache-2.0`") from error
    if parsed is None or unknown:
        names = ", ".join(unknown) or repr(value)
        raise ValueError(f"{names}: not an identifier of the SPDX license list, and not `LicenseRef-...`")
    return str(parsed.render())


License = Annotated[
    str,
    AfterValidator(_expression),
    Means("an SPDX license expression such as MIT, or LicenseRef-proprietary for terms of your own"),
]
Cpe = Annotated[
    str,
    # a pattern with bounds for each part takes 12 ms to compile, for each model that it is in
    Field(pattern=r"^cpe:2\.3:[aho](:[^:\s]+){10}$", max_length=LONGEST),
    Means("a CPE such as cpe:2.3:o:example:gateway:1.4:*:*:*:*:*:*:*"),
]


class Product(Model):
    """The system as a product, as its bill of materials names it."""

    name: OneLine | None = None
    """Name of the product; by default that of the system."""
    version: OneLine | None = None
    """Version of the product."""
    supplier: OneLine | None = None
    """Who supplies it: a person or an organization."""
    license: License | None = None
    """Terms of the project's own files in it, as an SPDX license expression."""
    cpe: Cpe | None = None
    """Its name in vulnerability databases, if it has one."""
