"""Bills of materials of exports: the file beside the images, and what `rootstream sbom` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rootstream.project.manifest import NAME as MANIFEST

NAME = "sbom.cdx.json"
Form = Literal["cyclonedx", "spdx"]


def beside(data: Mapping[str, Any], listed: Path | None) -> dict[str, bytes]:
    """Return the files that an export gets for its manifest and the list of its root's files, if it has one."""
    return {NAME: of(data, listed, Path(MANIFEST), "cyclonedx")}


def of(data: Mapping[str, Any], listed: Path | None, place: Path, form: Form) -> bytes:
    """Return the bill of materials of a manifest, which was read at `place`.

    Raises `UserError` bad-manifest, bad-inventory.
    """
    from rootstream.report import components, inventory  # noqa: PLC0415  (a build that does nothing waits for none)

    known = inventory.read(listed, files=False) if listed else None
    system = components.system(data, known, place)
    if form == "spdx":
        from rootstream.report import spdx_document  # noqa: PLC0415  (a quarter of a second to import)

        return spdx_document.document(system)
    from rootstream.report import cyclonedx_bom  # noqa: PLC0415

    return cyclonedx_bom.document(system)


def of_export(folder: Path, form: Form) -> bytes:
    """Return the bill of materials of an exported folder. Raises as `components.find` and `of` do."""
    from rootstream.report import components  # noqa: PLC0415

    data, listed = components.find(folder)
    return of(data, listed, folder / MANIFEST, form)
