"""An external toolchain for Buildroot out of Debian's own compiler, where no toolchain can be downloaded.

    python tests/buildroot/toolchain.py FOLDER [--arch x86_64|riscv64|powerpc]

FOLDER gets bin/ARCH-linux-PROGRAM (wrappers of Debian's gcc and binutils) and sysroot/ (its C library and headers,
paths inside made relative). Needs the compiler installed, and apt-get download for the sysroot. C only.
"""

from __future__ import annotations

import argparse
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

# Our word: Debian's triplet, its architecture and suffix of cross packages, the tuple that Buildroot will call for.
ARCHES = {
    "x86_64": ("x86_64-linux-gnu", "amd64", "x86_64-linux"),
    "riscv64": ("riscv64-linux-gnu", "riscv64", "riscv64-linux"),
    "powerpc": ("powerpc-linux-gnu", "powerpc", "powerpc-linux"),
}
BINUTILS = ("ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "size", "strings", "strip")
GCC_TOOLS = ("gcc-ar", "gcc-nm", "gcc-ranlib")

# gcc is made to look into the sysroot only, wherever Buildroot copies that; `-v` must not show that it was
# configured for `/`, which Buildroot's check of external toolchains would take for a compiler of the host.
WRAPPER = r"""#!/bin/bash
here=$(dirname "$(dirname "$(readlink -f "$0")")")
sysroot=$here/sysroot
words=()
while [ $# -gt 0 ]; do
    case $1 in
        --sysroot=*) sysroot=${1#--sysroot=} ;;
        --sysroot) shift; sysroot=$1 ;;
        -fopenmp) echo "gcc: error: no OpenMP in this toolchain" >&2; exit 1 ;;
        *) words+=("$1") ;;
    esac
    shift
done
case " ${words[*]} " in
    *" -print-sysroot "*) echo "$sysroot"; exit 0 ;;
esac
own=$(%(gcc)s -print-libgcc-file-name)
flags=(--sysroot="$sysroot" -B"$sysroot/usr/lib/" -isystem "$(dirname "$own")/include"
       -isystem "$sysroot/usr/include")
if [ "${words[*]}" = -v ] || [ "${words[*]}" = --version ]; then
    exec %(gcc)s "${words[@]}" 2> >(sed 's@--with-sysroot=/ @@' >&2)
fi
case " ${words[*]} " in
    *" -nostdinc "*) flags=(--sysroot="$sysroot" -B"$sysroot/usr/lib/") ;;
esac
exec %(gcc)s -L"$sysroot/usr/lib" "${flags[@]}" "${words[@]}"
"""


def run(*argv: str, cwd: Path | None = None) -> str:
    """Run a program and return what it printed."""
    return subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True).stdout


def packages(arch: str) -> list[str]:
    """Return the packages that the sysroot is unpacked from."""
    if arch == "x86_64":
        return ["libc6", "libc6-dev", "linux-libc-dev", "libgcc-s1"]
    debian = ARCHES[arch][1]
    return [f"libc6-{debian}-cross", f"libc6-dev-{debian}-cross", f"linux-libc-dev-{debian}-cross",
            f"libgcc-s1-{debian}-cross"]


def sysroot(place: Path, arch: str) -> None:
    """Fill a sysroot with a merged usr/lib."""
    triplet = ARCHES[arch][0]
    lib, include = place / "usr" / "lib", place / "usr" / "include"
    lib.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        run("apt-get", "download", *packages(arch), cwd=Path(scratch))
        root = Path(scratch) / "root"
        for deb in sorted(Path(scratch).glob("*.deb")):
            run("dpkg-deb", "-x", str(deb), str(root))
        native = arch == "x86_64"
        folders = [root / "lib" / triplet, root / "usr/lib" / triplet] if native else [root / "usr" / triplet / "lib"]
        for folder in folders:
            if folder.is_dir():
                shutil.copytree(folder, lib, symlinks=True, dirs_exist_ok=True)
        headers = [root / "usr/include", root / "usr/include" / triplet]
        for folder in headers if native else [root / "usr" / triplet / "include"]:
            shutil.copytree(folder, include, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(include / triplet, ignore_errors=True)
    for path in list(lib.rglob("*")):
        if path.is_symlink() and str(path.readlink()).startswith("/"):
            name = path.readlink().name
            path.unlink()
            path.symlink_to(name)
        elif path.suffix == ".so" and path.is_file() and path.read_bytes()[:4] != b"\x7fELF":
            text = path.read_text()
            for prefix in (f"/usr/lib/{triplet}/", f"/lib/{triplet}/", f"/usr/{triplet}/lib/", "/lib64/"):
                text = text.replace(prefix, "")
            path.write_text(text)
        elif path.name.startswith("libcrypt."):
            path.unlink()
    (place / "lib").symlink_to("usr/lib")
    (place / "lib64").symlink_to("usr/lib")
    (place / "usr" / "lib64").symlink_to("lib")
    (place / "sbin").mkdir()
    loader = {"x86_64": "ld-linux-x86-64.so.2", "riscv64": "ld-linux-riscv64-lp64d.so.1", "powerpc": "ld.so.1"}[arch]
    if not (lib / loader).exists():
        sys.exit(f"the sysroot has no {loader}")


def main() -> None:
    """Make the toolchain, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", choices=sorted(ARCHES), default="x86_64")
    options = parser.parse_args()
    place: Path = options.folder.absolute()
    if (place / "complete").exists():
        return
    triplet, _, prefix = ARCHES[options.arch]
    gcc = shutil.which(f"{triplet}-gcc") or (shutil.which("gcc") if options.arch == "x86_64" else None)
    if gcc is None:
        sys.exit(f"{triplet}-gcc is not installed: apt-get install gcc-{triplet.replace('_', '-')}")
    shutil.rmtree(place, ignore_errors=True)
    (place / "bin").mkdir(parents=True)
    sysroot(place / "sysroot", options.arch)
    for name in ("gcc", "cpp", "cc"):
        path = place / "bin" / f"{prefix}-{name}"
        path.write_text(WRAPPER % {"gcc": gcc if name != "cpp" else f"{gcc} -E"})
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    for name in (*BINUTILS, *GCC_TOOLS):
        program = shutil.which(f"{triplet}-{name}")
        if program:
            (place / "bin" / f"{prefix}-{name}").symlink_to(program)
    (place / "complete").touch()


if __name__ == "__main__":
    main()
