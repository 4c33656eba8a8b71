"""What belongs to one machine and not to an image: keys, ids and passwords that packages' scripts made at random.

Known ones leave the sandbox empty, with their owner and mode, and each machine fills them at its start. Others are
found by comparing two runs of the same scripts: what differs has to be settled by the description.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.sandbox.program import Mistake, asked_for
from rootstream.sandbox.tree import Inode, InodeKind, Tree, shown, text_file

# Paths and how a machine makes what is in them: shell commands that write it to the standard output.
MADE = (
    ("/etc/munge/munge.key", "head -c 128 /dev/urandom"),
    ("/etc/nvme/hostnqn", "nvme gen-hostnqn"),
    ("/etc/nvme/hostid", "cat /proc/sys/kernel/random/uuid"),
    ("/etc/iscsi/initiatorname.iscsi", "echo InitiatorName=$(iscsi-iname -p iqn.1993-08.org.debian:01)"),
    ("/etc/bind/rndc.key", "rndc-confgen -a -c $new.key >&2 && cat $new.key"),
    ("/var/lib/rabbitmq/.erlang.cookie", "openssl rand -base64 42"),
)
# These are made together, by the package's own program.
CERTIFICATE = ("/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/ssl/certs/ssl-cert-snakeoil.pem")
KNOWN = (*(path for path, _ in MADE), *CERTIFICATE)
# Databases that are made while their packages are configured: an id of their own and times are in them, no secret.
DATABASES = (
    ("var/lib/postgresql/*/*/global/pg_control", "var/lib/postgresql/", "PostgreSQL"),
    ("var/lib/mysql/ibdata1", "var/lib/mysql/", "MariaDB"),
    ("var/lib/ldap/data.mdb", "var/lib/ldap/", "OpenLDAP"),
    ("etc/ldap/slapd.d/cn=config.ldif", "etc/ldap/slapd.d/", "OpenLDAP"),
)
# Berkeley DB writes where and when it made a file into it, Java's store when it took a certificate: nothing that a
# machine shows to another.
HARMLESS = ("etc/aliases.db", "etc/ssl/certs/java/cacerts")
PROGRAM = "usr/lib/rootstream/identities"
UNIT = "rootstream-identities.service"
UNITS = "usr/lib/systemd/system"
UNIT_TEXT = f"""[Unit]
Description=Keys and ids of this machine
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service systemd-random-seed.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/{PROGRAM}
"""
SCRIPT = f"""#!/bin/sh
# Makes the keys and ids of this machine: the image has them as empty files. Their owners and modes stay.
umask 077
new=$(mktemp -d)/new || exit 1
status=0
fill() {{
	path=$1
	shift
	if [ ! -e "$path" ] || [ -s "$path" ]; then return; fi
	if "$@" >"$new" && [ -s "$new" ]; then
		cat "$new" >"$path" || status=1
	else
		echo "$path could not be made" >&2
		status=1
	fi
}}
if [ -e {CERTIFICATE[1]} ] && [ ! -s {CERTIFICATE[1]} ]; then
	make-ssl-cert generate-default-snakeoil --force-overwrite || status=1
fi
"""


def script() -> bytes:
    """Return the program that fills what is empty."""
    lines = [f"made() {{ {command}; }}\nfill {path} made\n" for path, command in MADE]
    return (SCRIPT + "".join(lines) + 'rm -rf "${new%/new}"\nexit $status\n').encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a description says of a path: made by each machine, or kept as it is in the image."""

    path: str
    choice: str


def read_run(path: Path) -> dict[str, str]:
    """Return what one run of the scripts made, from what debian_configure.sh listed: path to content or target."""
    found: dict[str, str] = {}
    for record in path.read_bytes().decode("utf-8", "surrogateescape").split("\0"):
        content, separator, name = record.rpartition("  ./")
        if separator:
            found[name] = content
        elif record:
            raise Mistake(f"{path}: {record[:200]!r} is not a content and a path")
    return found


def differing(runs: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the paths that are not the same in all runs, in order."""
    paths = {path for run in runs for path in run}
    return tuple(sorted(path for path in paths if len({run.get(path) for run in runs}) > 1))


def settle(tree: Tree, different: Sequence[str], choices: Sequence[Identity]) -> None:
    """Refuse what differs and the description does not settle, and have machines fill what is empty.

    A path of `different` that is no longer there needs nothing. Raises `Mistake` naming package and path.
    """
    folders = [folder for _, folder, _ in DATABASES]
    settled = tuple(f"{path.strip('/')}/" for path in (*HARMLESS, *(each.path for each in choices), *folders))
    unknown = [path for path in different if not f"{path}/".startswith(settled) and tree.get(path) is not None]
    if unknown:
        raise Mistake(*(_problem(tree, path) for path in unknown))
    if any(_is_empty(tree, path) for path in KNOWN) and tree.find("usr/lib/systemd/systemd") is not None:
        tree.put(PROGRAM, text_file(script(), 0o755))
        tree.put(f"{UNITS}/{UNIT}", text_file(UNIT_TEXT.encode()))
        link = Inode(kind=InodeKind.SYMLINK, mode=0o777, target=f"../{UNIT}", origin="identities")
        tree.put(f"{UNITS}/sysinit.target.wants/{UNIT}", link)


def databases(tree: Tree) -> Iterator[str]:
    """Give what to warn of: a database that was made once, for all machines."""
    for mark, folder, name in DATABASES:
        if any(fnmatch.fnmatchcase(path, mark) for path in tree.below(folder.rstrip("/"))):
            yield (
                f"/{folder} contains a database of {name} that was created while packages were configured: its ID "
                "is the same on every machine with this image, and differs in an image that is rebuilt elsewhere"
            )


def _is_empty(tree: Tree, path: str) -> bool:
    inode = tree.get(path.lstrip("/"))
    return inode is not None and inode.content is not None and inode.content.size == 0


def _problem(tree: Tree, path: str) -> str:
    package, name = package_of(tree, path), shown(path)
    problem = (
        f"identities: {name}: {f'a file of {package} ' if package else ''}differs when the packages are "
        "configured twice: perhaps an ID or a secret that all machines would share. Write in root.debian "
        f"`identities: {{{name}: regenerate}}` to generate it on each machine, or `keep` to have it in the image"
    )
    return asked_for(package, problem) if package else problem


def package_of(tree: Tree, path: str) -> str:
    """Return the package that ships a path, or the folder nearest to it that few packages ship."""
    owners: dict[str, list[str]] = {}
    folder = tree.resolve("var/lib/dpkg/info", follow=True)
    for name in tree.children(folder):
        inode = tree.get(f"{folder}/{name}")
        if not name.endswith(".list") or inode is None or inode.content is None:
            continue
        text = b"".join(inode.content.chunks()).decode("utf-8", "surrogateescape")
        for line in text.splitlines():
            if line.startswith("/") and f"/{path}/".startswith(f"{line}/"):
                owners.setdefault(line, []).append(name.removesuffix(".list").partition(":")[0])
    for place in sorted(owners, key=len, reverse=True):
        if len(owners[place]) == 1:
            return owners[place][0]
    return ""
