"""The part of the description that is laid over a root: the same words for every root."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rootstream.description.product import License
from rootstream.description.system import (
    Account,
    GitAddress,
    GitRef,
    ImagePath,
    Means,
    Mode,
    Model,
    Number,
    OneLine,
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
        raise ValueError(
            "expected a password hash such as $6$..., as printed by `mkpasswd` or `openssl passwd -6`"
        )
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
    """A password, given as a hash."""

    hash: Annotated[str, AfterValidator(_hash), Means("a password hash such as $6$...")]
    """Hash in the format of crypt(5): `$6$salt$...`."""


Password = Literal["locked", "empty"] | PasswordHash


class User(Model):
    """A user account."""

    name: Account
    """Login name."""
    uid: Annotated[int, Field(ge=0, le=65533)] | None = None
    """User ID; by default the next free one from 1000 up, or from 100 for a system user."""
    group: Account | None = None
    """Primary group; by default a group with the name of the user."""
    groups: tuple[Account, ...] = ()
    """Supplementary groups; created if they do not exist in the root."""
    home: PasswdPath | None = None
    """Home directory; by default /home/NAME."""
    shell: PasswdPath = "/bin/sh"
    """Login shell."""
    gecos: Annotated[str, Field(pattern=r"^[^:\x00-\x1f\x7f]*$"), Means("text on one line, without ':'")] = ""
    """Full name or purpose."""
    password: Password = "locked"  # noqa: S105  (a word, not a password)
    """`locked`, `empty`, or `{hash: ...}`."""
    authorized_keys: tuple[ProjectFile, ...] = ()
    """Files with SSH public keys that are accepted for this user."""
    sudo: bool | Literal["nopasswd"] = False
    """Allow the user to become root with sudo, with their own password or (`nopasswd`) without one."""
    system: bool = False
    """Make it a system account: a low user ID, and no home directory created."""


class RootLogin(Model):
    """How root can log in."""

    password: Password = "locked"  # noqa: S105
    """`locked`, `empty`, or `{hash: ...}`."""
    console: bool = True
    """Allow root to log in on consoles (impossible with `password: locked`)."""
    authorized_keys: tuple[ProjectFile, ...] = ()
    """Files with SSH public keys that are accepted for root."""


class Group(Model):
    """A group."""

    name: Account
    """Name of the group."""
    gid: Annotated[int, Field(ge=0, le=65533)] | None = None
    """Group ID; by default the next free one."""
    system: bool = False
    """Make it a system group, with an ID below 1000."""


class Permission(Model):
    """Owner, mode or capabilities of existing files in the image."""

    path: ImagePath
    """Path in the image; `*` in its last component matches any name."""
    owner: Account | Number | None = None
    """Owner, by name or ID."""
    group: Account | Number | None = None
    """Group, by name or ID."""
    mode: Mode | None = None
    """Octal mode, including set-ID and sticky bits, such as 4755."""
    recursive: bool = False
    """Apply it to everything below the path as well."""
    capabilities: (
        Annotated[
            str,
            AfterValidator(_capabilities),
            Means("capabilities such as cap_net_raw+ep"),
        ]
        | None
    ) = None
    """File capabilities in the notation of setcap(8), such as `cap_net_raw+ep`."""


class Device(Model):
    """A device node or named pipe."""

    path: ImagePath
    """Path in the image."""
    type: Literal["char", "block", "fifo"]
    """Type of the node."""
    major: Annotated[int, Field(ge=0, le=4095)] = 0
    """Major number."""
    minor: Annotated[int, Field(ge=0, le=1048575)] = 0
    """Minor number."""
    mode: Mode = 0o600
    """Octal mode."""
    owner: Account | Number = 0
    """Owner, by name or ID."""
    group: Account | Number = 0
    """Group, by name or ID."""


class Sshd(Model):
    """Login policy of the SSH server in the root (OpenSSH or Dropbear)."""

    root: Literal["no", "prohibit-password", "yes"] | None = None
    """Whether root can log in: not at all, only with a key, or also with a password. By default only with the keys
    in `root_login`, or not at all if there are none."""
    passwords: bool | None = None
    """Whether users can log in with passwords; by default the server's own default."""
    ports: tuple[Port, ...] = ()
    """Ports to listen on; by default 22."""


class Service(Model):
    """A program that the init system of the root starts at boot."""

    name: Account
    """Name of the service."""
    command: OneLine
    """Command line of a program that stays in the foreground, run by a shell."""
    user: Account | None = None
    """User to run it as; by default root."""
    after: tuple[Account, ...] = ()
    """Services earlier in this list to start before it."""
    restart: Literal["no", "always"] = "always"
    """Whether to restart it when it exits."""
    enabled: bool = True
    """Start it at boot."""


class SourcePackage(Model):
    """Software in a folder of the project, to be built for the system and installed in it."""

    name: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9-]{0,62}$"),
        Means("a name of lower-case letters, digits and '-' that begins with a letter"),
    ]
    """Name of the package."""
    source: ProjectFolder
    """Folder with its source code."""
    build: Literal["autotools", "cmake", "meson", "make", "cargo", "go", "python"]
    """Build system."""
    depends: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+._-]*$"), Means("the name of a package")], ...],
        Field(max_length=100),
    ] = ()
    """Packages that it depends on, such as `zlib`; `host-...` for build tools."""
    options: tuple[OneLine, ...] = ()
    """Options to pass to configure, cmake, meson, make, cargo or go."""
    module: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~/-]{0,199}$"),
            Means("a name of letters, digits, '.', '_', '~', '/' and '-'"),
        ]
        | None
    ) = None
    """Go: the module path, by default that in go.mod, or the name. Python: `setuptools` (the default), `flit`
    ..."""
    version: OneLine | None = None
    """Version, for the bill of materials; by default that of the product."""
    supplier: OneLine | None = None
    """Who supplies it, for the bill of materials; by default that of the product."""
    license: License | None = None
    """Terms, as an SPDX license expression, for the bill of materials; by default those of the product."""


class SecretFile(Model):
    """A file with a secret, such as a host key or a token."""

    path: ImagePath
    """Path in the image."""
    file: ProjectFile
    """File in the project with the contents, 24 bytes to 32 KiB; keep it out of version control."""
    mode: Mode = 0o600
    """Octal mode."""
    owner: Account | Number | None = None
    """Owner, by name or ID; by default root."""
    group: Account | Number | None = None
    """Group, by name or ID; by default root."""


def _requirement(value: str) -> str:
    problem = requirement.problem(value)
    if problem is not None:
        raise ValueError(problem)
    return value


Requirement = Annotated[
    str,
    AfterValidator(_requirement),
    Means("a Python requirement: a package name, optionally with extras, versions and a marker"),
]
PythonName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"), Means("the name of a Python package")
]


class PythonGit(Model):
    """A Python package in a Git repository, built in the sandbox."""

    name: PythonName
    """Name of the package."""
    url: GitAddress
    """URL of the repository."""
    track: GitRef = "HEAD"
    """Branch or tag that `rootstream update` follows; the lock pins the commit."""
    submodules: bool = False
    """Also fetch its submodules, from the URLs in its .gitmodules."""
    version: (
        Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.!+_-]{0,98}$"), Means("a version such as 13.1.0")] | None
    ) = None
    """Version of a package that derives it from Git history (pbr, setuptools-scm), which is not in the sandbox."""


class PythonPackages(Model):
    """Python packages for the Python of the root: wheels that pip selects and the lock pins by hash."""

    install: tuple[Requirement, ...] = ()
    """Requirements to install, in pip's notation: `ironic-python-agent==13.0.0`."""
    from_source: tuple[Requirement, ...] = ()
    """Requirements to build from source in the sandbox, because there is no wheel, or none for this system."""
    git: tuple[PythonGit, ...] = ()
    """Packages to build from Git repositories, and to install along with their dependencies."""
    build_requires: tuple[Requirement, ...] = ()
    """Python packages that building needs and the sources do not declare."""
    build_packages: tuple[PackageName, ...] = ()
    """Debian packages that building needs in addition to a compiler and Python's headers, such as libffi-dev."""
    requirements: tuple[ProjectFile, ...] = ()
    """Requirements files in the project."""
    constraints: tuple[ProjectFile, ...] = ()
    """Constraints files in the project, such as upper-constraints.txt, which limit the versions of
    dependencies."""
    version: (
        Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$"), Means("a version of Python such as 3.13")] | None
    ) = None
    """Version of the root's Python; by default that of the suite. Required for a Buildroot root."""
    byte_code: bool = True
    """Compile the packages to byte code: they start faster, at about twice the size."""


class OverlayLayer(Model):
    overlay: ProjectFolder
    """Folder in the project that is copied over the root, except for `.git .svn .hg .empty *~`.

    Its files are owned by root, with the modes that Git records: 755 for folders and executables, 644 for other
    files. Folders that exist in the root keep their owner and mode. Use `permissions` for other owners and modes.
    """


class HostnameLayer(Model):
    hostname: Annotated[
        str,
        Field(pattern=rf"^{LABEL}(\.{LABEL})*$", max_length=LONGEST_NAME),
        Means(f"a host name of letters, digits and '-', at most {LONGEST_NAME} characters"),
    ]
    """Host name of the system."""


class IssueLayer(Model):
    issue: str
    """Text above the login prompt (/etc/issue)."""


class UsersLayer(Model):
    users: tuple[User, ...]
    """User accounts to create or change."""


class GroupsLayer(Model):
    groups: tuple[Group, ...]
    """Groups to create."""


class RootLoginLayer(Model):
    root_login: RootLogin
    """How root can log in; by default not at all."""


class SshdLayer(Model):
    sshd: Sshd
    """Login policy of the SSH server."""


class ServicesLayer(Model):
    services: tuple[Service, ...]
    """Programs to start at boot."""


class PackagesLayer(Model):
    packages: tuple[SourcePackage, ...]
    """Software to build from folders of the project."""


class SecretsLayer(Model):
    secrets: tuple[SecretFile, ...]
    """Files whose contents are injected into the exported images only, and appear in no cache and no log."""


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
    """File in Buildroot's device table format (makedevs): permissions and device nodes."""


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
