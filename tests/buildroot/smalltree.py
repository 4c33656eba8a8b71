"""A tree of the shape of Buildroot that every machine can build from: `small/` beside this, with a real Kconfig.

Kconfig's sources, of the generation that Buildroot's are from, come out of Debian's source package of SeaBIOS and
stay in a cache, so that the tests run offline afterwards.

    python -m tests.buildroot.smalltree FOLDER    makes such a tree, to try things by hand
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from pathlib import Path

from rootstream.buildroot.sources import transfer
from rootstream.errors import UserError
from rootstream.fetch import mirrors

SMALL = Path(__file__).with_name("small")
POOL = "pool/main/s/seabios/seabios_1.16.2.orig.tar.gz"
SHA256 = "efa8d529442ad168056f94ac6666b1b3543c62ff7af6d9e020561f4d0e32f959"
KCONFIG = "seabios-1.16.2/scripts/kconfig/"
# What tells explain.c that this Kconfig knows neither `imply` nor `<`.
OLDER = "#ifndef OLD_KCONFIG\n#define OLD_KCONFIG\n#endif\n"
# Symbols of a system without packages, and of one that boots nowhere but has all that images are made of.
DEFCONFIG = "BR2_x86_64=y\n# BR2_TARGET_ROOTFS_TAR is not set\n"


def _sources() -> Path:
    """Return the tarball with Kconfig in it. Raises `UserError` when no mirror has it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rootstream" / "tests"
    kept = cache / POOL.rpartition("/")[2]
    if not kept.is_file():
        found = mirrors.addresses(POOL, mirrors.find(()))
        for url in found:
            try:
                transfer.download(url, kept, expected=SHA256)
                break
            except UserError:
                if url == found[-1]:
                    raise
    return kept


def make(folder: Path) -> Path:
    """Make the tree in a folder that is not there yet, and return it."""
    shutil.copytree(SMALL, folder)
    kconfig = folder / "support" / "kconfig"
    kconfig.mkdir()
    (folder / "support" / "Makefile.kconfig").rename(kconfig / "Makefile")
    with tarfile.open(_sources()) as archive:
        for member in archive:
            name = member.name.removeprefix(KCONFIG)
            content = archive.extractfile(member)
            if (
                content
                and member.name.startswith(KCONFIG)
                and "/" not in name
                and name.endswith((".c", ".h", "_shipped"))
            ):
                begin = OLDER.encode() if name == "lkc.h" else b""
                (kconfig / name.removesuffix("_shipped")).write_bytes(begin + content.read())
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]))
