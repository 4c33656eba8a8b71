"""A 4 GiB disk put together our way and the usual way, side by side: seconds and bytes written.

The usual way is that of BuildStream's x86image element: a file for each partition, then `dd` of all of them into
the disk. Needs the image tools of the build base: run it in there, or name a trixie tree with `--root` to run it
under bubblewrap with one user id and no capabilities, as the build sandbox does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
MIB = 1 << 20
SECTOR = 512
BOOT, ROOT, SWAP = 252000 * 1024, 3080 * MIB, 768 * MIB
KERNEL_BYTES = 8 * MIB
FILES, LARGEST_FILE = 2000, 64 * 1024
TOOLS = ("mke2fs", "mkfs.fat", "mcopy", "mkswap", "sfdisk", "syslinux", "dd")
EPOCH = "1700000000"
MBR_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="a trixie tree with the image tools, to run in under bwrap")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="where 10 GiB have room")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="disk-image-") as folder:
        if options.root is not None:
            return in_tree(options.root, Path(folder), options)
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if "mke2fs" not in missing and not takes_tar(Path(folder)):
            missing.append("an mke2fs that takes a tar (1.47.1)")
        if missing:
            print(f"not here: {', '.join(missing)}; run this in the build base, or give --root", file=sys.stderr)
            return 2
        report(measure(Path(folder), options.rounds), as_json=options.json)
    return 0


def takes_tar(folder: Path) -> bool:
    """Whether the host's mke2fs fills a file system from an archive: 1.47.1 does, with libarchive."""
    with tarfile.open(folder / "empty.tar", "w"):
        pass
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(folder / "empty.tar"), str(folder / "empty.img"), "4M"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def in_tree(tree: Path, folder: Path, options: argparse.Namespace) -> int:
    """Run this same program with a tree as its root."""
    argv = ["bwrap", "--unshare-all", "--uid", "0", "--gid", "0", "--cap-drop", "ALL", "--ro-bind", str(tree), "/"]
    argv += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--dir", "/run/src", "--dir", "/run/bench"]
    argv += ["--ro-bind", str(SOURCE), "/run/src", "--ro-bind", str(Path(__file__).parent), "/run/bench"]
    argv += ["--tmpfs", "/tmp"]
    argv += ["--bind", str(folder), "/mnt", "--chdir", "/mnt"]
    argv += ["--clearenv", "--setenv", "PATH", "/usr/bin:/usr/sbin"]
    argv += ["--", "python3", "-B", "/run/bench/disk_image.py", "--work", "/mnt", "--rounds", str(options.rounds)]
    argv += ["--json"] if options.json else []
    return subprocess.run(argv, check=False).returncode


def measure(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    tree, kernel = payload(folder)
    ways: dict[str, Callable[[Path, Path, Path], Path]] = {"ours": ours, "usual": usual}
    seen: dict[str, list[tuple[float, int, int, int]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, build in ways.items():
            work = folder / way
            work.mkdir()
            os.sync()
            written, start = bytes_written(), time.monotonic()
            disk = build(work, tree, kernel)
            seconds = time.monotonic() - start
            status = disk.stat()
            seen[way].append((seconds, bytes_written() - written, status.st_blocks * 512, status.st_size))
            shutil.rmtree(work)
    names = ("seconds", "written", "allocated", "size")
    return {
        way: {name: statistics.median(row[column] for row in rows) for column, name in enumerate(names)}
        for way, rows in seen.items()
    } | {
        "payload": {"bytes": sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) + KERNEL_BYTES}
    }


def payload(folder: Path) -> tuple[Path, Path]:
    """Make the same pseudo-random files each time: nothing to compress, nothing to share."""
    numbers = random.Random(1)  # noqa: S311
    tree = folder / "tree"
    for number in range(FILES):
        path = tree / f"usr/share/{number % 40}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(numbers.randbytes(numbers.randrange(LARGEST_FILE)))
    for name in ("boot", "etc", "dev", "proc", "sys"):
        (tree / name).mkdir()
    kernel = folder / "vmlinuz"
    kernel.write_bytes(numbers.randbytes(KERNEL_BYTES))
    return tree, kernel


def bytes_written() -> int:
    """Return what this process and the ended ones that it started gave the file systems to write."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def run(*argv: str | Path, module: bool = False, stdin: str | None = None) -> None:
    command = [sys.executable, "-B", "-m", *map(str, argv)] if module else list(map(str, argv))
    env = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": EPOCH, "PYTHONPATH": str(SOURCE), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, input=stdin)
    if done.returncode != 0:
        raise SystemExit(f"{command}: exit status {done.returncode}\n{done.stderr}{done.stdout}")


def ours(work: Path, tree: Path, kernel: Path) -> Path:
    spec, root, disk = work / "disk.json", work / "root.tar", work / "disk.img"
    partitions = [
        {"filesystem": "vfat", "mount": "/boot", "size": BOOT},
        {"filesystem": "ext4", "mount": "/", "size": ROOT},
        {"filesystem": "swap", "size": SWAP},
    ]
    spec.write_text(json.dumps({"name": "bench", "kernel_args": "root=/dev/sda2", "partitions": partitions}))
    run("rootstream.sandbox.rootfs.assemble", "assemble", "--tree", tree, "-o", root, module=True)
    run(
        "rootstream.sandbox.images.disk",
        "make",
        "--spec",
        spec,
        "--root",
        root,
        "--kernel",
        kernel,
        "-o",
        disk,
        module=True,
    )
    return disk


def usual(work: Path, tree: Path, kernel: Path) -> Path:
    images = [work / name for name in ("boot.img", "root.img", "swap.img")]
    sizes = (BOOT, ROOT, SWAP)
    for image, size in zip(images, sizes, strict=True):
        with image.open("wb") as file:
            file.truncate(size)
        image.chmod(0o600)
    boot, root, swap = images
    config = work / "syslinux.cfg"
    config.write_text("DEFAULT linux\nLABEL linux\n  KERNEL /vmlinuz\n  APPEND root=/dev/sda2\n")
    run("mkfs.fat", boot)
    run("mmd", "-i", boot, "::/syslinux")
    run("mcopy", "-i", boot, kernel, "::/vmlinuz")
    run("mcopy", "-i", boot, config, "::/syslinux/syslinux.cfg")
    run("syslinux", "--directory", "/syslinux/", "--install", boot)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-i", "8192", "-L", "root", "-d", tree, root)
    run("mkswap", "-L", "swap", swap)
    disk = work / "disk.img"
    starts = [1, 1 + BOOT // SECTOR, 1 + (BOOT + ROOT) // SECTOR]
    with disk.open("wb") as file:
        file.truncate(SECTOR + sum(sizes))
    rows = zip(starts, sizes, ("c,bootable", "83", "82"), strict=True)
    table = "".join(f"start={start}, size={size // SECTOR}, type={kind}\n" for start, size, kind in rows)
    run("sfdisk", "-q", disk, stdin=f"label: dos\n{table}")
    for image, start in zip(images, starts, strict=True):
        run("dd", f"if={image}", f"of={disk}", f"ibs={SECTOR}", f"obs={SECTOR}", "conv=notrunc", f"seek={start}")
    run("dd", f"if={MBR_CODE}", f"of={disk}", "conv=notrunc")
    return disk


def report(found: dict[str, dict[str, float]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
        return
    content = found.pop("payload")["bytes"]
    print(f"payload {content / MIB:.0f} MiB, disk {found['ours']['size'] / MIB:.0f} MiB (median)")
    print(f"{'':8}{'seconds':>10}{'written MiB':>14}{'on disk MiB':>14}")
    for way, row in found.items():
        print(f"{way:8}{row['seconds']:>10.2f}{row['written'] / MIB:>14.0f}{row['allocated'] / MIB:>14.0f}")
    pairs = [
        (name, found["usual"][name] / max(found["ours"][name], 0.001))
        for name in ("seconds", "written", "allocated")
    ]
    print("usual / ours: " + ", ".join(f"{name} {ratio:.1f}" for name, ratio in pairs))


if __name__ == "__main__":
    sys.exit(main())
