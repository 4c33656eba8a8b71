"""Every measurement, one after the other: `make bench`. What lacks a program is left out, by name.

Two want what is not at hand: `debian.py` a checkout of mkosi (without one, only mmdebstrap is beside it), and
`buildroot.py` a project on a tree, so that it is not among them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS = (
    (["build.py", "--cold"], ("bwrap", "qemu-system-x86_64")),
    (["package_set.py"], ("mmdebstrap",)),
    (["netboot.py"], ("dnsmasq", "nginx", "unshare", "ip")),
    (["netboots.py"], ("dnsmasq", "qemu-system-x86_64", "unshare", "ip")),
    (["overlay.py", "hello"], ("bwrap", "qemu-system-x86_64")),
    (["debian.py"], ("bwrap", "mmdebstrap")),
    (["ipa.py"], ("bwrap", "qemu-system-x86_64")),
    (["contents.py"], ()),
    (["disk_image.py"], ("mke2fs", "mkfs.fat", "mcopy", "mkswap", "sfdisk", "syslinux")),
)


def main() -> int:
    """Run them all; return 1 if one failed."""
    failed = 0
    for words, needs in RUNS:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
        missing = [name for name in needs if not shutil.which(name, path=path)]
        print(f"== {' '.join(words)}", flush=True)
        if missing:
            print(f"left out: {', '.join(missing)} not installed", flush=True)
            continue
        failed |= subprocess.run([sys.executable, str(HERE / words[0]), *words[1:]], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
