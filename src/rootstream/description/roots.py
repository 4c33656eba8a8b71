"""The part of the description that says where the root file system comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rootstream.description.system import (
    FROM_DEBIAN,
    ConfigBase,
    ConfigFile,
    FromGit,
    FromTarball,
    Means,
    Model,
    NamedDefconfig,
    OneOf,
    PackageName,
    ProjectFile,
    ProjectFolder,
    SourceTree,
    Suite,
    Symbol,
    Terminal,
)


def _droppable(value: str) -> str:
    parts = value.split("/")
    if parts[0] != "" or ".." in parts or not any(parts) or any(ord(c) < 32 for c in value):  # noqa: PLR2004
        raise ValueError(f"{value!r} must be an absolute path in the image, without '..'")
    return "/" + "/".join(part for part in parts if part)


DropPath = Annotated[
    str, AfterValidator(_droppable), Means("an absolute path in the image, where `*` matches anything")
]


def _path(value: str) -> str:
    if any(c in value for c in "*?["):
        raise ValueError(f"{value!r} must be a single path, without wildcards")
    return _droppable(value)


ImagePath = Annotated[str, AfterValidator(_path), Means("an absolute path in the image")]


class BusyboxRoot(Model):
    """A root with BusyBox and musl, both built from source."""

    libc: Literal["musl"] = "musl"
    """C library."""
    source: SourceTree = FROM_DEBIAN
    """Source of BusyBox."""
    libc_source: SourceTree = FROM_DEBIAN
    """Source of the C library."""
    base: ConfigBase = "defconfig"
    """Base configuration of BusyBox."""
    fragments: tuple[ProjectFile, ...] = ()
    """Kconfig fragments for BusyBox in the project, merged in this order."""
    builtin: bool = True
    """Merge Rootstream's own fragment, which disables what does not build with musl, before `fragments`."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that may be missing from the final configuration, or have another value, without an
    error."""
    console: tuple[Terminal, ...] = ("console",)
    """Terminals with a login prompt; `console` is the one in the kernel arguments."""
    baud: Annotated[int, Field(ge=50, le=4000000)] = 115200
    """Baud rate of these terminals."""
    network: Literal["dhcp", "none"] = "dhcp"
    """Configure the first network interface by DHCP, or leave networking unconfigured."""


Unit = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9:_.\\@-]{1,200}$"),
    Means("the name of a systemd unit such as ssh.service"),
]
Locale = Annotated[
    str,
    Field(pattern=r"^(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]{1,20})?(@[a-z]+)?$"),
    Means("a language such as de, pt_BR or de_DE.UTF-8"),
]
Component = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$"), Means("a component such as main")]


Archive = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9+]*:[^\s]+$", max_length=1000),
    Means("the base URL of an archive"),
]


class AptArchive(Model):
    """The archive that apt in the image uses."""

    url: Archive
    """URL of the archive."""
    security: Archive | None = None
    """URL of the security archive; by default the same."""


def _further(value: str) -> str:
    if value == "debian":
        raise ValueError(
            "'debian' is reserved for the Debian archive, whose suites `also` selects; choose another name"
        )
    return value


RepositoryName = Annotated[
    str,
    AfterValidator(_further),
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Means("a name of lower-case letters, digits, '_' and '-'"),
]
RepositoryUrl = Annotated[
    str,
    Field(
        pattern=r"^(https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?(/[!%-;=@-\[\]-~]*)?|file:///[!%-;=@-\[\]-~]*)$",
        max_length=1000,
    ),
    Means("the base URL of a repository (http, https or file:///FOLDER), without a password"),
]
RepositorySuite = Annotated[
    str,
    Field(pattern=r"^(\.?/|[A-Za-z0-9][A-Za-z0-9_+~-]*([./][A-Za-z0-9_+~-]+)*/?)$", max_length=200),
    Means("a suite such as stable, or a directory with a trailing slash such as ./"),
]
RepositoryComponent = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+~-]*([./][A-Za-z0-9_+~-]+)*$", max_length=200),
    Means("a component such as main"),
]


class Repository(Model):
    """An additional apt repository, and the only key that its signatures are verified with."""

    url: RepositoryUrl
    """Base URL: http, https, or file:/// for a folder on the build host."""
    suites: Annotated[tuple[RepositorySuite, ...], Field(min_length=1)]
    """Suites; for a flat repository, which has none, its directories with a trailing slash (`./`)."""
    components: Annotated[tuple[RepositoryComponent, ...], Field(min_length=1)] = ("main",)
    """Components to use; a flat repository has none."""
    key: ProjectFile
    """File in the project with the OpenPGP public key, armored or binary."""


class DebianRoot(Model):
    """A Debian system, configured by its packages' maintainer scripts in a sandbox without network access."""

    suite: Suite | None = None
    """Suite that the packages come from; by default the suites of the project."""
    also: tuple[Suite, ...] | None = None
    """Additional suites, such as trixie-backports; by default the updates and security suites of a stable suite,
    `[]` for none."""
    components: Annotated[tuple[Component, ...], Field(min_length=1)] = ("main",)
    """Components to use from these suites."""
    repositories: dict[RepositoryName, Repository] = {}
    """Additional apt repositories, by name; of each package, the highest version in any of them is installed. They
    are among the sources of apt in the image unless `apt` is `none`."""
    packages: tuple[PackageName, ...] = ()
    """Packages to install, along with the essential packages and all dependencies."""
    apt: Literal["archive", "none"] | AptArchive = "archive"
    """Sources of apt in the image: the official archive, none, or the archive given here.

    The mirrors that the image is built from are never used. Sources that packages install are kept."""
    recommends: bool = False
    """Also install recommended packages."""
    preseed: ProjectFile | None = None
    """File with debconf answers, in the format of debconf-set-selections."""
    docs: bool = False
    """Keep documentation such as man pages and changelogs. Copyright files are always kept."""
    locales: Literal["all"] | tuple[Locale, ...] = ()
    """Languages whose translations to keep, or `all`; by default none."""
    drop: tuple[DropPath, ...] = ()
    """Paths to remove from the finished root, folders with their contents; `*` matches anything."""
    enable: tuple[Unit, ...] = ()
    """systemd units to enable, in addition to those that packages enable."""
    disable: tuple[Unit, ...] = ()
    """systemd units to disable."""
    mask: tuple[Unit, ...] = ()
    """systemd units to mask, so that they never start."""
    identities: dict[ImagePath, Literal["regenerate", "keep"]] = {}
    """Files (or folders with their contents) that maintainer scripts fill with random data: `regenerate` removes
    them, so that each machine generates its own; `keep` leaves them in the image. Known ones are `regenerate`; an
    unknown one is an error until it is listed here."""
    network: Literal["dhcp", "none"] = "dhcp"
    """Configure wired network interfaces by DHCP (with systemd-networkd), or leave networking unconfigured.

    With `dhcp`, systemd-resolved is installed as well if systemd is, and no other resolver."""


class ElementsRoot(Model):
    """A root built by an element of your own BuildStream project."""

    target: Annotated[str, Field(pattern=r"^[^\s]+\.bst$"), Means("an element such as base.bst")]
    """Element that provides the root, together with its runtime dependencies."""
    project: ProjectFolder = "."
    """Folder of the BuildStream project, relative to that of system.yaml."""


class FromBusybox(Model):
    busybox: BusyboxRoot
    """BusyBox and musl from source."""


class FromDebianPackages(Model):
    debian: DebianRoot
    """Debian packages, installed and configured."""


class FromElements(Model):
    elements: ElementsRoot
    """An element of your own BuildStream project."""


# --- buildroot -----------------------------------------------------------------------------------------------


def _one_line(value: str) -> str:
    if not value or "\n" in value or "\0" in value:
        raise ValueError("expected a path on one line")
    return value


AnyFolder = Annotated[
    str, AfterValidator(_one_line), Means("the path of a folder, absolute or relative to system.yaml")
]
BuildrootPackageName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.+-]*$"), Means("the name of a package of Buildroot")
]


class FromAnyFolder(Model):
    local: AnyFolder
    """A folder on this host, inside or outside of the project; it is used as it is, and not pinned by the lock."""


BuildrootTree = Annotated[FromGit | FromTarball | FromAnyFolder, OneOf()]


class PackageConfig(Model):
    """The configuration of a package that has its own Kconfig: a base and fragments on top of it."""

    base: Annotated[NamedDefconfig | ConfigFile, OneOf()] | None = None
    """Base configuration: a defconfig of its source tree, or a file in the project; by default the one set in the
    Buildroot configuration."""
    fragments: tuple[ProjectFile, ...] = ()
    """Kconfig fragments in the project, merged in this order."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that may be missing from the final configuration, or have another value, without an
    error."""


class PackageConfigs(Model):
    """Configurations of the packages that have their own Kconfig."""

    linux: PackageConfig | None = None
    """The kernel."""
    busybox: PackageConfig | None = None
    """BusyBox."""
    uclibc: PackageConfig | None = None
    """The uClibc-ng C library, with an internal toolchain."""
    uboot: PackageConfig | None = None
    """The U-Boot boot loader."""
    barebox: PackageConfig | None = None
    """The barebox boot loader."""
    at91bootstrap3: PackageConfig | None = None
    """The AT91Bootstrap boot loader."""
    swupdate: PackageConfig | None = None
    """SWUpdate."""
    xvisor: PackageConfig | None = None
    """The Xvisor hypervisor."""


class Scripts(Model):
    """Programs in the project that Buildroot runs on the build host at the end of a build."""

    post_build: tuple[ProjectFile, ...] = ()
    """Run after all packages are installed, with the target folder as the first argument."""
    post_fakeroot: tuple[ProjectFile, ...] = ()
    """Run under fakeroot before each file system image is created, with the target folder as the first
    argument."""
    post_image: tuple[ProjectFile, ...] = ()
    """Run after the images are created, with the images folder as the first argument."""


class BuildrootRoot(Model):
    """A root, and usually a kernel, built by Buildroot in an output folder below .rootstream."""

    tree: BuildrootTree
    """Where Buildroot comes from."""
    patches: tuple[ProjectFolder, ...] = ()
    """Folders in the project with patches (*.patch) for Buildroot itself, applied in the order of their names."""
    external: tuple[ProjectFolder, ...] = ()
    """External trees (BR2_EXTERNAL) in the project."""
    defconfig: ProjectFile | NamedDefconfig | None = None
    """Base configuration: a defconfig file in the project, or `{defconfig: NAME}` for one of Buildroot or of an
    external tree; by default Buildroot's own defaults."""
    fragments: tuple[ProjectFile, ...] = ()
    """Fragments in the project with Buildroot symbols, merged in this order."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that may be missing from the final configuration, or have another value, without an
    error."""
    configs: PackageConfigs = PackageConfigs()
    """Configurations of the kernel, BusyBox and other packages that have their own Kconfig."""
    global_patches: tuple[ProjectFolder, ...] = ()
    """Folders in the project with patches for packages, laid out as for BR2_GLOBAL_PATCH_DIR."""
    override: dict[BuildrootPackageName, AnyFolder] = {}
    """Packages to build from a folder on this host instead of their release, by their names: the folder, inside or
    outside of the project. It is used as it is, and not pinned by the lock."""
    scripts: Scripts = Scripts()
    """Programs in the project to run at the end of a build."""
    mirrors: tuple[str, ...] = ()
    """Mirrors to try first for downloads: URLs, or folders on this host as file:// URLs."""
    ccache: bool = False
    """Use a compiler cache that is shared by all projects of this user."""
    network: Literal["downloads", "build"] = "downloads"
    """When Buildroot has network access: only for downloads, or also during the build."""
    graph: bool = False
    """Build every package by itself, from its own inputs alone, with results in the shared cache, instead of all
    with one `make` in the workspace. Experimental: what cannot be built this way yet is an error."""
    jobs: Annotated[int, Field(ge=0, le=1024)] = 0
    """Parallel jobs of make within a package (BR2_JLEVEL); 0 is the number of processors plus one."""


class FromBuildroot(Model):
    buildroot: BuildrootRoot
    """Buildroot."""


Root = Annotated[FromBusybox | FromDebianPackages | FromBuildroot | FromElements, OneOf(short=True)]
