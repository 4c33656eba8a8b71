"""The part of the description that is laid over a root: the same words for every root."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rootstream.description.system import (
    Account,
    GitAddress,
    GitRef,
    ImagePath,
    Means,
    Mode,
    Model,
    Number,
    OneOf,
    PackageName,
    Port,
    ProjectFile,
    ProjectFolder,
)
from rootstream.formats import requirement
from rootstream.formats.capability import capability_xattr

HASH = re.compile(r"\$[0-9a-z]{1,12}\$[./0-9A-Za-z$=,+-]{8,400}")
LONGEST_NAME = 64  # of a host: HOST_NAME_MAX
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _hash(value: str) -> str:
    if not HASH.fullmatch(value):
        raise ValueError("expected a password hash such as $6$..., as `mkpasswd` or `openssl passwd -6` print it")
    return value


def _capabilities(value: str) -> str:
    capability_xattr(value)
    return value


def _in_passwd(value: str) -> str:
    if ":" in value:
        raise ValueError(f"{value!r} must have no ':', which separates the fields of /etc/passwd")
    return value


PasswdPath = Annotated[ImagePath, AfterValidator(_in_passwd)]


class PasswordHash(Model):
    """A password, given by its hash."""

    hash: Annotated[str, AfterValidator(_hash), Means("a password hash such as $6$...")]
    """The hash, as crypt(5) has it: `$6$salt$...`."""


Password = Literal["locked", "empty"] | PasswordHash


class User(Model):
    """An account."""

    name: Account
    """Login name."""
    uid: Annotated[int, Field(ge=0, le=65533)] | None = None
    """Number of the user; by default the next free one from 1000, or from 100 for a system user."""
    group: Account | None = None
    """Primary group; by default one of the user's own name."""
    groups: tuple[Account, ...] = ()
    """Further groups; they are made if the root has none of that name."""
    home: PasswdPath | None = None
    """Home folder; by default /home/NAME."""
    shell: PasswdPath = "/bin/sh"
    """Login shell."""
    gecos: Annotated[str, Field(pattern=r"^[^:\x00-\x1f\x7f]*$"), Means("text in one line, without ':'")] = ""
    """Full name or purpose."""
    password: Password = "locked"  # noqa: S105  (a word, not a password)
    """`locked`, `empty`, or `{hash: ...}`."""
    authorized_keys: tuple[ProjectFile, ...] = ()
    """Files with SSH public keys that may log in as this user."""
    sudo: bool | Literal["nopasswd"] = False
    """May become root through sudo, with the own password or (nopasswd) without."""
    system: bool = False
    """An account for a service: low number, no home made."""


class RootLogin(Model):
    """How root may log in."""

    password: Password = "locked"  # noqa: S105
    """`locked`, `empty`, or `{hash: ...}`."""
    console: bool = True
    """Root may log in on consoles (with `password: locked` nobody can)."""
    authorized_keys: tuple[ProjectFile, ...] = ()
    """Files with SSH public keys that may log in as root."""


class Group(Model):
    """A group."""

    name: Account
    """Name of the group."""
    gid: Annotated[int, Field(ge=0, le=65533)] | None = None
    """Number of the group; by default the next free one."""
    system: bool = False
    """Number it below 1000."""


class Permission(Model):
    """Owner, mode or capabilities of files that are in the image."""

    path: ImagePath
    """Path in the image; `*` stands for any name in its last part."""
    owner: Account | Number | None = None
    """Owner, by name or number."""
    group: Account | Number | None = None
    """Group, by name or number."""
    mode: Mode | None = None
    """Mode in octal, set-id and sticky bits included, such as 4755."""
    recursive: bool = False
    """Everything below the path, too."""
    capabilities: (
        Annotated[
            str,
            AfterValidator(_capabilities),
            Means("capabilities such as cap_net_raw+ep"),
        ]
        | None
    ) = None
    """File capabilities as setcap(8) writes them, such as `cap_net_raw+ep`."""


class Device(Model):
    """A device node or named pipe."""

    path: ImagePath
    """Path in the image."""
    type: Literal["char", "block", "fifo"]
    """Kind of the node."""
    major: Annotated[int, Field(ge=0, le=4095)] = 0
    """Major number."""
    minor: Annotated[int, Field(ge=0, le=1048575)] = 0
    """Minor number."""
    mode: Mode = 0o600
    """Mode in octal."""
    owner: Account | Number = 0
    """Owner, by name or number."""
    group: Account | Number = 0
    """Group, by name or number."""


def _one_line(value: str) -> str:
    if not value.strip() or any(ord(c) < 32 for c in value):  # noqa: PLR2004
        raise ValueError("expected text in one line")
    return value


OneLine = Annotated[str, AfterValidator(_one_line), Means("text in one line")]


class Sshd(Model):
    """Who may log in through the SSH server of the root (OpenSSH or dropbear)."""

    root: Literal["no", "prohibit-password", "yes"] | None = None
    """May root log in: not at all, with a key only, or also with a password; by default with the keys that
    `root_login` gives it, else not at all."""
    passwords: bool | None = None
    """May users log in with passwords; by default what the server itself says."""
    ports: tuple[Port, ...] = ()
    """Ports to listen on; by default 22."""


class Service(Model):
    """A program that is started with the system, by whichever init the root has."""

    name: Account
    """Name of the service."""
    command: OneLine
    """Command line to run in the foreground; a shell reads it."""
    user: Account | None = None
    """User to run it as; by default root."""
    after: tuple[Account, ...] = ()
    """Services of this list that are started before it."""
    restart: Literal["no", "always"] = "always"
    """Start it again when it ends."""
    enabled: bool = True
    """Start it with the system."""


class SourcePackage(Model):
    """Software in a folder of the project, compiled for the system and installed into it."""

    name: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9-]{0,62}$"),
        Means("a name of lower-case letters, digits and '-' that begins with a letter"),
    ]
    """Name of the package."""
    source: ProjectFolder
    """Folder with its source."""
    build: Literal["autotools", "cmake", "meson", "make", "cargo", "go", "python"]
    """How it is built."""
    depends: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+._-]*$"), Means("the name of a package")], ...],
        Field(max_length=100),
    ] = ()
    """Packages of the root that it needs, such as `zlib`; `host-...` for tools of the build."""
    options: tuple[OneLine, ...] = ()
    """Options for its configure, cmake, meson, make, cargo or go."""
    module: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/-]{0,199}$"),
            Means("a name of letters, digits, '.', '_', '~', '/' and '-'"),
        ]
        | None
    ) = None
    """Go: the module's path, by default that of go.mod or the name; python: `setuptools` (default), `flit` ..."""


class SecretFile(Model):
    """A file that nobody but the system may know: a host key, a token."""

    path: ImagePath
    """Path in the image."""
    file: ProjectFile
    """File of the project with its contents, 24 bytes to 32 KiB; keep it out of version control."""
    mode: Mode = 0o600
    """Mode in octal."""
    owner: Account | Number | None = None
    """Owner, by name or number; by default root."""
    group: Account | Number | None = None
    """Group, by name or number; by default root."""


def _requirement(value: str) -> str:
    problem = requirement.problem(value)
    if problem is not None:
        raise ValueError(problem)
    return value


Requirement = Annotated[
    str, AfterValidator(_requirement), Means("the name of a Python package, with extras, versions and a marker")
]
PythonName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"), Means("the name of a Python package")
]


class PythonGit(Model):
    """A Python package in a Git repository, built in the sandbox."""

    name: PythonName
    """Name of the package."""
    url: GitAddress
    """Address of the repository."""
    track: GitRef = "HEAD"
    """Branch or tag that `rootstream update` follows; the lock holds the commit."""
    submodules: bool = False
    """Take its submodules, too, from the addresses that it names."""
    version: (
        Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.!+_-]{0,98}$"), Means("a version such as 13.1.0")] | None
    ) = None
    """Version for a package that takes it from Git (pbr, setuptools-scm), whose history is not in the sandbox."""


class PythonPackages(Model):
    """Python packages for the root's own Python, as wheels that pip finds and the lock pins by hash."""

    install: tuple[Requirement, ...] = ()
    """What to install, names and versions as pip takes them: `ironic-python-agent==13.0.0`."""
    from_source: tuple[Requirement, ...] = ()
    """What to install of which there is no wheel, or none for this system: its source is built in the sandbox."""
    git: tuple[PythonGit, ...] = ()
    """Packages to build from Git repositories, with what they need."""
    build_requires: tuple[Requirement, ...] = ()
    """Python packages that building needs and the sources do not name."""
    build_packages: tuple[PackageName, ...] = ()
    """Debian packages that building needs beside a compiler and Python's headers, such as libffi-dev."""
    requirements: tuple[ProjectFile, ...] = ()
    """Requirement files of the project that say what to install."""
    constraints: tuple[ProjectFile, ...] = ()
    """Constraint files of the project, such as upper-constraints.txt: versions to take of what is needed."""
    version: (
        Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$"), Means("a version of Python such as 3.13")] | None
    ) = None
    """Version of the root's Python; by default what the suite has. A buildroot root needs it."""
    byte_code: bool = True
    """Compile the packages: a faster start for about twice the size."""


class OverlayLayer(Model):
    overlay: ProjectFolder
    """Folder of the project that is copied over the root; `.git .svn .hg .empty *~` are left out.

    What it brings belongs to root, with the modes that Git keeps: 755 for folders and programs, 644 for other
    files. A folder that the root has already keeps its owner and mode. Other owners and modes come from
    `permissions`.
    """


class HostnameLayer(Model):
    hostname: Annotated[
        str,
        Field(pattern=rf"^{LABEL}(\.{LABEL})*$", max_length=LONGEST_NAME),
        Means(f"a host name of letters, digits and '-', at most {LONGEST_NAME} in all"),
    ]
    """Name of the machine."""


class IssueLayer(Model):
    issue: str
    """Text above the login prompt (/etc/issue)."""


class UsersLayer(Model):
    users: tuple[User, ...]
    """Accounts to make or change."""


class GroupsLayer(Model):
    groups: tuple[Group, ...]
    """Groups to make."""


class RootLoginLayer(Model):
    root_login: RootLogin
    """How root may log in; by default not at all."""


class SshdLayer(Model):
    sshd: Sshd
    """Policy of the SSH server."""


class ServicesLayer(Model):
    services: tuple[Service, ...]
    """Programs to start with the system."""


class PackagesLayer(Model):
    packages: tuple[SourcePackage, ...]
    """Software to compile from folders of the project."""


class SecretsLayer(Model):
    secrets: tuple[SecretFile, ...]
    """Files whose contents are put into the exported images and are in no cache and no log."""


class PythonLayer(Model):
    python: PythonPackages
    """Python packages to install."""


class PermissionsLayer(Model):
    permissions: tuple[Permission, ...]
    """Owners, modes and capabilities of files in the image."""


class DevicesLayer(Model):
    devices: tuple[Device, ...]
    """Device nodes and named pipes."""


class DeviceTableLayer(Model):
    device_table: ProjectFile
    """File in Buildroot's device table format (makedev): permissions and nodes."""


Layer = Annotated[
    OverlayLayer
    | HostnameLayer
    | IssueLayer
    | UsersLayer
    | GroupsLayer
    | RootLoginLayer
    | PermissionsLayer
    | DevicesLayer
    | DeviceTableLayer
    | SshdLayer
    | ServicesLayer
    | PackagesLayer
    | SecretsLayer
    | PythonLayer,
    OneOf(),
]
