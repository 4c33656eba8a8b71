"""Stand-ins for Buildroot's host tools, out of the host's own programs, where their sources cannot be downloaded.

    python tests/buildroot/standins.py FOLDER

FOLDER gets a source folder for each tool, which installs the host's program, and local.mk, which names them
(ROOTSTREAM_BUILDROOT_LOCAL_MK). Debian's packages fakeroot, patchelf, pkgconf and tar have the programs;
libcrypt-dev is what stands for libxcrypt.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# Buildroot's host package: the programs of the host that it installs.
TOOLS = {
    "acl": (),
    "attr": (),
    "fakeroot": ("fakeroot",),
    "libxcrypt": (),
    "patchelf": ("patchelf",),
    "pkgconf": ("pkgconf",),
    "tar": ("tar",),
}
CONFIGURE = """\
#!/bin/sh
for word in "$@"; do case $word in --prefix=*) echo "prefix = ${word#--prefix=}" > prefix.mk ;; esac; done
"""


def makefile(programs: tuple[str, ...]) -> str:
    """Return a Makefile that installs programs of the host."""
    lines = ["include prefix.mk", "all:", "\t@:", "install:", "\t@:"]
    for name in programs:
        found = shutil.which(name)
        if found is None:
            sys.exit(f"{name} is not installed here")
        lines.append(f"\tinstall -D {found} $(prefix)/bin/{name}")
    return "\n".join([*lines, ""])


def main() -> None:
    """Make the folders and local.mk."""
    folder = Path(sys.argv[1]).resolve()
    lines = []
    for name, programs in TOOLS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "configure").write_text(CONFIGURE)
        (place / "configure").chmod(0o755)
        (place / "Makefile").write_text(makefile(programs))
        lines.append(f"HOST_{name.upper()}_OVERRIDE_SRCDIR = {place}\n")
        # There are none; if this were empty, `make legal-info` would look for those of the package.
        lines.append(f"HOST_{name.upper()}_LICENSE_FILES = $(empty)\n")
    lines.append("HOST_ATTR_AUTORECONF = NO\n")  # there is nothing to make its configure of
    (folder / "local.mk").write_text("".join(lines))


if __name__ == "__main__":
    main()
