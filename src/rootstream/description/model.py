"""The whole of `system.yaml`: projects, their systems and variants."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from rootstream.architectures import ARCHITECTURES, HOST, Architecture, Isa
from rootstream.description.audit import Audit
from rootstream.description.budgets import Budgets
from rootstream.description.checks import Check
from rootstream.description.images import Image
from rootstream.description.layers import Layer
from rootstream.description.licenses import Licenses
from rootstream.description.machine import Machine
from rootstream.description.machines import MOST_MACHINES, NetMachine, Serve
from rootstream.description.product import Product
from rootstream.description.recommended import RecommendedCache
from rootstream.description.roots import Root
from rootstream.description.system import Kernel, Model, Name, PackageName, Suite
from rootstream.errors import Caution

# 2025-01-01: any fixed day will do, as long as FAT can hold it.
EPOCH = 1735689600
MOST_VARIANTS = 100


class System(Model):
    """One system to build: its root file system, kernel, images, and the checks that they must pass."""

    arch: Architecture = HOST
    """Processor architecture."""
    isa: Isa | None = None
    """Instruction set of a RISC-V processor: `gc` (the default, with floating point) or `imac` (without)."""
    description: str = ""
    """What the system is for."""
    product: Product = Product()
    """What the bill of materials says of the system itself."""
    licenses: Licenses = Licenses()
    """Which licenses its components may have."""
    audit: Audit = Audit()
    """What an audit fails on, and what was decided of vulnerabilities."""
    budgets: Budgets = Budgets()
    """How large its images and components may become."""
    root: Root
    """Where the root file system comes from."""
    kernel: Kernel | None = None
    """The kernel; omit it if no image needs one."""
    layers: tuple[Layer, ...] = ()
    """Changes applied on top of the root, in this order."""
    images: Annotated[tuple[Image, ...], Field(min_length=1)]
    """Image files to build."""
    machine: Machine = Machine()
    """The virtual machine that `run` and `verify` boot the system in."""
    checks: tuple[Check, ...] = ()
    """Checks that the booted system must pass."""
    epoch: Annotated[int, Field(ge=315532800, le=4102444800)] = EPOCH
    """Timestamp of every file in the images, in seconds since 1970; 1980 or later, the earliest that FAT can
    store."""

    @property
    def label(self) -> str:
        """Return the architecture with its instruction set, where there is a choice: riscv64gc."""
        return ARCHITECTURES[self.arch].isa(self.isa).label


class Debian(Model):
    """Where the packages of the build environment, and Debian source packages, are downloaded from."""

    suites: Annotated[tuple[Suite, ...], Field(min_length=1)] = ("trixie",)
    """Debian suites."""
    mirrors: tuple[str, ...] = ()
    """Mirrors to use, in this order; by default those that apt on this host uses."""
    packages: tuple[PackageName, ...] = ()
    """Extra packages to install in the build environment."""


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
    cache: RecommendedCache | None = None

    def names(self) -> tuple[str, ...]:
        """Return the targets that the command line may name."""
        return tuple(described.target for described in self.systems)


class ProjectFile(Model):
    """The top level of `system.yaml`."""

    debian: Debian = Debian()
    """Where the packages of the build environment, and Debian source packages, are downloaded from."""
    systems: Annotated[dict[Name, dict[Any, Any]], Field(min_length=1)]
    """The systems of the project, by name."""
    machines: Annotated[dict[Name, NetMachine], Field(max_length=MOST_MACHINES)] = {}
    """The machines that boot over the network, by name."""
    serve: Serve = Serve()
    """Settings of `rootstream serve`, which serves them."""
    cache: RecommendedCache | None = None
    """A shared cache that the project recommends: builds mention it, and use it only once a user has set it in a
    file of their own."""


class Variants(Model):
    """The one key of a system in the file that the resolved system does not have: its variants."""

    variants: Annotated[dict[Name, dict[Any, Any]], Field(max_length=MOST_VARIANTS)] = {}
    """Named sets of changes to the system: the keys of a variant replace the system's, and lists under `add` are
    appended."""
