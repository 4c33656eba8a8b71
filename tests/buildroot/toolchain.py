"""An external toolchain for Buildroot out of Debian's own compiler, where no toolchain can be downloaded.

    python tests/buildroot/toolchain.py FOLDER [--arch x86_64|riscv64|powerpc] [--cxx]

FOLDER gets bin/ARCH-linux-PROGRAM (wrappers of Debian's gcc and binutils) and sysroot/ (its C library and headers,
paths inside made relative), and toolchain.config, the symbols that select it in Buildroot. Needs the compiler
installed, and apt-get download for the sysroot. C, and for x86_64 C++ where `--cxx` asks for it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

# Our word: Debian's triplet, its architecture, what Buildroot will call the programs,
# and the loader that the sysroot must have.
ARCHES = {
    "x86_64": ("x86_64-linux-gnu", "amd64", "x86_64-linux", "ld-linux-x86-64.so.2"),
    "riscv64": ("riscv64-linux-gnu", "riscv64", "riscv64-linux", "ld-linux-riscv64-lp64d.so.1"),
    "powerpc": ("powerpc-linux-gnu", "powerpc", "powerpc-linux", "ld.so.1"),
}
BINUTILS = ("ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "size", "strings", "strip")
SYMBOLS = "toolchain.config"
GCC_TOOLS = ("gcc-ar", "gcc-nm", "gcc-ranlib")

# gcc's own headers are copied: kernels ask where they are, and Buildroot refuses folders of the host in a command.
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
    *" -print-file-name=include "*) echo "$here/include"; exit 0 ;;
esac
cxx=()
for folder in "$sysroot"/usr/include/c++/*; do
    case ${0##*/} in *++*) cxx=(-nostdinc++ -isystem "$folder" -isystem "$folder/backward") ;; esac
done
flags=(--sysroot="$sysroot" -B"$sysroot/usr/lib/" "${cxx[@]}")
flags+=(-isystem "$here/include" -isystem "$sysroot/usr/include")
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


def packages(arch: str, version: str | None) -> list[str]:
    """Return the packages that the sysroot is unpacked from; those of C++ for a version of its compiler."""
    if arch == "x86_64":
        cxx = ["libstdc++6", f"libstdc++-{version}-dev"] if version else []
        return ["libc6", "libc6-dev", "linux-libc-dev", "libgcc-s1", *cxx]
    debian = ARCHES[arch][1]
    return [
        f"libc6-{debian}-cross",
        f"libc6-dev-{debian}-cross",
        f"linux-libc-dev-{debian}-cross",
        f"libgcc-s1-{debian}-cross",
    ]


def relative(lib: Path, triplet: str) -> None:
    """Take absolute paths out of the links and linker scripts of a folder of libraries."""
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


def sysroot(place: Path, arch: str, cxx: str | None) -> None:
    """Fill a sysroot with a merged usr/lib."""
    triplet, _, _, loader = ARCHES[arch]
    lib, include = place / "usr" / "lib", place / "usr" / "include"
    lib.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        run("apt-get", "download", *packages(arch, cxx), cwd=Path(scratch))
        root = Path(scratch) / "root"
        for deb in sorted(Path(scratch).glob("*.deb")):
            run("dpkg-deb", "-x", str(deb), str(root))
        if arch == "x86_64":
            libraries = [root / "lib" / triplet, root / "usr" / "lib" / triplet]
            headers = [root / "usr" / "include", root / "usr" / "include" / triplet]
        else:
            libraries, headers = [root / "usr" / triplet / "lib"], [root / "usr" / triplet / "include"]
        for folder in filter(Path.is_dir, libraries):
            shutil.copytree(folder, lib, symlinks=True, dirs_exist_ok=True)
        for folder in headers:
            # Debian 13 has asm/ as links to usr/lib/linux/uapi, which is no part of a sysroot
            shutil.copytree(folder, include, ignore_dangling_symlinks=True, dirs_exist_ok=True)
        if cxx:
            own = root / "usr" / "lib" / "gcc" / triplet / cxx
            for path in (each for each in own.glob("lib*") if not each.is_symlink()):
                shutil.copyfile(path, lib / path.name)
            (lib / "libstdc++.so").symlink_to("libstdc++.so.6")
            # what is of the architecture, beside the rest, where gcc looks in a merged folder, too
            shutil.copytree(include / triplet / "c++" / cxx, include / "c++" / cxx, dirs_exist_ok=True)
    shutil.rmtree(include / triplet, ignore_errors=True)
    relative(lib, triplet)
    (place / "lib").symlink_to("usr/lib")
    (place / "lib64").symlink_to("usr/lib")
    (place / "usr" / "lib64").symlink_to("lib")
    (place / "sbin").mkdir()
    if not (lib / loader).exists():
        sys.exit(f"the sysroot has no {loader}")


def symbols(place: Path, gcc: str, prefix: str, *, cxx: bool) -> str:
    """Return the configuration that selects the toolchain, with the versions of its compiler and headers."""
    header = (place / "sysroot" / "usr" / "include" / "linux" / "version.h").read_text()
    major, minor = (re.search(rf"LINUX_VERSION_{word} (\d+)", header) for word in ("MAJOR", "PATCHLEVEL"))
    if major is None or minor is None:
        sys.exit("the kernel headers do not say their version")
    lines = [
        "BR2_TOOLCHAIN_EXTERNAL=y",
        "BR2_TOOLCHAIN_EXTERNAL_CUSTOM=y",
        f'BR2_TOOLCHAIN_EXTERNAL_PATH="{place}"',
        f'BR2_TOOLCHAIN_EXTERNAL_CUSTOM_PREFIX="{prefix}"',
        f"BR2_TOOLCHAIN_EXTERNAL_GCC_{run(gcc, '-dumpversion').split('.')[0].strip()}=y",
        f"BR2_TOOLCHAIN_EXTERNAL_HEADERS_{major[1]}_{minor[1]}=y",
        "BR2_TOOLCHAIN_EXTERNAL_CUSTOM_GLIBC=y",
        "# BR2_TOOLCHAIN_EXTERNAL_INET_RPC is not set",
        *(["BR2_TOOLCHAIN_EXTERNAL_CXX=y"] if cxx else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Make the toolchain, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", choices=sorted(ARCHES), default="x86_64")
    parser.add_argument("--cxx", action="store_true")
    options = parser.parse_args()
    if options.cxx and options.arch != "x86_64":
        parser.error("--cxx is for x86_64")
    place: Path = options.folder.absolute()
    if (place / "complete").exists():
        return
    triplet, _, prefix, _ = ARCHES[options.arch]
    gcc = shutil.which(f"{triplet}-gcc") or (shutil.which("gcc") if options.arch == "x86_64" else None)
    if gcc is None:
        sys.exit(f"{triplet}-gcc is not installed: apt-get install gcc-{triplet.replace('_', '-')}")
    shutil.rmtree(place, ignore_errors=True)
    (place / "bin").mkdir(parents=True)
    cxx = run(gcc, "-dumpversion").split(".")[0].strip() if options.cxx else None
    sysroot(place / "sysroot", options.arch, cxx)
    shutil.copytree(run(gcc, "-print-file-name=include").strip(), place / "include")
    programs = {"gcc": gcc, "cpp": f"{gcc} -E", "cc": gcc}
    if options.cxx:
        programs["g++"] = programs["c++"] = re.sub(r"gcc$", "g++", gcc)
    for name, program in programs.items():
        path = place / "bin" / f"{prefix}-{name}"
        path.write_text(WRAPPER % {"gcc": program})
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    for name in (*BINUTILS, *GCC_TOOLS):
        found = shutil.which(f"{triplet}-{name}")
        if found:
            (place / "bin" / f"{prefix}-{name}").symlink_to(found)
    (place / SYMBOLS).write_text(symbols(place, gcc, prefix, cxx=options.cxx))
    (place / "complete").touch()


if __name__ == "__main__":
    main()
