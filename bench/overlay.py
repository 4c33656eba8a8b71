"""A file of an overlay changed, to a booted and checked system: seconds of `rootstream verify`, BusyBox examples.

Everything else was built before. All boots of a target count, and the whole of its checks: `hello` boots from its
disk and from its initramfs. Byte code of Python is kept, as it is where nobody forbids it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"
TARGETS = {
    "hello": ("hello", "hello@uefi", "hello@live", "hello@aarch64", "hello@riscv64"),
    "appliance": ("appliance", "appliance@riscv64", "appliance@x86_64"),
    "capsule": ("riscv64gc", "riscv64imac", "riscv32imac"),
}


def rootstream(folder: Path, *words: str) -> float:
    """Run a verb in a project and return its seconds."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "rootstream", *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"rootstream {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - began


def measure(folder: Path, target: str, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of builds alone, and of builds with boots and checks."""
    rootstream(folder, "verify", target)
    built: list[float] = []
    checked: list[float] = []
    for seconds, verb in ((built, "build"), (checked, "verify")) * rounds:
        (folder / "overlay" / "etc" / "changed").write_text(f"{random.random()}\n")  # noqa: S311
        seconds.append(rootstream(folder, verb, target))
    return built, checked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prepare", action="store_true", help="only build what the measurement needs")
    parser.add_argument(
        "names", nargs="*", metavar="EXAMPLE[:TARGET]", help=f"of {', '.join(TARGETS)}; all if none is named"
    )
    options = parser.parse_args()
    for name, _, one in (each.partition(":") for each in options.names or TARGETS):
        source = EXAMPLES / name
        targets = (one,) if one else TARGETS[name]
        rootstream(source, "update", "--missing", *targets)
        with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
            ignored = shutil.ignore_patterns("out", ".rootstream")
            folder = Path(shutil.copytree(source, Path(scratch) / name, ignore=ignored))
            (folder / "overlay" / "etc").mkdir(parents=True, exist_ok=True)
            for target in targets:
                if options.prepare:
                    rootstream(folder, "build", target)
                    continue
                built, checked = measure(folder, target, options.rounds)
                shown = ", ".join(f"{each:.1f}" for each in checked)
                print(
                    f"{target:20} build {statistics.median(built):5.1f} s   "
                    f"booted and checked {statistics.median(checked):5.1f} s   ({shown})",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
