"""What to set in a root filesystem: the description that `rootfs.py assemble --spec` takes, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rootstream.sandbox.json_spec import SpecEntry
from rootstream.sandbox.program import LAST_EPOCH, Mistake
from rootstream.sandbox.rootfs.apt_sources import AptSources, parse_apt
from rootstream.sandbox.rootfs.capability import capability_xattr
from rootstream.sandbox.rootfs.identities import CHOICES, Identity
from rootstream.sandbox.rootfs.services import (
    ServiceSpec,
    Sshd,
    UnitChoice,
    parse_choice,
    parse_services,
    parse_sshd,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")
NAME_RULE = "of at most 32 letters, digits, '.', '_' or '-' that begins with a letter or '_'"
FIELD = re.compile(r"[^:\x00-\x1f\x7f\ud800-\udfff]*")
FIELD_RULE = "on one line without ':'"
PATH = re.compile(r"/[^\x00-\x1f\x7f\ud800-\udfff]*")
PATH_RULE = "that is an absolute path"
HOME = re.compile(r"/[^:\x00-\x1f\x7f\ud800-\udfff]*")
HOSTNAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
HASH = re.compile(r"\$[0-9a-z]{1,12}\$[./0-9A-Za-z$=,+-]{8,400}")
KEY = re.compile(
    r"([^\x00-\x1f\x7f\ud800-\udfff]+ )?(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+|sk-[a-z0-9-]+)(@openssh\.com)? "
    r"[A-Za-z0-9+/]{16,}={0,3}( [^\x00-\x1f\x7f\ud800-\udfff]*)?"
)
WORD = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]+")
LINES = re.compile(r"[^\x00\ud800-\udfff]*")
PYTHON = re.compile(r"3\.[0-9]{1,2}")
MOST_ID = (1 << 32) - 2
MOST_MAJOR, MOST_MINOR = (1 << 12) - 1, (1 << 20) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group to add, or to add members to."""

    name: str
    gid: int | None = None
    members: tuple[str, ...] = ()
    system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user to add or to change. `password` is the field for shadow; None leaves it as it is, or locked."""

    name: str
    uid: int | None = None
    gid: int | None = None
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
    """A device node or fifo; with `count`, as many, numbered from 0."""

    path: str
    type: str
    major: int = 0
    minor: int = 0
    mode: int = 0o600
    owner: str | int = 0
    group: str | int = 0
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A line of fstab."""

    source: str
    target: str
    type: str
    options: str = "defaults"
    dump: int = 0
    check: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSpec:
    """Everything to set in a root filesystem. `epoch` is in seconds; None means SOURCE_DATE_EPOCH.

    `debian` removes what configuring a Debian leaves of the time and place, `identities` are paths of it that two
    runs make differently, `drop` are patterns of paths to
    remove, `left_out` those of what was not unpacked; `python` is the version that the root's Python must have.
    `names` are what messages call the layers, by file name.
    """

    hostname: str | None = None
    issue: str | None = None
    epoch: int | None = None
    groups: tuple[Group, ...] = ()
    users: tuple[User, ...] = ()
    root_login: RootLogin | None = None
    permissions: tuple[Permission, ...] = ()
    devices: tuple[Device, ...] = ()
    fstab: tuple[Mount, ...] | None = None
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


def parse_root_spec(value: object) -> RootSpec:
    """Return the description from its JSON form; `Mistake` with all that is wrong in it."""
    problems: list[str] = []
    top = SpecEntry(value, "spec", problems)
    fstab = top.entries("fstab", "target")
    root_login = top.take("root_login")
    spec = RootSpec(
        hostname=top.text("hostname", HOSTNAME, "that is a host name (letters, digits, '-' and '.')"),
        issue=top.text("issue", LINES, "without NUL"),
        epoch=top.number("epoch", 0, LAST_EPOCH),
        groups=tuple(_group(entry) for entry in top.entries("groups")),
        users=tuple(_user(entry) for entry in top.entries("users")),
        root_login=None if root_login is None else _root_login(SpecEntry(root_login, "root_login", problems)),
        permissions=tuple(_permission(entry) for entry in top.entries("permissions", "path")),
        devices=tuple(_device(entry) for entry in top.entries("devices", "path")),
        fstab=tuple(_mount(entry) for entry in fstab) if fstab else None,
        services=parse_services(top),
        sshd=parse_sshd(top),
        units=parse_choice(top),
        apt=parse_apt(top),
        python=top.text("python", PYTHON, "that is a version such as 3.13"),
        debian=top.flag("debian"),
        identities=tuple(_identity(entry) for entry in top.entries("identities", "path")),
        drop=top.texts("drop", PATH, PATH_RULE),
        left_out=top.texts("left_out", PATH, PATH_RULE),
        names=dict(_name(entry) for entry in top.entries("layers", "file")),
    )
    top.end()
    for what, names in (
        ("groups", [group.name for group in spec.groups]),
        ("users", [user.name for user in spec.users]),
    ):
        problems += [
            f"{what}: {name!r} is there twice" for name in sorted({n for n in names if n and names.count(n) > 1})
        ]
    if problems:
        raise Mistake(*problems)
    return spec


def _identity(entry: SpecEntry) -> Identity:
    identity = Identity(
        path=entry.required("path", PATH, PATH_RULE), choice=entry.choice("choice", CHOICES, CHOICES[0])
    )
    entry.end()
    return identity


def _group(entry: SpecEntry) -> Group:
    group = Group(
        name=entry.required("name", NAME, NAME_RULE),
        gid=entry.number("gid", 0, MOST_ID),
        members=entry.texts("members", NAME, NAME_RULE),
        system=entry.flag("system"),
    )
    entry.end()
    return group


def _user(entry: SpecEntry) -> User:
    user = User(
        name=entry.required("name", NAME, NAME_RULE),
        uid=entry.number("uid", 0, MOST_ID),
        gid=entry.number("gid", 0, MOST_ID),
        group=entry.text("group", NAME, NAME_RULE),
        groups=entry.texts("groups", NAME, NAME_RULE),
        home=entry.text("home", HOME, PATH_RULE + " without ':'"),
        shell=entry.text("shell", HOME, PATH_RULE + " without ':'"),
        gecos=entry.text("gecos", FIELD, FIELD_RULE),
        password=_password(entry),
        authorized_keys=entry.texts(
            "authorized_keys", KEY, "that is one SSH public key, such as 'ssh-ed25519 AAAA... name'"
        ),
        sudo=_sudo(entry),
        system=entry.flag("system"),
    )
    if user.name == "root":
        entry.wrong("root is not set here but by root_login")
    if user.gid is not None and user.group is not None:
        entry.wrong("gid and group both name the first group; give one of them")
    entry.end()
    return user


def _root_login(entry: SpecEntry) -> RootLogin:
    login = RootLogin(
        password=_password(entry),
        console=entry.flag("console", default=True),
        authorized_keys=entry.texts(
            "authorized_keys", KEY, "that is one SSH public key, such as 'ssh-ed25519 AAAA... name'"
        ),
    )
    if not login.console and login.password not in (None, "!"):
        entry.wrong('console false locks the password; leave the password out or make it "locked"')
    entry.end()
    return login


def _password(entry: SpecEntry) -> str | None:
    value = entry.take("password")
    if value is None:
        return None
    if value == "locked":
        return "!"
    if value == "empty":
        return ""
    hashed = value.get("hash") if isinstance(value, dict) and set(value) == {"hash"} else None
    if isinstance(hashed, str) and HASH.fullmatch(hashed):
        return hashed
    # the value itself stays out of the message: it may be a password in plain text
    entry.wrong('password has to be "locked", "empty" or {"hash": "$6$..."} as `openssl passwd -6` writes it')
    return None


def _sudo(entry: SpecEntry) -> str:
    value = entry.take("sudo")
    if value is None or value is False:
        return "no"
    if value is True:
        return "yes"
    if value != "nopasswd":
        entry.wrong(f'sudo {value!r} has to be true, false or "nopasswd"')
    return "nopasswd"


def _name(entry: SpecEntry) -> tuple[str, str]:
    file, name = entry.required("file", FIELD, FIELD_RULE), entry.required("name", LINES, "without NUL")
    entry.end()
    return file, name


def _owner(entry: SpecEntry, key: str) -> str | int | None:
    value = entry.take(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_ID):
        return value
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    entry.wrong(f"{key} {value!r} has to be a name or a number from 0 to {MOST_ID}")
    return None


def _permission(entry: SpecEntry) -> Permission:
    permission = Permission(
        path=entry.required("path", PATH, PATH_RULE),
        owner=_owner(entry, "owner"),
        group=_owner(entry, "group"),
        mode=entry.number("mode", 0, 0o7777),
        recursive=entry.flag("recursive"),
        capabilities=entry.text("capabilities"),
        create=entry.flag("create"),
        optional=entry.flag("optional"),
    )
    if permission.capabilities is not None:
        try:
            capability_xattr(permission.capabilities)
        except Mistake as mistake:
            entry.wrong(str(mistake))
    if ".." in permission.path.split("/"):
        entry.wrong("the path has '..' in it")
    entry.end()
    return permission


def _device(entry: SpecEntry) -> Device:
    owner, group, mode = _owner(entry, "owner"), _owner(entry, "group"), entry.number("mode", 0, 0o7777)
    device = Device(
        path=entry.required("path", PATH, PATH_RULE),
        type=entry.choice("type", ("char", "block", "fifo"), "char"),
        major=entry.number("major", 0, MOST_MAJOR) or 0,
        minor=entry.number("minor", 0, MOST_MINOR) or 0,
        mode=0o600 if mode is None else mode,
        owner=0 if owner is None else owner,
        group=0 if group is None else group,
        count=entry.number("count", 1, 4096),
    )
    if ".." in device.path.split("/"):
        entry.wrong("the path has '..' in it")
    entry.end()
    return device


def _mount(entry: SpecEntry) -> Mount:
    mount = Mount(
        source=entry.required("source", WORD, "without blanks"),
        target=entry.required("target", WORD, "without blanks"),
        type=entry.required("type", WORD, "without blanks"),
        options=entry.text("options", WORD, "without blanks") or "defaults",
        dump=entry.number("dump", 0, 9) or 0,
        check=entry.number("pass", 0, 9) or 0,
    )
    entry.end()
    return mount
