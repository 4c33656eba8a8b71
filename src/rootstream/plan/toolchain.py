"""Compilers by architecture: Debian's own for this machine's, its cross compilers for the others.

A cross compiler is a package set of its own beside the base, so that nobody fetches one that no system needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rootstream.description.model import Debian
from rootstream.description.system import Architecture, Isa
from rootstream.plan import base
from rootstream.plan.model import Dependency, Element
from rootstream.plan.sources import debian_packages

# RISC-V's compilers bring a libgcc of the gc instruction set only; this one has it for every other.
LIBGCC = "gcc-riscv64-unknown-elf"

# Links of a merged /usr, which every package set has.
MERGED = ("/bin", "/lib", "/lib64", "/sbin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """How programs are compiled for an architecture.

    `label` is part of names. `recipes` are the built-in fragments for its kernel, `busybox_recipes` BusyBox's that
    not all have. `kernel` is the kernel's word for it (ARCH=), `target` musl's, `headers` the folder of
    linux-libc-dev with its asm headers. `compiler` is Debian's package, none for the base's; `prefix` goes before
    gcc and ld; `flags` are for gcc whenever it compiles or links programs. `libgcc` is the folder of LIBGCC's
    multilib to take libgcc.a from, instead of the compiler's own. `load` is where QEMU's machine has memory for a
    kernel.
    """

    label: str
    recipes: tuple[str, ...]
    busybox_recipes: tuple[str, ...] = ("no-hwaccel",)
    kernel: str
    target: str
    headers: str
    compiler: str | None = None
    prefix: str = ""
    load: int = 0
    flags: tuple[str, ...] = ()
    libgcc: str | None = None

    @property
    def foreign(self) -> bool:
        """Say whether what it makes does not run in the sandbox."""
        return self.compiler is not None

    def elements(self, debian: Debian) -> tuple[Element, ...]:
        """Return the package sets that it needs beside the base."""
        if self.compiler is None:
            return ()
        made = (_packages(self.compiler, debian),)
        return (*made, _packages(LIBGCC, debian)) if self.libgcc else made

    def builds_with(self) -> tuple[Dependency, ...]:
        """Return the base and the compiler."""
        own = (Dependency(element=_name(self.compiler)),) if self.compiler else ()
        return (Dependency(element=base.NAME), *own)

    def builds_libc_with(self) -> tuple[Dependency, ...]:
        """Return what the C library is built with: also where libgcc comes from."""
        return (*self.builds_with(), *((Dependency(element=_name(LIBGCC)),) if self.libgcc else ()))

    def make_words(self) -> tuple[str, ...]:
        """Return the word for the make of Linux and BusyBox that names the compiler."""
        return (f"CROSS_COMPILE={self.prefix}",) if self.prefix else ()


_RISCV = Toolchain(
    label="riscv64gc",
    recipes=("riscv64",),
    kernel="riscv",
    target="riscv64",
    headers="riscv64-linux-gnu",
    compiler="gcc-riscv64-linux-gnu",
    prefix="riscv64-linux-gnu-",
    load=0x80200000,  # after OpenSBI; Linux, Documentation/arch/riscv/boot.rst: aligned to 2 MiB
)
# gcc for riscv64 compiles for riscv32, too, but its linker has to be told.
_RISCV32 = replace(
    _RISCV,
    label="riscv32gc",
    recipes=("riscv32",),
    busybox_recipes=("no-hwaccel", "riscv32"),
    target="riscv32",
    load=0x80400000,  # the same, aligned to 4 MiB
)

TOOLCHAINS: dict[tuple[Architecture, Isa | None], Toolchain] = {
    ("x86_64", None): Toolchain(
        label="x86_64",
        recipes=("x86_64",),
        busybox_recipes=(),
        kernel="x86",
        target="x86_64",
        headers="x86_64-linux-gnu",
        load=0x1000000,
    ),
    ("aarch64", None): Toolchain(
        label="aarch64",
        recipes=("aarch64",),
        kernel="arm64",
        target="aarch64",
        headers="aarch64-linux-gnu",
        compiler="gcc-aarch64-linux-gnu",
        prefix="aarch64-linux-gnu-",
        load=0x40200000,
    ),
    ("riscv64", "gc"): _RISCV,
    ("riscv64", "imac"): replace(
        _RISCV,
        label="riscv64imac",
        recipes=("riscv64", "riscv-imac"),
        flags=("-march=rv64imac_zicsr_zifencei", "-mabi=lp64"),
        libgcc="rv64imac/lp64",
    ),
    ("riscv32", "gc"): replace(
        _RISCV32,
        flags=("-march=rv32imafdc_zicsr_zifencei", "-mabi=ilp32d", "-Wl,-melf32lriscv"),
        libgcc="rv32imafdc/ilp32d",
    ),
    ("riscv32", "imac"): replace(
        _RISCV32,
        label="riscv32imac",
        recipes=("riscv32", "riscv-imac"),
        flags=("-march=rv32imac_zicsr_zifencei", "-mabi=ilp32", "-Wl,-melf32lriscv"),
        libgcc="rv32imac/ilp32",
    ),
    # musl knows no long double of 128 bits in IBM's form, which is the compiler's default.
    ("powerpc", None): Toolchain(
        label="powerpc",
        recipes=("powerpc",),
        kernel="powerpc",
        target="powerpc",
        headers="powerpc-linux-gnu",
        compiler="gcc-powerpc-linux-gnu",
        prefix="powerpc-linux-gnu-",
        flags=("-mcpu=440fp", "-mlong-double-64"),
    ),
}


def toolchain(arch: Architecture, isa: Isa | None) -> Toolchain:
    """Return the toolchain for an architecture; a RISC-V processor without `isa` is gc."""
    riscv = arch in ("riscv64", "riscv32")
    return TOOLCHAINS[arch, (isa or "gc") if riscv else None]


def _name(package: str) -> str:
    return f"{package.replace('gcc-', 'cross-', 1)}.bst"


def _packages(package: str, debian: Debian) -> Element:
    return beside(package, debian, name=_name(package))


def beside(package: str, debian: Debian, *, name: str | None = None) -> Element:
    """Return a Debian package, with what it needs, as an element to stage together with the base."""
    source = debian_packages(debian, "amd64", (package,), without=base.packages(debian))
    return Element(
        name=name or f"tool-{package}.bst",
        kind="import",
        description=f"Debian's {package} with what it needs beside the base",
        sources=(source,),
        public={"bst": {"overlap-whitelist": list(MERGED)}},
    )
