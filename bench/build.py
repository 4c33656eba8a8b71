"""Builds of examples/hello beside the same work without Rootstream, in one run: ratios and sizes as a table.

    python bench/build.py [--cold]

- nothing to do: `rootstream build` beside `bst build` of the same plan
- cold (`--cold`, ten minutes): everything from an empty cache, beside `make` of the same kernel, BusyBox and
  musl by hand, one after the other, with as many jobs as cores, in the same base, without sandbox and store
- sizes, and the time from QEMU's start and from the kernel's start to `Hello World!`
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from rootstream.engine import Engine, settings_from
from rootstream.engine.settings import configuration

ROOT = Path(__file__).resolve().parents[1]
HELLO = ROOT / "examples" / "hello"


def timed(argv: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> float:
    """Run a command and return how long it took, in seconds."""
    begun = time.monotonic()
    done = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{argv}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return time.monotonic() - begun


def rootstream(*words: str) -> list[str]:
    return [sys.executable, "-m", "rootstream", *words]


def nothing_to_do(folder: Path) -> list[str]:
    conf = folder / "bench.conf"
    conf.write_text(configuration(settings_from(os.environ), mark=None))
    plan = folder / ".rootstream" / "plan"
    bst = [
        sys.executable,
        "-m",
        "buildstream",
        "--config",
        str(conf),
        "--no-interactive",
        "build",
        "system-hello.bst",
    ]
    ours = statistics.median(timed(rootstream("build", "hello"), folder) for _ in range(5))
    theirs = statistics.median(timed(bst, plan) for _ in range(5))
    return [f"nothing to do: rootstream {ours:.2f} s, bst build {theirs:.2f} s: {ours / theirs:.2f} x"]


BY_HAND = """
set -e
export SOURCE_DATE_EPOCH=1735689600 PYTHONPATH=/tools LC_ALL=C
cd /build
step() { name=$1; shift; b=$(date +%s.%N); "$@" >/build/$name.log 2>&1; e=$(date +%s.%N); echo "$name $b $e"; }
mkdir linux musl busybox build
tar -xf linux.tar -C linux --strip-components=1
tar -xf musl.tar -C musl --strip-components=1
tar -xf busybox.tar -C busybox --strip-components=1
configure() { python3 -m rootstream.sandbox.kconfig.configure configure "$@" >/dev/null; }
configure --kind linux --tree linux --arch x86 --base tinyconfig --fragment a=/plan/linux/0.config \
    --fragment b=/plan/linux/1.config --report k.json
step linux make -C linux -j$JOBS ARCH=x86 bzImage
cd build; ../musl/configure --prefix=/opt/musl --syslibdir=/opt/musl/lib --disable-shared >/dev/null 2>&1; cd ..
step musl make -C build -j$JOBS
make -C build install >/dev/null 2>&1
cp -rL --no-clobber /usr/include/linux /usr/include/asm-generic /usr/include/mtd /opt/musl/include/
cp -rL --no-clobber /usr/include/x86_64-linux-gnu/asm /usr/include/scsi /opt/musl/include/ || true
configure --kind busybox --tree busybox --arch x86_64 --base defconfig --fragment a=/plan/busybox/0.config \
    --report b.json
step busybox make -C busybox -j$JOBS CC=/opt/musl/bin/musl-gcc
"""


def cold(folder: Path) -> list[str]:
    scratch = Path(tempfile.mkdtemp(prefix="bench-cold-"))
    try:
        fresh = Path(
            shutil.copytree(folder, scratch / "hello", ignore=shutil.ignore_patterns("out", ".rootstream"))
        )
        ours = timed(rootstream("build", "hello"), fresh, {"ROOTSTREAM_CACHE": str(scratch / "cache")})
        hand = by_hand(fresh, scratch)
        total = sum(hand.values())
        parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in hand.items())
        return [f"cold: rootstream {ours:.0f} s, make by hand {total:.0f} s ({parts}): {ours / total:.2f} x"]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def by_hand(project: Path, scratch: Path) -> dict[str, float]:
    engine = Engine.of({**os.environ, "ROOTSTREAM_CACHE": str(scratch / "cache")})
    plan = project / ".rootstream" / "plan"
    base, work = scratch / "base", scratch / "work"
    engine.checkout(plan, "base.bst", base)
    work.mkdir()
    configs = scratch / "configs"
    for state in engine.show(plan, ("system-hello.bst",)):
        kind = state.name.split("-")[0]
        if kind in ("linux", "musl", "busybox"):
            sources = scratch / f"sources-{kind}"
            conf = scratch / "bench.conf"
            conf.write_text(configuration(engine.settings, mark=None))
            words = [
                "--config",
                str(conf),
                "--no-interactive",
                "source",
                "checkout",
                "--deps",
                "none",
                "--directory",
            ]
            timed([sys.executable, "-m", "buildstream", *words, str(sources), state.name], plan)
            tarball = next(sources.rglob("source.tar"))
            shutil.move(tarball, work / f"{kind}.tar")
            for path in sources.rglob("*.config"):
                place = configs / kind / path.name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
    tools = scratch / "tools" / "rootstream" / "sandbox"
    shutil.copytree(ROOT / "src" / "rootstream" / "sandbox", tools)
    (base / "build").mkdir()
    (base / "plan").mkdir()
    (base / "tools").mkdir()
    jail = [
        "bwrap",
        "--unshare-all",
        "--bind",
        str(base),
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
    ]
    jail += ["--bind", str(work), "/build", "--ro-bind", str(configs), "/plan"]
    jail += ["--ro-bind", str(scratch / "tools"), "/tools", "--setenv", "JOBS", str(len(os.sched_getaffinity(0)))]
    done = subprocess.run([*jail, "bash", "-c", BY_HAND], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr[-3000:])
    steps = (line.split() for line in done.stdout.splitlines())
    return {name: float(end) - float(begin) for name, begin, end in steps}


def sizes_and_boot(folder: Path) -> list[str]:
    out = folder / "out" / "hello"
    both = (out / "bzImage").stat().st_size + (out / "initramfs.cpio.zst").stat().st_size
    lines = [f"kernel and initramfs: {both / 1e6:.2f} MB"]
    lines.append(f"one overlay file to a new disk and initramfs: {change(folder):.1f} s")
    timed(rootstream("verify", "hello"), folder)
    for boot in json.loads((out / "verify" / "boot.json").read_text())["boots"]:
        hello = next(check for check in boot["checks"] if "Hello" in check["name"])
        lines.append(
            f"boot from {boot['kind']} ({boot['accelerator']}): up after {boot['times']['up']:.1f} s, "
            f"Hello World! {hello['elapsed']:.1f} s after QEMU's start"
        )
    return lines


def change(folder: Path) -> float:
    motd = folder / "overlay" / "etc" / "motd"
    motd.write_text(f"{time.time_ns()}\n")
    seconds = timed(rootstream("build", "hello"), folder)
    motd.unlink()
    timed(rootstream("build", "hello"), folder)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(
            shutil.copytree(HELLO, Path(scratch) / "hello", ignore=shutil.ignore_patterns("out", ".rootstream"))
        )
        timed(rootstream("build", "hello"), folder)
        for line in nothing_to_do(folder) + sizes_and_boot(folder):
            print(line, flush=True)
        if options.cold:
            for line in cold(folder):
                print(line, flush=True)


if __name__ == "__main__":
    main()
