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


def main(folder: Path) -> int:
    """Say what is known."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip-audit"], check=True)
    argv = [str(python), "-m", "pip_audit", "--require-hashes", "--disable-pip", "-r", str(LOCKED)]
    words = ("--progress-spinner", "off", "--format", "json")
    done = subprocess.run([*argv, *words], stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
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
