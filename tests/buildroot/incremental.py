"""The table of docs/how-to/buildroot-rebuild.md: changes on a real tree, each beside a build from clean.

    python -m tests.buildroot.incremental FOLDER [--begin N] [--end N] [--board]

FOLDER gets the project that test_rebuild.py builds, from the tree and toolchain that CONTRIBUTING.md names; with
`--board` that of boards.py, with a kernel and U-Boot.
Each change comes after the ones before it. Prints a line of Markdown for each; exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.buildroot import boards
from tests.buildroot.conftest import BARE, TOOLCHAIN
from tests.buildroot.test_rebuild import CHANGES, project, result

PLACES = {"target": "target/", "host": "host/, staging/", "images": "images/"}


def build(box: Path) -> list[str]:
    """Build and return what was built; what installs only is not among it."""
    argv = [sys.executable, "-m", "rootstream", "build", "--json"]
    done = subprocess.run(argv, cwd=box, check=True, capture_output=True, text=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [each["element"] for each in told if each["type"] == "element-finished" and each["action"] == "build"]


def row(box: Path, name: str) -> tuple[str, bool]:
    """Return the line of a change that was made, and whether all is as from clean."""
    built = ", ".join(build(box)) or "nothing"
    after = result(box)
    shutil.rmtree(box / ".rootstream")
    build(box)
    clean = result(box)
    cells = []
    for place in PLACES:
        paths = after[place].keys() | clean[place].keys()
        wrong = sorted(path for path in paths if after[place].get(path) != clean[place].get(path))
        cells.append(f"{len(paths)}: {len(wrong)}" + (f" ({', '.join(wrong[:3])})" if wrong else ""))
    return f"| {name} | {built} | {' | '.join(cells)} |", after == clean


def packages(folder: Path) -> Path:
    """Write the project of small packages and return its folder."""
    local = os.environ.get("ROOTSTREAM_BUILDROOT_LOCAL_MK")
    override = f'BR2_PACKAGE_OVERRIDE_FILE="{local}"\n' if local else ""
    toolchain = TOOLCHAIN.format(toolchain=os.environ["ROOTSTREAM_BUILDROOT_TOOLCHAIN"])
    return project(folder, Path(os.environ["ROOTSTREAM_BUILDROOT"]), toolchain + BARE + override)


def main() -> int:
    """Make the project and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--end", type=int)
    parser.add_argument("--board", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    folder = options.folder.absolute()
    box = boards.project(folder) if options.board else packages(folder)
    found = boards.CHANGES if options.board else {name: change for name, (change, _) in CHANGES.items()}
    changes = list(found.items())
    for _, change in changes[: options.begin]:
        change(box)
    build(box)
    right = True
    for name, change in changes[options.begin : options.end]:
        change(box)
        line, same = row(box, name)
        right = right and same
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
