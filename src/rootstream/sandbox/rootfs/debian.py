"""A configured Debian made fit for an image: what configuring left of the time and place is taken out.

What each machine must make for itself (host keys, its id, random seeds), logs, caches and backups; and the paths
that a description drops.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs import identities
from rootstream.sandbox.rootfs.settings import DAY, read_text, write_text
from rootstream.sandbox.tree import InodeKind, Tree, shown, text_file

# Files that are removed, as patterns whose `*` takes slashes.
OWN = (
    "etc/ssh/ssh_host_*",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/urandom/*",
    "var/log/*",
    "var/cache/*",
    "var/backups/*",
    "var/tmp/*",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/*[Ll]ock*",
    "etc/.pwd.lock",
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
)
KEPT = ("var/cache/debconf/config.dat", "var/cache/debconf/templates.dat")
MACHINE_ID = "etc/machine-id"
SHADOW_FIELDS = 9
UNITS = "usr/lib/systemd/system"
TMP_MOUNT = f"{UNITS}/local-fs.target.wants/tmp.mount"
DHCP = "etc/systemd/network/80-dhcp.network"  # as debian_configure.sh writes it
# Host keys are made by the machine when they are missing, not only at a first start, which a ramdisk never has.
KEYS_UNIT = (
    ("sshd-keygen.service", "[Unit]\nConditionFirstBoot=\n"),
    (
        "ssh.service",
        "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n",
    ),
)
# A login on a console waits for udev to report it. systemd gives that up after 90 s, and with it the login, which
# is too soon for a busy host without KVM; a console that the kernel uses is there.
CONSOLES = ("ttyS0", "ttyS1", "ttyAMA0", "hvc0")
PATIENT = b"[Unit]\nJobRunningTimeoutSec=infinity\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What one pattern took away; bytes of files."""

    pattern: str
    files: int
    size: int


def clean(tree: Tree, epoch: int) -> None:
    """Remove what belongs to the machine and the moment that configured the packages, not to the system."""
    wanted = re.compile("|".join(fnmatch.translate(pattern) for pattern in OWN))
    for path in list(tree.below("")):
        inode = tree.get(path)
        if inode and inode.kind is not InodeKind.DIRECTORY and path not in KEPT and wanted.match(path):
            tree.remove(path)
    # Empty: systemd makes one at each start, or at the first where it can write it down.
    tree.put(MACHINE_ID, text_file(b"", 0o444))
    # systemd-update-done.service(8): caches are as new as the programs, nothing is rebuilt at the first start
    for folder in ("etc", "var"):
        if tree.get(folder) is not None and tree.find("usr/lib/systemd/systemd") is not None:
            tree.put(f"{folder}/.updated", text_file(f"TIMESTAMP_NSEC={epoch}000000000\n".encode()))
    if tree.find(f"{UNITS}/serial-getty@.service") is not None:
        for console in CONSOLES:
            tree.put(f"{UNITS}/dev-{console}.device.d/rootstream.conf", text_file(PATIENT))
    shadow = read_text(tree, "etc/shadow")
    if shadow is not None:
        dated = "".join(f"{_dated(line, epoch // DAY)}\n" for line in shadow.splitlines())
        write_text(tree, "etc/shadow", dated)
    for unit, text in KEYS_UNIT:
        if tree.find(f"{UNITS}/{unit}") is not None:
            tree.put(f"{UNITS}/{unit}.d/rootstream.conf", text_file(text.encode()))
            break


def _dated(line: str, day: int) -> str:
    fields = line.split(":")
    if len(fields) == SHADOW_FIELDS and fields[2].isdecimal():
        fields[2] = str(day)
    return ":".join(fields)


def warnings(tree: Tree) -> tuple[str, ...]:
    """Return what a finished root lacks for what it does: a console that asks for a name needs login."""
    found = []
    if tree.get(tree.resolve(DHCP)) is not None and tree.get(tree.resolve("etc/resolv.conf")) is None:
        found.append(
            "host names cannot be resolved: DHCP configures the network, but nothing writes /etc/resolv.conf. "
            "Add `systemd-resolved` to the packages, or a resolv.conf to an overlay"
        )
    modules = tree.find("usr/lib/modules")
    if modules and tree.children(modules[0]) and tree.find("usr/sbin/modprobe") is None:
        found.append("there are kernel modules, but nothing that loads them: add `kmod` to the packages")
    asks = any(
        tree.find(f"{UNITS}/{unit}") is not None and not _masked(tree, unit)
        for unit in ("serial-getty@.service", "getty@.service")
    )
    if asks and tree.find("usr/sbin/agetty") is not None and tree.find("usr/bin/login") is None:
        found.append(
            "nobody can log in on a console: there is a login prompt, but no login program. "
            "Add `login` to the packages, or mask getty@.service and serial-getty@.service"
        )
    if tree.find(TMP_MOUNT) is not None and not _masked(tree, "tmp.mount") and (files := tree.children("tmp")):
        found.append(
            f"{shown(f'tmp/{files[0]}')} will be hidden: systemd mounts a tmpfs over it. Mask tmp.mount, or "
            "have systemd-tmpfiles create it (tmpfiles.d(5))"
        )
    return (*found, *identities.databases(tree))


def _masked(tree: Tree, unit: str) -> bool:
    inode = tree.get(f"etc/systemd/system/{unit}")
    return inode is not None and inode.target == "/dev/null"


def drop(tree: Tree, patterns: Sequence[str]) -> tuple[Dropped, ...]:
    """Remove what patterns of absolute paths match, folders with all below; say what each took away."""
    return tuple(_drop(tree, pattern) for pattern in patterns)


def _drop(tree: Tree, pattern: str) -> Dropped:
    wanted = re.compile(fnmatch.translate(_real(tree, pattern)))
    tops: list[str] = []
    for path in tree.below(""):
        if not (tops and path.startswith(tops[-1] + "/")) and wanted.match(path):
            tops.append(path)
    files = size = 0
    for top in tops:
        for path in (*reversed(list(tree.below(top))), top):
            inode = tree.get(path)
            if inode is not None and inode.kind is not InodeKind.DIRECTORY:
                files += 1
                size += inode.content.size if inode.content else 0
            tree.remove(path)
    return Dropped(pattern=pattern, files=files, size=size)


def _real(tree: Tree, pattern: str) -> str:
    """Return a pattern relative to the root, links followed in the folders that it names without `*`."""
    parts = pattern.strip("/").split("/")
    plain = next((n for n, part in enumerate(parts) if any(c in part for c in "*?[")), len(parts) - 1)
    folder = tree.resolve("/".join(parts[:plain]), follow=True)
    return "/".join(([folder] if folder else []) + parts[plain:])


def left_out(lines: Iterable[str], patterns: Sequence[str]) -> tuple[Dropped, ...]:
    """Return what was not even unpacked, by the first pattern that says so; a line is SIZE PATH."""
    found = {pattern: [0, 0] for pattern in patterns}
    tests = [(pattern, re.compile(fnmatch.translate(pattern))) for pattern in patterns]
    for line in lines:
        size, _, path = line.partition(" ")
        if not size.isdecimal():
            raise Mistake(f"{line!r} is not a size and a path")
        for pattern, test in tests:
            if test.match(path):
                found[pattern][0] += 1
                found[pattern][1] += int(size)
                break
    return tuple(Dropped(pattern=pattern, files=files, size=size) for pattern, (files, size) in found.items())


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a text file."""
    return tuple(path.read_text("utf-8", "surrogateescape").splitlines())
