"""What an overlay has on this disk and no image, or no clone of the project, gets: modes, owners, attributes.

Git keeps the contents of files and whether they are programs. What is more is told, with the words that keep it.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.description.layers import DeviceTableLayer, OverlayLayer, PermissionsLayer, UsersLayer
from rootstream.description.model import System
from rootstream.description.roots import FromBusybox
from rootstream.errors import Caution, Problems, UserError, Where
from rootstream.formats import capability
from rootstream.host.file_text import text_of
from rootstream.plan.overlay import walk
from rootstream.plan.roots.device_table import parse_device_table
from rootstream.sandbox.rootfs.replaced import flow_text

MOST = 20  # cautions of a kind for one overlay
# What Git checks out, also with a umask of 002 or read-only.
FILES = frozenset((0o644, 0o755, 0o664, 0o775, 0o444, 0o555))
FOLDERS = frozenset((0o755, 0o775, 0o555))
# What every running system mounts something over: an image's own files below are out of reach.
HIDDEN = re.compile(r"/(?:proc|sys|dev|run|var/run|var/lock)/")
HIDDEN_BY_BUSYBOX = re.compile(rf"{HIDDEN.pattern}|/tmp/")
HOME = 0o700  # of people's homes, whatever a layer says
# Labels that a host gives by itself.
LABELS = re.compile(r"security\.(selinux|ima|evm|apparmor|SMACK64.*)|trusted\..*|btrfs\..*|user\.overlay\..*")
MERGED = re.compile(r"/usr(?=/(bin|sbin|lib|lib32|lib64|libx32)(/|$))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a permission sets, as far as it matters whether it does."""

    path: str
    recursive: bool
    words: frozenset[str]

    def sets(self, path: str) -> frozenset[str]:
        """Return the words that are set for a path of the image."""
        parts = path.split("/")
        tops = ["/".join(parts[:length]) for length in range(2, len(parts) + 1)] if self.recursive else [path]
        return self.words if any(self._matches(each) for each in tops) else frozenset()

    def _matches(self, path: str) -> bool:
        parent, _, pattern = self.path.rpartition("/")
        above, _, name = path.rpartition("/")
        return parent == above and (fnmatch.fnmatchcase(name, pattern) if "*" in pattern else name == pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Users and groups that are no owners of their own: root and whoever has the project."""

    users: frozenset[int]
    groups: frozenset[int]
    folders: frozenset[int]


def cautions(system: System, folder: Path) -> tuple[Caution, ...]:
    """Return what of a system's overlays is not kept; what cannot be read is told by whoever needs it."""
    try:
        rules = tuple(_rules(system, folder))
        owners = _owners(folder)
        hidden = HIDDEN_BY_BUSYBOX if isinstance(system.root, FromBusybox) else HIDDEN
        overlays = dict.fromkeys(layer.overlay for layer in system.layers if isinstance(layer, OverlayLayer))
        found = (_found(folder / overlay, rules, owners, hidden) for overlay in overlays)
        return tuple(each for every in found for each in _few(every))
    except (OSError, Problems, UserError):
        return ()


def _few(found: Iterable[Caution]) -> Iterator[Caution]:
    counts: dict[str, int] = {}
    for each in found:
        counts[each.reason] = counts.get(each.reason, 0) + 1
        if counts[each.reason] <= MOST:
            yield each
    for reason, count in counts.items():
        if count > MOST:
            yield Caution(reason=reason, message=f"{count - MOST} more files of overlays have {_MORE[reason]}")


_MORE = {
    "overlay-metadata": "owners, modes or attributes that are lost",
    "overlay-hard-link": "hard links that are lost",
    "overlay-empty-folder": "no file in it, so that Git does not keep it",
    "overlay-hidden": "a path that the running system mounts something over",
}


def _rules(system: System, folder: Path) -> Iterator[Rule]:
    for layer in system.layers:
        if isinstance(layer, PermissionsLayer):
            for each in layer.permissions:
                yield _rule(each.path, each, recursive=each.recursive)
        elif isinstance(layer, DeviceTableLayer):
            for row in parse_device_table(text_of(folder / layer.device_table), folder).permissions:
                yield _rule(row.path, row, recursive=row.recursive)
        elif isinstance(layer, UsersLayer):
            for user in (each for each in layer.users if not each.system):
                home = user.home or f"/home/{user.name}"
                yield Rule(path=home, recursive=True, words=frozenset(("owner", "group")))
                yield Rule(path=home, recursive=False, words=frozenset(("mode of a home",)))


def _rule(path: str, permission: object, *, recursive: bool) -> Rule:
    words = ("owner", "group", "mode", "capabilities")
    given = frozenset(word for word in words if getattr(permission, word) is not None)
    return Rule(path=MERGED.sub("", path.rstrip("/")), recursive=recursive, words=given)


def _owners(folder: Path) -> Owners:
    project = folder.stat()
    sticky = project.st_mode & stat.S_ISGID  # new folders in such a one are such, too
    return Owners(
        users=frozenset((0, os.geteuid(), project.st_uid)),
        groups=frozenset((0, os.getegid(), project.st_gid, *os.getgroups())),
        folders=FOLDERS | {mode | sticky for mode in FOLDERS},
    )


def _found(overlay: Path, rules: Sequence[Rule], owners: Owners, hidden: re.Pattern[str]) -> Iterator[Caution]:
    git = any((above / ".git").exists() for above in (overlay, *overlay.resolve().parents))
    names: dict[tuple[int, int], Path] = {}
    for entry in walk(overlay):
        status = entry.stat(follow_symlinks=False)
        path = Path(entry.path)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            continue
        inside = f"/{path.relative_to(overlay)}"
        given = {word for rule in rules for word in rule.sets(MERGED.sub("", inside))}
        yield from _metadata(path, inside, status, given, owners)
        if stat.S_ISREG(status.st_mode) and (mounted := hidden.match(inside)):
            yield Caution(
                reason="overlay-hidden",
                message=f"it will be hidden: the running system mounts something over {mounted[0].rstrip('/')}",
                where=Where(path=path),
            )
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            first = names.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                yield Caution(
                    reason="overlay-hard-link",
                    message=f"is a hard link to {first}: Git and the image have two files",
                    where=Where(path=path),
                    hint="Make one of them a symbolic link if they should be one file.",
                )
        if git and stat.S_ISDIR(status.st_mode) and not os.listdir(path):  # noqa: PTH208  (of strings only)
            yield Caution(
                reason="overlay-empty-folder",
                message="is an empty folder, which Git does not keep: images of other clones will lack it",
                where=Where(path=path),
                hint="Put an empty file `.empty` in it, which is not copied to the image.",
            )


def _metadata(
    path: Path, inside: str, status: os.stat_result, given: set[str], owners: Owners
) -> Iterator[Caution]:
    """Yield what is not kept of one file or folder: one caution with one line that keeps it."""
    folder, mode = stat.S_ISDIR(status.st_mode), stat.S_IMODE(status.st_mode)
    said, words = [], []
    if status.st_uid not in owners.users and "owner" not in given:
        said.append(f"owner {status.st_uid}")
        words.append(f"owner: {status.st_uid}")
    if status.st_gid not in owners.groups and "group" not in given:
        said.append(f"group {status.st_gid}")
        words.append(f"group: {status.st_gid}")
    kept = owners.folders if folder else FILES
    if mode not in ({*kept, HOME} if "mode of a home" in given else kept) and "mode" not in given:
        said.append(f"mode {mode:o}")
        words.append(f"mode: {mode:04o}")
    for name in os.listxattr(path, follow_symlinks=False):
        if name == capability.XATTR and "capabilities" not in given:
            text = capability.capability_text(os.getxattr(path, name, follow_symlinks=False))
            said.append(f"capabilities {text}" if text else name)
            words += [f"capabilities: {flow_text(text)}"] if text else []
        elif name != capability.XATTR and not LABELS.fullmatch(name):
            said.append(f"attribute {name}")
    if not said:
        return
    usual = "755" if folder or mode & stat.S_IXUSR else "644"
    has = f"root's with mode {usual}" + (", or as the root has the folder already" if folder else "")
    line = ", ".join((f"path: {flow_text(inside)}", *words))
    yield Caution(
        reason="overlay-metadata",
        message=f"{', '.join(said)}: Git does not keep that, and in the image it is {has}",
        where=Where(path=path),
        hint=f"`- {{{line}}}` under `permissions` keeps it." if words else "An overlay cannot set that.",
    )
