"""A base for sandboxes of the host's own shell and a few tools, for elements that need no more."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("sh", "sleep", "cat", "mkdir", "cp", "ls", "rm", "touch", "seq", "chmod", "ln", "head", "date", "tar")


def make_base(base: Path) -> None:
    """Copy the host's shell and a few tools with the libraries that they need."""
    for name in PROGRAMS:
        found = shutil.which(name, path="/usr/bin:/bin")
        assert found is not None
        program = Path(found).resolve()
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for path in [*map(Path, re.findall(r"(/[^\s:]+)", libraries)), program]:
            target = base / "bin" / name if path == program else base / path.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755)
    (base / "tmp").mkdir()
