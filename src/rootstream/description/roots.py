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


DropPath = Annotated[str, AfterValidator(_droppable), Means("an absolute path in the image, `*` for anything")]


def _path(value: str) -> str:
    if any(c in value for c in "*?["):
        raise ValueError(f"{value!r} must be one path, without patterns")
    return _droppable(value)


ImagePath = Annotated[str, AfterValidator(_path), Means("an absolute path in the image")]


class BusyboxRoot(Model):
    """A root made of BusyBox and musl, both compiled from source."""

    libc: Literal["musl"] = "musl"
    """The C library."""
    source: SourceTree = FROM_DEBIAN
    """Where BusyBox's source comes from."""
    libc_source: SourceTree = FROM_DEBIAN
    """Where the C library's source comes from."""
    base: ConfigBase = "defconfig"
    """What BusyBox's configuration starts from."""
    fragments: tuple[ProjectFile, ...] = ()
    """Kconfig fragments of the project for BusyBox, merged in this order."""
    builtin: bool = True
    """Merge Rootstream's own fragment (what does not build with musl is off) first."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that BusyBox may drop or change without that being an error."""
    console: tuple[Terminal, ...] = ("console",)
    """Terminals that get a login prompt; `console` is the one the kernel was given."""
    baud: Annotated[int, Field(ge=50, le=4000000)] = 115200
    """Speed of these terminals."""
    network: Literal["dhcp", "none"] = "dhcp"
    """Bring the first network interface up with DHCP, or leave the network alone."""


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
    Means("the base address of an archive"),
]


class AptArchive(Model):
    """Where apt in an image finds packages."""

    url: Archive
    """Archive of the suites."""
    security: Archive | None = None
    """Archive of the security suites; by default the same."""


def _further(value: str) -> str:
    if value == "debian":
        raise ValueError("'debian' is the archive itself, whose further suites `also` names; choose another name")
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
    Means("the base address of a repository (http, https or file:///FOLDER), without a password"),
]
RepositorySuite = Annotated[
    str,
    Field(pattern=r"^(\.?/|[A-Za-z0-9][A-Za-z0-9_+~-]*([./][A-Za-z0-9_+~-]+)*/?)$", max_length=200),
    Means("a suite such as stable, or a folder with a slash at its end such as ./"),
]
RepositoryComponent = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+~-]*([./][A-Za-z0-9_+~-]+)*$", max_length=200),
    Means("a component such as main"),
]


class Repository(Model):
    """A further apt repository, and the only key that its signatures are verified with."""

    url: RepositoryUrl
    """Base address: http, https, or file:/// for a folder of the machine that builds."""
    suites: Annotated[tuple[RepositorySuite, ...], Field(min_length=1)]
    """Suites; in a flat repository, which has none, its folders with a slash at the end (`./`)."""
    components: Annotated[tuple[RepositoryComponent, ...], Field(min_length=1)] = ("main",)
    """Components of these suites; a flat repository has none."""
    key: ProjectFile
    """File of the project with the OpenPGP public key, armored or binary."""


class DebianRoot(Model):
    """A Debian system, configured by its packages' own scripts in a sandbox without a network."""

    suite: Suite | None = None
    """Suite that the packages come from; by default the project's suites."""
    also: tuple[Suite, ...] | None = None
    """Further suites, such as trixie-backports; by default those of a stable suite's updates, `[]` for none."""
    components: Annotated[tuple[Component, ...], Field(min_length=1)] = ("main",)
    """Components of these suites."""
    repositories: dict[RepositoryName, Repository] = {}
    """Further apt repositories that packages may come from, each under a name; of a package, the highest version
    of all is taken. apt in the image has them among its sources unless `apt` is `none`."""
    packages: tuple[PackageName, ...] = ()
    """Packages to have beside the essential ones and what all of them depend on."""
    apt: Literal["archive", "none"] | AptArchive = "archive"
    """What apt in the image has for sources: the archive that its own package names, none, or the one given here.

    Never the mirrors that the image is built from. Sources that packages bring stay as they are."""
    recommends: bool = False
    """Also install what packages recommend."""
    preseed: ProjectFile | None = None
    """File with answers for debconf, in the form that debconf-set-selections takes."""
    docs: bool = False
    """Keep documentation: manuals, changelogs. Copyright files are kept in any case."""
    locales: Literal["all"] | tuple[Locale, ...] = ()
    """Languages whose translations are kept, or `all`; by default none."""
    drop: tuple[DropPath, ...] = ()
    """Paths to remove from the finished root, folders with all below them; `*` stands for anything."""
    enable: tuple[Unit, ...] = ()
    """systemd units to enable beside those that their packages enable."""
    disable: tuple[Unit, ...] = ()
    """systemd units to disable."""
    mask: tuple[Unit, ...] = ()
    """systemd units that must never start."""
    identities: dict[ImagePath, Literal["regenerate", "keep"]] = {}
    """Files, or folders with all in them, that packages' scripts make at random: left to each machine, or kept in
    the image as they are. Known ones are `regenerate`; an unknown one is an error until it is here."""
    network: Literal["dhcp", "none"] = "dhcp"
    """Bring wired network interfaces up with DHCP (by systemd-networkd), or leave the network alone.

    With `dhcp`, systemd among the packages and nothing else that looks names up, systemd-resolved comes too."""


class ElementsRoot(Model):
    """A root built by the user's own BuildStream project, beside `system.yaml`."""

    target: Annotated[str, Field(pattern=r"^[^\s]+\.bst$"), Means("an element such as base.bst")]
    """Element whose files, with those it needs at run time, are the root."""
    project: ProjectFolder = "."
    """Folder of the BuildStream project, below the folder of system.yaml."""


class FromBusybox(Model):
    busybox: BusyboxRoot
    """BusyBox and musl from source."""


class FromDebianPackages(Model):
    debian: DebianRoot
    """Packages of Debian, configured."""


class FromElements(Model):
    elements: ElementsRoot
    """An element of the user's own BuildStream project."""


# --- buildroot -----------------------------------------------------------------------------------------------


def _one_line(value: str) -> str:
    if not value or "\n" in value or "\0" in value:
        raise ValueError("expected a path in one line")
    return value


class FromAnyFolder(Model):
    local: Annotated[str, AfterValidator(_one_line), Means("the path of a folder, absolute or from system.yaml's")]
    """A folder of this machine, also outside the project; it is read as it is and not pinned by the lock."""


BuildrootTree = Annotated[FromGit | FromTarball | FromAnyFolder, OneOf()]


class PackageConfig(Model):
    """The configuration of a package that has Kconfig of its own: what it starts from, and fragments over it."""

    base: Annotated[NamedDefconfig | ConfigFile, OneOf()] | None = None
    """What it starts from: a defconfig of its tree, or a file of the project; by default what the Buildroot
    configuration says."""
    fragments: tuple[ProjectFile, ...] = ()
    """Kconfig fragments of the project, merged in this order."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that its tree may drop or change without that being an error."""


class PackageConfigs(Model):
    """Configurations of the packages that have Kconfig of their own."""

    linux: PackageConfig | None = None
    """The kernel."""
    busybox: PackageConfig | None = None
    """BusyBox."""
    uclibc: PackageConfig | None = None
    """The uClibc-ng C library of an internal toolchain."""
    uboot: PackageConfig | None = None
    """The U-Boot boot loader."""
    barebox: PackageConfig | None = None
    """The barebox boot loader."""
    at91bootstrap3: PackageConfig | None = None
    """The AT91 boot strap."""
    swupdate: PackageConfig | None = None
    """SWUpdate."""
    xvisor: PackageConfig | None = None
    """The Xvisor hypervisor."""


class Scripts(Model):
    """Programs of the project that Buildroot runs on this machine at the end of a build."""

    post_build: tuple[ProjectFile, ...] = ()
    """Run when all packages are installed, with the target folder as first argument."""
    post_fakeroot: tuple[ProjectFile, ...] = ()
    """Run under fakeroot before each file system is made, with the target folder as first argument."""
    post_image: tuple[ProjectFile, ...] = ()
    """Run when the images are made, with the images folder as first argument."""


class BuildrootRoot(Model):
    """A root, and usually a kernel, built by Buildroot in an output folder below .rootstream."""

    tree: BuildrootTree
    """Where Buildroot comes from."""
    patches: tuple[ProjectFolder, ...] = ()
    """Folders of the project with patches (*.patch) on Buildroot itself, applied in the order of their names."""
    external: tuple[ProjectFolder, ...] = ()
    """External trees (br2-external) of the project."""
    defconfig: ProjectFile | NamedDefconfig | None = None
    """File of the project to start from, or `{defconfig: NAME}` of Buildroot or an external tree; by default
    Buildroot's own defaults."""
    fragments: tuple[ProjectFile, ...] = ()
    """Fragments of the project with further Buildroot symbols, merged in this order."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that this Buildroot may drop or change without that being an error."""
    configs: PackageConfigs = PackageConfigs()
    """Configurations of the kernel, BusyBox and others that have Kconfig of their own."""
    global_patches: tuple[ProjectFolder, ...] = ()
    """Folders of the project with patches on packages, as BR2_GLOBAL_PATCH_DIR has them."""
    scripts: Scripts = Scripts()
    """Programs of the project to run at the end of a build."""
    mirrors: tuple[str, ...] = ()
    """Where to look for downloads first: URLs, or folders of this machine as file:// URLs."""
    ccache: bool = False
    """Keep compiler output in a cache that all projects of this user share."""
    network: Literal["downloads", "build"] = "downloads"
    """When Buildroot has a network: only while it downloads, or while it builds, too."""
    jobs: Annotated[int, Field(ge=0, le=1024)] = 0
    """Jobs of each package's own make (BR2_JLEVEL); 0 is one more than there are processors."""


class FromBuildroot(Model):
    buildroot: BuildrootRoot
    """Buildroot."""


Root = Annotated[FromBusybox | FromDebianPackages | FromBuildroot | FromElements, OneOf(short=True)]
