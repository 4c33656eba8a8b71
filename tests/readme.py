"""What stands in the README as something to type or to write into a file."""

from __future__ import annotations

import re
from pathlib import Path


def descriptions(readme: Path) -> tuple[str, ...]:
    """Return its blocks of YAML, in their order."""
    return tuple(re.findall(r"^```yaml\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL))


def first_system(readme: Path) -> str:
    """Return the first whole description."""
    return next(block for block in descriptions(readme) if block.startswith("systems:"))


def shell_lines(readme: Path) -> tuple[str, ...]:
    """Return the lines of its blocks of shell, as they are to be typed, without what is said about them."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    return tuple(re.sub(r"\s+#.*$", "", line) for block in blocks for line in block.splitlines() if line.strip())
