"""Rust software of the project: built by Debian's cargo, from crates in the folder, linked statically.

Debian has Rust's standard library for glibc only, so programs hold that C library instead of musl: they run on
every root all the same. For another processor its library is a package set of that architecture, staged aside.
"""

from __future__ import annotations

import shlex

from rootstream.description.layers import SourcePackage
from rootstream.description.model import Debian
from rootstream.plan.model import Dependency, Element
from rootstream.plan.sources import WORK, compiling, debian_packages
from rootstream.plan.toolchain import Toolchain

TOOL = "cargo"
LINKED = ("libc6-dev", "libstd-rust-dev")
STD = "/rust"  # where the library of another processor is staged
TREE = f"{WORK}/tree"


def library(tools: Toolchain, debian: Debian) -> Element | None:
    """Return the element with the libraries for another processor; the base's come with cargo and gcc."""
    if not tools.foreign:
        return None
    architecture = tools.row.debian_word
    return Element(
        name=f"rust-{architecture}.bst",
        kind="import",
        description=f"The standard libraries of Rust and C for {tools.label}",
        sources=(debian_packages(debian, architecture, ("libc6-dev", "libstd-rust-dev")),),
    )


def builds_with(library: Element | None) -> tuple[Dependency, ...]:
    """Return the dependency on that library, where there is one."""
    return (Dependency(element=library.name, location=STD),) if library else ()


def commands(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    """Return how cargo builds a folder and installs its programs.

    `--target` is given always: what runs while building (build scripts, macros) must not be linked statically.
    """
    target = str(tools.isa.rust)
    flags = ["-C target-feature=+crt-static", f"-C linker={tools.prefix}gcc", "--remap-path-prefix=$PWD=/src"]
    sysroot: tuple[str, ...] = ()
    if tools.foreign:
        place = f"$PWD/{WORK}/sysroot"
        sysroot = (
            f'mkdir -p "{place}/lib/rustlib"',
            f'ln -s {STD}/usr/lib/rustlib/{target} "{place}/lib/rustlib/{target}"',
        )
        flags += ["--sysroot=$PWD/../sysroot", f"-C link-arg=--sysroot={STD}"]
    name = target.replace("-", "_")
    told = f'CARGO_HOME=/tmp/cargo CARGO_TARGET_{name.upper()}_RUSTFLAGS="{" ".join(flags)}"'
    told += f" CC_{name}={tools.prefix}gcc" + (f" CFLAGS_{name}=--sysroot={STD}" if tools.foreign else "")
    words = ["install", "--path", ".", "--frozen", "--no-track", "--target", target, *package.options]
    return (
        *_wanted(package),
        *sysroot,
        compiling(
            f"(cd {TREE} && export {told} && {_VENDORED} && "
            f'cargo {shlex.join(words)} -j "$JOBS" --root "%{{install-root}}/usr" "$@")'
        ),
    )


# The crates are those in vendor/, unless the folder says itself where they are.
_VENDORED = (
    "{ [ -e .cargo/config.toml ] || [ ! -d vendor ] || set -- "
    """--config 'source.crates-io.replace-with="vendored"' --config 'source.vendored.directory="vendor"'; }"""
)


def _wanted(package: SourcePackage) -> tuple[str, ...]:
    lock = f"{package.source}: there is no Cargo.lock: run `cargo generate-lockfile` in the folder"
    crates = f"{package.source}: the crates of Cargo.lock are not in the folder: run `cargo vendor` in it"
    absent = " && ".join(f"[ ! -e {TREE}/{path} ]" for path in ("vendor", ".cargo/config.toml"))
    outside = f"grep -q '^source = ' {TREE}/Cargo.lock && {absent}"
    return (
        f"[ -e {TREE}/Cargo.lock ] || {{ echo {shlex.quote(lock)} >&2; exit 2; }}",
        f"if {outside}; then echo {shlex.quote(crates)} >&2; exit 2; fi",
    )
