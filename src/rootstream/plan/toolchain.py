"""Compilers by architecture: Debian's own for this machine's, its cross compilers for the others.

A cross compiler is a package set of its own beside the base, so that nobody fetches one that no system needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from rootstream.architectures import ARCHITECTURES, HOST, Architecture, InstructionSet, Isa, Row
from rootstream.description.model import Debian
from rootstream.plan import base
from rootstream.plan.model import Dependency, Element
from rootstream.plan.sources import debian_packages

# RISC-V's compilers bring a libgcc of the gc instruction set only; this one has it for every other.
LIBGCC = "gcc-riscv64-unknown-elf"

# Links of a merged /usr, which every package set has.
MERGED = ("/bin", "/lib", "/lib64", "/sbin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """How programs are compiled for one instruction set of an architecture."""

    row: Row
    isa: InstructionSet

    @property
    def label(self) -> str:
        """Return what names of elements have of it."""
        return self.isa.label

    @property
    def foreign(self) -> bool:
        """Say whether what it makes does not run in the sandbox."""
        return self.row.name != HOST

    @property
    def compiler(self) -> str | None:
        """Return Debian's package with the compiler; None for the base's own."""
        return f"gcc-{self.row.triplet}" if self.foreign else None

    @property
    def prefix(self) -> str:
        """Return what goes before gcc and ld."""
        return f"{self.row.triplet}-" if self.foreign else ""

    @property
    def fragments(self) -> tuple[str, ...]:
        """Return the built-in fragments for its kernel."""
        return (self.row.name, *self.isa.fragments)

    def elements(self, debian: Debian) -> tuple[Element, ...]:
        """Return the package sets that it needs beside the base."""
        if self.compiler is None:
            return ()
        made = (_packages(self.compiler, debian),)
        return (*made, _packages(LIBGCC, debian)) if self.isa.libgcc else made

    def builds_with(self) -> tuple[Dependency, ...]:
        """Return the base and the compiler."""
        own = (Dependency(element=_name(self.compiler)),) if self.compiler else ()
        return (Dependency(element=base.NAME), *own)

    def builds_libc_with(self) -> tuple[Dependency, ...]:
        """Return what the C library is built with: also where libgcc comes from."""
        return (*self.builds_with(), *((Dependency(element=_name(LIBGCC)),) if self.isa.libgcc else ()))

    def make_words(self) -> tuple[str, ...]:
        """Return the word for the make of Linux and BusyBox that names the compiler."""
        return (f"CROSS_COMPILE={self.prefix}",) if self.prefix else ()


def toolchain(arch: Architecture, isa: Isa | None) -> Toolchain:
    """Return the toolchain for an architecture and one of its instruction sets, by default the first."""
    row = ARCHITECTURES[arch]
    return Toolchain(row=row, isa=row.isa(isa))


def _name(package: str) -> str:
    return f"{package.replace('gcc-', 'cross-', 1)}.bst"


def _packages(package: str, debian: Debian) -> Element:
    return beside(package, debian, name=_name(package))


def beside(package: str, debian: Debian, *, name: str | None = None) -> Element:
    """Return a Debian package, with what it needs, as an element to stage together with the base."""
    source = debian_packages(debian, ARCHITECTURES[HOST].debian_word, (package,), without=base.packages(debian))
    return Element(
        name=name or f"tool-{package}.bst",
        kind="import",
        description=f"Debian's {package} with what it needs beside the base",
        sources=(source,),
        public={"bst": {"overlap-whitelist": list(MERGED)}},
    )
