"""dpkg's database of an unpacked set, made from the packages' own control files instead of by dpkg.

What unpacking into the engine's store loses goes beside it, below `PLACE`: owners, modes, the scripts to run
before the packages are configured, triggers. Formats: deb-control(5), deb-triggers(5), dpkg's `info` folder.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rootstream.archives import chroot_paths
from rootstream.archives.tar_stream import Member, MemberKind
from rootstream.formats.faults import Fault

PLACE = ".rootstream"
VERSION = 6  # part of the unique key: to be raised when the outcome changes
DATABASE = "var/lib/dpkg"
FOLDERS = ("alternatives", "info", "parts", "triggers", "updates")
# Control files that dpkg does not keep as they are.
NOT_KEPT = frozenset({"control"})
USUAL_MODES = {MemberKind.FILE: (0o644, 0o755), MemberKind.DIRECTORY: (0o755,)}
_CONTROL_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}")
_MERGED = re.compile(r"^(/(?:bin|lib|lib32|lib64|sbin)/)")
_INTEREST = re.compile(r"interest(-await|-noawait)?")


@dataclass(slots=True)
class Contents:
    """What a package holds: every path in order, those with an owner or mode of their own, those left out.

    `folders` are those of the latter that are folders: scripts put files into them.
    """

    paths: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    special: list[tuple[str, int, int, int]] = field(default_factory=list)
    dropped: list[tuple[str, int]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedPackage:
    """A package as it is before it is configured: its control files and what it holds."""

    control: dict[str, bytes]
    contents: Contents
    conffiles: tuple[tuple[str, str], ...]

    def field(self, name: str) -> str:
        """Return a field of the control file, or an empty text."""
        return control_field(self.control, name)

    @property
    def info(self) -> str:
        """Return how dpkg names its files in the `info` folder."""
        name = self.field("Package")
        return f"{name}:{self.field('Architecture')}" if self.field("Multi-Arch") == "same" else name


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseChoice:
    """Which paths of packages are left out: shell patterns whose `*` takes slashes, as dpkg's path-exclude."""

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()

    def leaves_out(self, path: str) -> bool:
        """Tell whether a path (`/usr/share/doc/x`) is left out."""
        return _matches(path, self.exclude) and not _matches(path, self.include)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def control_field(control: dict[str, bytes], name: str) -> str:
    """Return a field of a package's control file, without the lines that follow its first."""
    for line in control.get("control", b"").decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon and key.lower() == name.lower():
            return value.strip()
    return ""


def note(contents: Contents, member: Member, choice: DatabaseChoice) -> bool:
    """Remember a member of a package; False if it is to be left out."""
    path = "/" + "/".join(chroot_paths.parts(member.name))
    contents.paths.append("/." if path == "/" else path)
    if member.kind is not MemberKind.DIRECTORY:
        contents.files.add(_MERGED.sub(r"/usr\1", path))
    if path != "/" and choice.leaves_out(path):
        if member.kind is MemberKind.DIRECTORY:
            contents.folders.append(path)
        else:
            contents.dropped.append((path, member.size))
        return False
    usual = USUAL_MODES.get(member.kind)
    if (member.uid, member.gid) != (0, 0) or (usual and member.mode not in usual):
        mode = member.mode if usual else -1
        if member.kind is not MemberKind.HARDLINK:
            contents.special.append((path, mode, member.uid, member.gid))
    return True


def conffiles(control: dict[str, bytes], folder: str) -> tuple[tuple[str, str], ...]:
    """Return (path, what the status file says of it) of a package's configuration files, unpacked in a folder.

    That is the MD5 that dpkg compares, or a flag of deb-conffiles(5) for a file that is not in the package.
    """
    found = []
    for line in control.get("conffiles", b"").decode("utf-8", "replace").splitlines():
        path = line.strip()
        flag, _, named = path.partition(" ")
        if flag == "remove-on-upgrade" and named.strip().startswith("/"):
            found.append((named.strip(), f"newconffile {flag}"))
        if not path.startswith("/"):
            continue
        place = Path(folder, chroot_paths.on_disk(folder, path))
        if place.is_file():
            found.append((path, hashlib.md5(place.read_bytes(), usedforsecurity=False).hexdigest()))
    return tuple(found)


def md5sums(contents: Contents, folder: str) -> bytes:
    """Return the sums that dpkg writes for a package without them: of its files, in their order, in a folder."""
    lines = []
    for path in contents.paths:
        above, _, name = path.rpartition("/")
        place = Path(folder, chroot_paths.on_disk(folder, above), name)
        if place.is_file() and not place.is_symlink():
            with place.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            lines.append(f"{digest.hexdigest()}  {path[1:]}\n")
    return _bytes("".join(lines))


def diverting(packages: Sequence[UnpackedPackage]) -> frozenset[int]:
    """Return the numbers of the packages that move another's files away to have their own in the same place.

    Only dpkg can put these in place. Many more divert files that only an upgrade would have.
    """
    owners: dict[str, int] = {}
    for package in packages:
        for path in package.contents.files:
            owners[path] = owners.get(path, 0) + 1
    return frozenset(
        number
        for number, package in enumerate(packages)
        if b"dpkg-divert" in package.control.get("preinst", b"")
        and any(owners[path] > 1 for path in package.contents.files)
    )


def stanza(package: UnpackedPackage) -> str:
    """Return the package's entry in dpkg's status file: unpacked, not configured."""
    text = package.control["control"].decode("utf-8", "surrogateescape").strip("\n")
    head, _, rest = text.partition("\n")
    lines = [head, "Status: install ok unpacked", rest]
    if package.conffiles:
        lines += ["Conffiles:", *(f" {path} {digest}" for path, digest in package.conffiles)]
    return "\n".join(lines) + "\n"


def interests(package: UnpackedPackage) -> Iterator[tuple[str, str]]:
    """Yield (trigger, mark behind the package's name) of each trigger that a package waits for."""
    for line in package.control.get("triggers", b"").decode("utf-8", "replace").splitlines():
        words = line.split("#")[0].split()
        match = _INTEREST.fullmatch(words[0]) if len(words) > 1 else None
        if match:
            yield words[1], "/noawait" if match[1] == "-noawait" else ""


def activated(packages: Sequence[UnpackedPackage]) -> Iterator[tuple[str, str]]:
    """Yield (package with files, trigger) for each trigger that another package of the set waits for."""
    listed = {id(package): frozenset(package.contents.paths) for package in packages}
    for package in packages:
        for trigger, _ in interests(package):
            if not trigger.startswith("/"):
                continue
            for other in packages:
                # A package lists the folders that its files are in.
                if other is not package and trigger in listed[id(other)]:
                    yield other.field("Package"), trigger
                    break


def write(root: str, packages: Sequence[UnpackedPackage], first: Sequence[str] = ()) -> None:
    """Write the database of a set that lies unpacked below `root`, and what else configuring it needs.

    `first` are the packages that are configured before the others.
    """
    database = Path(root, chroot_paths.on_disk(root, DATABASE))
    for name in FOLDERS:
        (database / name).mkdir(parents=True, exist_ok=True)
    (database / "info/format").write_text("1\n")
    (database / "diversions").touch()
    entries = "\n".join(stanza(package) for package in packages)
    (database / "status").write_text(entries, "utf-8", "surrogateescape")
    files: list[str] = []
    named: dict[str, list[str]] = {}
    for package in packages:
        _write_info(database / "info", package)
        for trigger, mark in interests(package):
            if trigger.startswith("/"):
                files.append(f"{trigger} {package.info}{mark}")
            elif _CONTROL_NAME.fullmatch(trigger):
                named.setdefault(trigger, []).append(f"{package.info}{mark}")
    if files:
        (database / "triggers/File").write_text("".join(f"{line}\n" for line in files))
    for trigger, lines in named.items():
        (database / "triggers" / trigger).write_text("".join(f"{line}\n" for line in lines))
    _write_notes(Path(root, PLACE), packages)
    _write_scripts(Path(root, PLACE), packages, first)


def _write_info(folder: Path, package: UnpackedPackage) -> None:
    name = package.info
    listing = "".join(f"{path}\n" for path in package.contents.paths)
    (folder / f"{name}.list").write_text(listing, "utf-8", "surrogateescape")
    for file, content in package.control.items():
        if file not in NOT_KEPT:
            _write_control(folder, file, content, f"{name}.")


def _write_control(folder: Path, file: str, content: bytes, prefix: str = "") -> None:
    if _CONTROL_NAME.fullmatch(file):
        place = folder / f"{prefix}{file}"
        place.write_bytes(content)
        place.chmod(0o755 if content.startswith(b"#!") else 0o644)


def _write_scripts(place: Path, packages: Sequence[UnpackedPackage], first: Sequence[str]) -> None:
    """Write what runs before the packages are unpacked: two lists in order, and their control files."""
    _lines(place / "first", first)
    lists: dict[str, list[str]] = {"first": [], "rest": []}
    for package in sorted(packages, key=lambda each: each.field("Package") != "base-passwd"):  # makes the accounts
        if "preinst" in package.control:
            name = package.field("Package")
            lists["first" if name in first else "rest"].append(f"{name} {package.field('Architecture')}")
            folder = place / "control" / name
            folder.mkdir(parents=True)
            for file, content in package.control.items():
                _write_control(folder, file, content)
    for name, lines in lists.items():
        _lines(place / f"preinst-{name}", lines)


def _write_notes(place: Path, packages: Sequence[UnpackedPackage]) -> None:
    """Write what the configuring script reads: lists with a NUL behind each path, or a line for each package."""
    owners: dict[str, list[str]] = {}
    modes: dict[str, list[str]] = {}
    for package in packages:
        for path, mode, uid, gid in package.contents.special:
            if (uid, gid) != (0, 0):
                owners.setdefault(f"{uid}:{gid}", []).append(path)
            if mode >= 0:
                modes.setdefault(f"{mode:04o}", []).append(path)
    for kind, groups in (("owners", owners), ("modes", modes)):
        (place / kind).mkdir(parents=True, exist_ok=True)
        for name, paths in groups.items():
            (place / kind / name).write_bytes(b"".join(_bytes(path) + b"\0" for path in paths))
    _lines(place / "triggers", (f"{name} {trigger}" for name, trigger in activated(packages)))
    dropped = {path: size for package in packages for path, size in package.contents.dropped}
    _lines(place / "dropped", (f"{dropped[path]} {path}" for path in sorted(dropped)))
    folders = sorted({path for package in packages for path in package.contents.folders})
    (place / "folders").write_bytes(b"".join(_bytes(path) + b"\0" for path in folders))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes(b"".join(_bytes(line) + b"\n" for line in lines))


def checked(control: dict[str, bytes], name: str) -> dict[str, bytes]:
    """Return control files whose main one names the package; raises `Fault` broken-archive."""
    if control_field(control, "Package") != name:
        raise Fault("broken-archive", f"{name}: the package's control file does not name it")
    return control
