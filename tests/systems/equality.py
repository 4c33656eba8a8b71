"""A Debian root beside that of mmdebstrap, of the same packages from the same mirror: what is not the same.

Compared are types, modes, owners by name, targets of links, contents, extended attributes. Accounts and dpkg's and
debconf's lists are compared as sets of entries: their order is that in which packages were configured.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from tests.conftest import rootstream

from rootstream.engine import Engine
from rootstream.fetch import mirrors
from rootstream.fetch.transport import Transport
from rootstream.project import project
from rootstream.verbs import build

SUITE = "trixie"
EPOCH = 1735689600  # of systems that say nothing else
SYSTEM = """\
systems:
  it:
    root:
      debian:
        {{suite: {suite}, also: [], apt: none, packages: [{packages}], {rest}}}
    kernel: null
    images: [tar]
"""
REST = "docs: true, locales: all, network: none"
INIT = ("systemd-sysv",)
# Only sets for which the table is complete.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "basics": {
        "minimal": (*INIT, "udev", "login"),
        "ssh-server": (*INIT, "openssh-server", "sudo"),
        "alternatives": ("vim-tiny", "nano", "gawk", "mawk", "less", "netcat-openbsd"),
    },
    "services": {
        "bind9": (*INIT, "bind9"),
        "iscsi-nvme": (*INIT, "open-iscsi", "nvme-cli"),
        "munge-slurm": (*INIT, "munge", "slurmd", "slurmctld"),
    },
    "mail": {
        "postfix": (*INIT, "postfix"),
        "exim": (*INIT, "exim4-daemon-light"),
    },
    "network": {
        "samba": (*INIT, "samba"),
        "chrony": (*INIT, "chrony"),
        "nfs": (*INIT, "nfs-kernel-server"),
    },
    "choices": {
        "preseeds": ("tzdata", "postfix"),
        "diversions": (*INIT, "molly-guard", "vim", "vim-tiny"),
        "statoverrides": ("ssl-cert",),
    },
    "databases": {
        "postgresql": (*INIT, "postgresql"),
        "mariadb": (*INIT, "mariadb-server"),
    },
    "containers": {
        "rabbitmq": (*INIT, "rabbitmq-server"),
        "podman": (*INIT, "podman"),
        "docker": (*INIT, "docker.io"),
    },
    "desktop": {
        "xfce": (*INIT, "xfce4-session", "xfwm4", "xfdesktop4", "xfce4-panel", "xfce4-terminal", "lightdm"),
    },
}
# Answers for debconf.
PRESEEDS = {
    "preseeds": """\
tzdata tzdata/Areas select Europe
tzdata tzdata/Zones/Europe select Berlin
postfix postfix/main_mailer_type select Satellite system
postfix postfix/mailname string mail.example
postfix postfix/relayhost string relay.example
""",
}
# The name that our sandbox has, and how the scripts there look it up.
HOST = "buildbox"
NAMED = ("unshare", "--uts", "sh", "-c", f'hostname {HOST} && exec "$@"', "sh")
HOSTS = f"127.0.0.1 localhost.localdomain localhost {HOST}"
TABLE = Path(__file__).with_name("debian-equality.tsv")
# Folders whose content belongs to the running system: neither root has any of it that stays.
RUNNING = ("dev/", "proc/", "sys/", "run/", "tmp/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands in a root under a name."""

    type: str
    mode: int
    owner: str
    target: str
    content: str
    xattrs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Difference:
    """A path and what of it is not the same: a field of `Entry`, or in which root alone it is."""

    path: str
    aspect: str


def _lines(data: bytes) -> bytes:
    return b"\n".join(sorted(data.splitlines()))


def _accounts(kept: tuple[int, ...]) -> Callable[[bytes], bytes]:
    """Return what gives the lines of a table of accounts as a set, with some of their fields."""

    def sorted_fields(data: bytes) -> bytes:
        rows = (line.split(b":") for line in data.splitlines())
        return b"\n".join(sorted(b":".join(row[n] for n in kept if n < len(row)) for row in rows))

    return sorted_fields


def _stanzas(data: bytes) -> bytes:
    """Give stanzas as a set, each with its lines as a set."""
    return b"\n\n".join(sorted(_lines(stanza) for stanza in data.strip().split(b"\n\n")))


# What was there before the last change of an account or a package, not the same one in both; no image has these.
BACKUPS = frozenset(
    {
        *(f"etc/{table}-" for table in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")),
        *(f"var/lib/dpkg/{table}-old" for table in ("diversions", "statoverride", "status")),
        *(f"var/cache/debconf/{table}.dat-old" for table in ("config", "templates")),
    }
)
# Numbers of dynamic accounts go by the order in which packages are configured.
AS_SETS: dict[str, Callable[[bytes], bytes]] = {
    "etc/passwd": _accounts((0, 1, 4, 5, 6)),
    "etc/group": _accounts((0, 1, 3)),
    "etc/shadow": _accounts((0, 1, 3, 4, 5, 6, 7, 8)),  # without the day
    **dict.fromkeys(("etc/gshadow", "etc/shells", "var/lib/dpkg/triggers/File"), _lines),
    **dict.fromkeys(("var/lib/dpkg/status", "var/cache/debconf/config.dat"), _stanzas),
    "var/cache/debconf/templates.dat": _stanzas,
}


def entries(path: Path) -> dict[str, Entry]:
    """Return all that stands in the tar of a root."""
    found: dict[str, Entry] = {}
    with tarfile.open(path) as tar:
        users, groups = (_names(tar, f"./etc/{table}") for table in ("passwd", "group"))
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            if member.islnk():
                found[name] = found[member.linkname.removeprefix("./")]
            elif not name.startswith(RUNNING):
                owner = f"{users.get(member.uid, member.uid)}:{groups.get(member.gid, member.gid)}"
                found[name] = _entry(tar, member, name, owner)
    return found


def _names(tar: tarfile.TarFile, path: str) -> dict[int, str]:
    file = tar.extractfile(path)
    assert file is not None
    rows = [line.split(":") for line in file.read().decode().splitlines()]
    return {int(row[2]): row[0] for row in rows}


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, owner: str) -> Entry:
    file = tar.extractfile(member) if member.isreg() else None
    data = file.read() if file else b""
    if name in BACKUPS:
        data = b""
    elif name in AS_SETS:
        data = AS_SETS[name](data)
    kinds = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link"}
    xattrs = tuple(sorted(item for item in member.pax_headers.items() if item[0].startswith("SCHILY.xattr.")))
    return Entry(
        type="file" if member.isreg() else kinds.get(member.type, str(member.type)),
        mode=0 if member.issym() else member.mode,
        owner=owner,
        target=member.linkname if member.issym() else "",
        content=hashlib.sha256(data).hexdigest(),
        xattrs=xattrs,
    )


def differences(ours: dict[str, Entry], theirs: dict[str, Entry]) -> Iterator[Difference]:
    """Give every difference of two roots."""
    for path in sorted(ours.keys() | theirs.keys()):
        if path not in theirs:
            yield Difference(path=path, aspect="only here")
        elif path not in ours:
            yield Difference(path=path, aspect="only there")
        else:
            for field in fields(Entry):
                if getattr(ours[path], field.name) != getattr(theirs[path], field.name):
                    yield Difference(path=path, aspect=field.name)


def _packages(name: str) -> tuple[str, ...]:
    return next(sets[name] for sets in GROUPS.values() if name in sets)


def accepted(name: str) -> tuple[set[Difference], set[Difference]]:
    """Return what the table accepts of a set, and what of it is there on some machines only.

    Its lines are sets, path, aspect and reason; `all` are all sets, `systemd` those with systemd. The aspect of
    what goes by the timing of threads, and is the same on some machines, ends in `?`.
    """
    found: set[Difference] = set()
    sometimes: set[Difference] = set()
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            sets, path, aspect, reason = line.split("\t")
            assert reason
            if name in sets.split(",") or sets == "all" or (sets == "systemd" and INIT[0] in _packages(name)):
                difference = Difference(path=path, aspect=aspect.removesuffix("?"))
                (sometimes if aspect.endswith("?") else found).add(difference)
    return found | sometimes, sometimes


def ours(name: str, folder: Path) -> Path:
    """Configure a set and return the tar as it leaves the sandbox, before anything is taken out of it."""
    folder.mkdir()
    preseed = PRESEEDS.get(name)
    rest = REST + (", preseed: answers" if preseed else "")
    (folder / "answers").write_text(preseed or "")
    words = {"suite": SUITE, "packages": ", ".join(_packages(name)), "rest": rest}
    (folder / "system.yaml").write_text(SYSTEM.format(**words))
    rootstream("update", cwd=folder, check=True)
    engine = Engine.of(os.environ)
    prepared = build.read(project.find(folder), ())
    build.write_plan(prepared)
    (element,) = (each for each in prepared.plan.elements if each.endswith("-configured.bst"))
    plan = prepared.project.plan
    engine.build(plan, [element])
    engine.checkout(plan, element, folder / "root")
    return folder / "root/root.tar"


# mmdebstrap runs these with the root as first argument. netbase writes the file only where there is none.
HOSTS_THERE = f'--essential-hook=echo "{HOSTS}" >"$1/etc/hosts"'
HOSTS_GONE = """--customize-hook=
    rm "$1/etc/hosts"
    netbase=/var/lib/dpkg/info/netbase.postinst
    [ ! -e "$1$netbase" ] || chroot "$1" $netbase configure"""


def mmdebstraps(name: str, folder: Path) -> Path:
    """Have mmdebstrap make the same root, on a host of the same name, and return its tar."""
    with Transport() as web:
        mirror = mirrors.for_suite(SUITE, mirrors.find([]), web.exists).url
    answers = folder / "answers"
    answers.write_text(PRESEEDS.get(name, ""))
    words = ["mmdebstrap", "--mode=root", "--variant=apt", "--architectures=amd64", "--format=tar"]
    words += [f"--include={','.join(_packages(name))}", "--aptopt=APT::Install-Recommends false"]
    words += [HOSTS_THERE, HOSTS_GONE]
    if name in PRESEEDS:
        words += [f'--essential-hook=chroot "$1" debconf-set-selections <{shlex.quote(str(answers))}']
    env = {"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(EPOCH)}
    done = subprocess.run(
        [*NAMED, *words, SUITE, folder / "theirs.tar", mirror],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "theirs.tar"


def check(name: str, folder: Path) -> None:
    """Compare one set: the table accepts what is not the same, and nothing else."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed, or we are not root")
    mine = entries(ours(name, folder / name))
    found = set(differences(mine, entries(mmdebstraps(name, folder))))
    wanted, sometimes = accepted(name)
    assert sorted(found - wanted) == []
    same = sorted(wanted - sometimes - found)
    assert not same, f"the table accepts what is the same now: {same}"
