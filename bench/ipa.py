"""Ironic's agent in memory: examples/ipa beside an ordinary Debian with the same agent.

For each: the sizes, the seconds from QEMU's start to the first HTTP answer of the agent, and the least memory that
it answers with. The ordinary one has Debian's stock kernel with all of its modules, a full systemd with what
belongs to it, and nothing dropped but manuals; its agent, tools and configuration are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "ipa"
TARGETS = ("ipa", "ipa@small", "stock")
MEMORY = (256, 288, 320, 352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1280, 1536, 2048)
CHECK = """\
    checks:
      - http: {path: /v1/status, port: 9999, body: '"version": "13'}
        within: 300s
"""
STOCK = """\
  stock:
    arch: x86_64
    root:
      debian:
        suite: trixie
        packages: [systemd-sysv, udev, login, openssh-server, iproute2, python3, dmidecode, dosfstools, e2fsprogs,
                   efibootmgr, gdisk, hdparm, ipmitool, lshw, mdadm, nvme-cli, parted, pciutils, qemu-utils,
                   smartmontools, init, dbus, libpam-systemd, systemd-resolved, systemd-timesyncd, polkitd, cron,
                   rsyslog, kmod, less, nano, procps, sudo, wget, ca-certificates]
    kernel: {debian: linux-image-amd64}
    layers:
      - python:
          install: [ironic-python-agent==13.0.0]
          constraints: [agent/upper-constraints.txt]
      - overlay: overlay
      - hostname: stock
      - services:
          - name: ironic-python-agent
            command: exec ironic-python-agent --config-file /etc/ironic-python-agent/agent.conf
    images: [kernel, {initramfs: {compression: zstd, level: 9}}]
    machine:
      memory: 2048M
      nics: [{model: virtio}, {model: e1000}]
      timeout: 500
"""


def rootstream(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb in a project."""
    argv = [sys.executable, "-m", "rootstream", *words]
    return subprocess.run(
        argv, cwd=folder, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def project(folder: Path) -> Path:
    """Make a copy of the example with one check, and the ordinary system beside it."""
    made = Path(shutil.copytree(EXAMPLE, folder / "ipa", ignore=shutil.ignore_patterns("out", ".rootstream")))
    text = (made / "system.yaml").read_text().partition("      buildroot:\n")[0]
    checks = re.compile(r"^    checks:\n(?:^      .*\n|^\n)+", re.MULTILINE)
    (made / "system.yaml").write_text(checks.sub(f"{CHECK}\n", text, count=1) + STOCK + CHECK)
    return made


def answered(folder: Path, target: str, memory: int) -> float | None:
    """Boot a system with so many MB; return the seconds to the agent's first answer, or None."""
    path = folder / "system.yaml"
    path.write_text(re.sub(r"memory: \d+M", f"memory: {memory}M", path.read_text()))
    done = rootstream(folder, "verify", target)
    if done.returncode != 0:
        return None
    told = json.loads((folder / "out" / target / "verify" / "boot.json").read_text())
    (check,) = told["boots"][0]["checks"]
    return float(check["elapsed"])


def least(folder: Path, target: str) -> int | None:
    """Return the least of MEMORY with which the agent answers, by halving."""
    low, high = -1, len(MEMORY)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if answered(folder, target, MEMORY[middle]) else (middle, high)
    return MEMORY[high] if high < len(MEMORY) else None


def sizes(folder: Path, target: str) -> dict[str, int]:
    """Return the bytes of the exported files."""
    manifest = json.loads((folder / "out" / target / "manifest.json").read_text())
    return {each["kind"]: each["size"] for each in manifest["files"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="boots whose median is told; 0: none")
    parser.add_argument("--least", action="store_true", help="also look for the least memory (half an hour)")
    parser.add_argument("--work", type=Path, help="a folder that stays, so that a second run builds nothing")
    parser.add_argument("--prepare", action="store_true", help="only build")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ipa-") as scratch:
        place = options.work or Path(scratch)
        folder = place / "ipa" if (place / "ipa").is_dir() else project(place)
        for words in (("update", "--missing"), ("build",)):
            done = rootstream(folder, *words, *TARGETS)
            if done.returncode != 0:
                sys.exit(done.stdout + done.stderr)
        for target in TARGETS if options.rounds and not options.prepare else ():
            taken = [seconds for _ in range(options.rounds) if (seconds := answered(folder, target, 2048))]
            files = {kind: f"{size / 1e6:.1f} MB" for kind, size in sizes(folder, target).items()}
            print(target, files, f"answers after {statistics.median(taken):.1f} s", taken, flush=True)
        for target in TARGETS if options.least else ():
            print(target, f"answers with {least(folder, target)} MB, not with the next less", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
