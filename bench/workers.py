"""Elements built by the machines behind a server of remote execution: seconds of those that sleep and that work.

Run it once with each number of workers: `python bench/workers.py URL`. Nothing is cached before: each run has
elements of its own. `work` counts in the shell, as long as `--seconds` says when it runs alone on this machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.hostbase import make_base

LOOP = "i=0; while [ $i -lt {count} ]; do i=$((i+1)); done"
TRIED = 200_000


def commands(seconds: float) -> dict[str, str]:
    """Return the command of each kind of element, which takes so many seconds alone."""
    began = time.monotonic()
    subprocess.run(["/bin/sh", "-c", LOOP.format(count=TRIED)], check=True)
    count = int(TRIED * seconds / (time.monotonic() - began))
    return {"sleep": f"sleep {seconds:g}", "work": LOOP.format(count=count)}


def make_project(folder: Path, command: str, count: int) -> None:
    """Write a project of so many elements that run a command, and one that has them all."""
    (folder / "elements").mkdir(parents=True)
    (folder / "project.conf").write_text("name: workers\nmin-version: 2.4\nelement-path: elements\n")
    (folder / "elements" / "base.bst").write_text("kind: import\nsources: [{kind: local, path: base}]\n")
    make_base(folder / "base")
    names = [f"part{number}.bst" for number in range(count)]
    for name in names:
        steps = f'["{command}", "mkdir -p %{{install-root}}", "echo {uuid.uuid4()} > %{{install-root}}/{name}"]'
        text = f"kind: manual\nbuild-depends: [base.bst]\nconfig: {{install-commands: {steps}}}\n"
        (folder / "elements" / name).write_text(text)
    (folder / "elements" / "all.bst").write_text(f"kind: stack\ndepends: [{', '.join(names)}]\n")


def measure(url: str, command: str, count: int, at_once: int, scratch: Path) -> float:
    """Return the seconds of a build by the workers of a server."""
    make_project(scratch / "project", command, count)
    environment = {
        **os.environ,
        "ROOTSTREAM_CACHE": str(scratch / "cache"),
        "ROOTSTREAM_WORKERS_URL": url,
        "ROOTSTREAM_WORKERS_AT_ONCE": str(at_once),
        "ROOTSTREAM_WORKERS_JOBS": "1",
    }
    argv = [sys.executable, "-m", "rootstream", "build", "all.bst"]
    began = time.monotonic()
    done = subprocess.run(
        argv,
        cwd=scratch / "project",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - began
    if done.returncode != 0 or "building here" in done.stderr:
        sys.exit(f"the build failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="of the server")
    parser.add_argument("--elements", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=4.0, help="that each element takes")
    parser.add_argument("--at-once", type=int, default=8, help="elements that the client has built at once")
    parser.add_argument("--kinds", nargs="*", default=["sleep", "work"], choices=["sleep", "work"])
    options = parser.parse_args()
    found = commands(options.seconds)
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(prefix="workers-") as scratch:
            took = measure(options.url, found[kind], options.elements, options.at_once, Path(scratch))
        alone = options.elements * options.seconds
        print(
            f"{kind:6} {options.elements} elements of {options.seconds:g} s ({alone:g} s): {took:.1f} s",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
