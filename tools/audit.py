"""Look the locked packages up among known vulnerabilities: `python tools/audit.py FOLDER` (`make audit`).

pip-audit of the Python Packaging Authority does it, the newest one, in an environment of its own in FOLDER. The
status is 1 where one has a vulnerability, 3 where the package index gives no answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

LOCKED = Path(__file__).with_name("requirements-dev.txt")
UNKNOWN = 3


class Vulnerability(TypedDict):
    """What is known of one, and the versions without it."""

    id: str
    fix_versions: list[str]


class Package(TypedDict, total=False):
    """What pip-audit says of a package: `skip_reason` where it could not be looked up."""

    name: str
    version: str
    skip_reason: str
    vulns: list[Vulnerability]


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return (text.strip() or "it does not say why").splitlines()[-1]


def tool(folder: Path) -> str | None:
    """Return a Python that has pip-audit: the newest where it can be had, else one of before, else none."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    newest = [str(python), "-m", "pip", "install", "--quiet", "--upgrade", "pip-audit"]
    installed = subprocess.run(newest, capture_output=True, text=True, check=False)
    if installed.returncode == 0:
        return str(python)
    there = subprocess.run([python, "-m", "pip_audit", "--version"], capture_output=True, check=False)
    if there.returncode == 0:
        return str(python)
    sys.stdout.write(f"pip-audit cannot be installed: {last_line(installed.stderr)}\n")
    return None


def main(folder: Path) -> int:
    """Say what is known."""
    python = tool(folder)
    if python is None:
        return UNKNOWN
    argv = [python, "-m", "pip_audit", "--require-hashes", "--disable-pip", "-r", str(LOCKED)]
    words = ("--progress-spinner", "off", "--format", "json")
    done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.stdout.write(f"pip-audit has no answer: {last_line(done.stderr)}\n")
        return UNKNOWN
    found: list[Package] = json.loads(done.stdout)["dependencies"]
    asked = [each for each in found if "skip_reason" not in each]
    bad = [each for each in asked if each["vulns"]]
    for each in bad:
        for one in each["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version"
            sys.stdout.write(f"{each['name']} {each['version']}: {one['id']}, fixed in {fixed}\n")
    sys.stdout.write(
        f"of {len(found)} packages, {len(asked)} were looked up, {len(bad)} have known vulnerabilities\n"
    )
    if bad:
        return 1
    return 0 if len(asked) == len(found) else UNKNOWN


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
