"""What to set in a root filesystem: what `rootfs.assemble --spec` reads, as the plan wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rootstream.sandbox.rootfs.apt_sources import AptSources
from rootstream.sandbox.rootfs.identities import Identity
from rootstream.sandbox.rootfs.services import ServiceSpec, Sshd, UnitChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group to add."""

    name: str
    gid: int | None = None
    system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user to add or to change. `password` is the field for shadow; None leaves it as it is, or locked."""

    name: str
    uid: int | None = None
    group: str | None = None
    groups: tuple[str, ...] = ()
    home: str | None = None
    shell: str | None = None
    gecos: str | None = None
    password: str | None = None
    authorized_keys: tuple[str, ...] = ()
    sudo: str = "no"
    system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RootLogin:
    """How root may log in. `password` is the field for shadow; None leaves it as it is."""

    password: str | None = None
    console: bool = True
    authorized_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Owner, mode or capabilities to set. `create` makes a missing directory, `optional` forgives its absence."""

    path: str
    owner: str | int | None = None
    group: str | int | None = None
    mode: int | None = None
    recursive: bool = False
    capabilities: str | None = None
    create: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node or named pipe."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    mode: int = 0o600
    owner: str | int = 0
    group: str | int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A line of fstab."""

    source: str
    target: str
    type: str
    options: str = "defaults"
    check: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSpec:
    """Everything to set in a root filesystem. `epoch` is in seconds; None means SOURCE_DATE_EPOCH.

    `debian` removes what configuring a Debian leaves of the time and place, `identities` are paths of it that two
    runs make differently, `drop` are patterns of paths to remove, `left_out` those of what was not unpacked;
    `python` is the version that the root's Python must have. `names` are what messages call the layers, by file
    name.
    """

    hostname: str | None = None
    issue: str | None = None
    epoch: int | None = None
    groups: tuple[Group, ...] = ()
    users: tuple[User, ...] = ()
    root_login: RootLogin | None = None
    permissions: tuple[Permission, ...] = ()
    devices: tuple[Device, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    sshd: Sshd | None = None
    apt: AptSources | None = None
    units: UnitChoice = field(default_factory=UnitChoice)
    python: str | None = None
    debian: bool = False
    identities: tuple[Identity, ...] = ()
    drop: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
