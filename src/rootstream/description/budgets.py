"""How large a system may become: what is larger fails its build."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from rootstream.description.system import Model, OneLine, Size

MOST = 1000


class Budgets(Model):
    """How large images and what is in them may become. A build that exceeds one fails; out/ stays as it was."""

    images: Annotated[dict[OneLine, Size], Field(max_length=MOST)] = {}
    """Bytes of exported files, by kind, file name or pattern of names."""
    root: Size | None = None
    """Bytes of all files in the root, before images compress them."""
    components: Annotated[dict[OneLine, Size], Field(max_length=MOST)] = {}
    """Bytes of the files in the root that a component has brought, by its name; of a pattern such as `python3*`,
    all that fit together."""

    def of_image(self, name: str, kind: str) -> dict[str, int]:
        """Return the budgets that an image has, by their keys."""
        return {key: most for key, most in self.images.items() if key == kind or fnmatchcase(name, key)}
