"""The whole of `system.yaml`: projects, their systems and variants."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from rootstream.architectures import ARCHITECTURES, HOST, Architecture, Isa
from rootstream.description.checks import Check
from rootstream.description.images import Image
from rootstream.description.layers import Layer
from rootstream.description.machine import Machine
from rootstream.description.machines import MOST_MACHINES, NetMachine, Serve
from rootstream.description.roots import Root
from rootstream.description.system import Kernel, Model, Name, PackageName, Suite
from rootstream.errors import Caution

# 2025-01-01: any fixed day will do, as long as FAT can hold it.
EPOCH = 1735689600
MOST_VARIANTS = 100


class System(Model):
    """What to build: one machine's software, its images and what they must do."""

    arch: Architecture = HOST
    """Processor architecture."""
    isa: Isa | None = None
    """Instruction set of a RISC-V processor: `gc`, with floating point, is the default; `imac` is without."""
    description: str = ""
    """What the system is for."""
    root: Root
    """Where the root file system comes from."""
    kernel: Kernel | None = None
    """The kernel; leave it out for images without one."""
    layers: tuple[Layer, ...] = ()
    """What is laid over the root, in this order."""
    images: Annotated[tuple[Image, ...], Field(min_length=1)]
    """Files to make."""
    machine: Machine = Machine()
    """What boots the system."""
    checks: tuple[Check, ...] = ()
    """What the booted system must show."""
    epoch: Annotated[int, Field(ge=315532800, le=4102444800)] = EPOCH
    """Time stamp of everything in the images, in seconds since 1970 (from 1980 on, as FAT wants it)."""

    @property
    def label(self) -> str:
        """Return the architecture with its instruction set, where there is a choice: riscv64gc."""
        return ARCHITECTURES[self.arch].isa(self.isa).label


class Debian(Model):
    """Where the pinned packages of the build base, and Debian source packages, come from."""

    suites: Annotated[tuple[Suite, ...], Field(min_length=1)] = ("trixie",)
    """Suites of Debian."""
    mirrors: tuple[str, ...] = ()
    """Mirrors to ask, in this order; by default those of this host's apt."""
    packages: tuple[PackageName, ...] = ()
    """Packages to have in the build base beside the usual ones."""


class Described(Model):
    """One system with its variants, as written: a variant holds what it changes."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: Name
    variant: Name | None
    system: System
    lines: dict[str, int] = Field(default_factory=dict, exclude=True, repr=False)
    """Lines of the description by path, such as `layers/0`; no part of what decides a result."""
    cautions: tuple[Caution, ...] = Field(default=(), exclude=True, repr=False)
    """What its author should know, in the order of the file; no part of what decides a result."""
    reports: bool = False
    """Whether a machine boots it over the network that wants to hear when it is up."""

    @property
    def target(self) -> str:
        """Return the name as the command line has it: SYSTEM or SYSTEM@VARIANT."""
        return f"{self.name}@{self.variant}" if self.variant else self.name

    @property
    def slug(self) -> str:
        """Return the name as elements have it."""
        return f"{self.name}--{self.variant}" if self.variant else self.name


class Description(Model):
    """A project: every system and variant of it, resolved."""

    debian: Debian = Debian()
    systems: tuple[Described, ...]
    machines: dict[str, NetMachine] = {}
    serve: Serve = Serve()

    def names(self) -> tuple[str, ...]:
        """Return the targets that the command line may name."""
        return tuple(described.target for described in self.systems)


class ProjectFile(Model):
    """A description of systems."""

    debian: Debian = Debian()
    """Where the packages of the build base, and Debian source packages, come from."""
    systems: Annotated[dict[Name, dict[Any, Any]], Field(min_length=1)]
    """The systems of the project, each with a name."""
    machines: Annotated[dict[Name, NetMachine], Field(max_length=MOST_MACHINES)] = {}
    """The machines that boot over the network, each with a name."""
    serve: Serve = Serve()
    """How `rootstream serve` serves them."""


class Variants(Model):
    """The word beside those of a system that a user may write: its variants."""

    variants: Annotated[dict[Name, dict[Any, Any]], Field(max_length=MOST_VARIANTS)] = {}
    """Named sets of changes: what a variant says replaces the system's, lists under `add` are appended."""
