"""What is in Buildroot's output folder at the end of a build, as JSON: to compare one build with another.

    python3 -m rootstream.sandbox.buildroot.listing OUTPUT RESULT

RESULT has an entry for each path below target/, host/ (staging is in there) and images/: its kind and mode, and
for a file its size and SHA-256 and how many names it has, for a link where it leads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import stat
from pathlib import Path

from rootstream.sandbox.buildroot.additions import walk
from rootstream.sandbox.program import CHUNK, run_main

PARTS = ("target", "host", "images")


def entry(path: Path) -> str:
    """Return what stands for a file, a folder or a link."""
    status = path.lstat()
    mode = stat.filemode(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return f"link -> {path.readlink()}"
    if not stat.S_ISREG(status.st_mode):
        return mode
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    names = f", {status.st_nlink} names" if status.st_nlink > 1 else ""
    return f"{mode} {status.st_size} bytes, {state.hexdigest()}{names}"


def main(options: argparse.Namespace) -> None:
    """Write the listing."""
    found = {
        f"{part}/{path}": entry(options.output / part / path)
        for part in PARTS
        for path, _ in walk(options.output / part)
    }
    options.result.write_text(json.dumps(found, indent=0, sort_keys=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="listing")
    parser.add_argument("output", type=Path)
    parser.add_argument("result", type=Path)
    raise SystemExit(run_main(main, parser))
