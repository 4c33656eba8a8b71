"""Tables in Buildroot's makedev format, read into the permissions and devices of a description. Pure.

A line is `name type mode uid gid major minor start inc count`, `-` for what is not given; a line `|xattr TEXT`
gives the file before it capabilities. The format is that of "Makedev syntax documentation" in Buildroot's manual.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream.errors import Problems, UserError, Where
from rootstream.formats.capability import capability_xattr
from rootstream.sandbox.rootfs.spec import Device, Permission

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")
MOST_ID = (1 << 32) - 2
MOST_MAJOR, MOST_MINOR = (1 << 12) - 1, (1 << 20) - 1
FIELDS = 10
MOST_NODES = 4096
NODES = {"c": "char", "b": "block", "p": "fifo"}
# type: (recursive, made if missing, forgiven if missing)
PERMISSIONS = {
    "f": (False, False, False),
    "F": (False, False, True),
    "d": (False, True, False),
    "r": (True, False, False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTable:
    """What a table asks for, in its order."""

    permissions: tuple[Permission, ...]
    devices: tuple[Device, ...]


def parse_device_table(text: str, path: Path) -> DeviceTable:
    """Return what the text of the table at `path` asks for. Raises `Problems` (device-table), one a wrong line."""
    permissions: list[Permission] = []
    devices: list[Device] = []
    problems: list[UserError] = []
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if words[0].startswith("|"):
                permissions[-1:] = [_with_capabilities(words, last, permissions)]
                continue
            _check(words)
            last = words[1]
            if last in NODES:
                devices += _devices(words)
            else:
                permissions.append(_permission(words))
        except ValueError as error:
            problems.append(UserError("device-table", str(error), where=Where(path=path, line=number)))
    if problems:
        raise Problems(tuple(problems))
    return DeviceTable(permissions=tuple(permissions), devices=tuple(devices))


def _check(words: list[str]) -> None:
    if len(words) != FIELDS:
        raise ValueError(
            f"{len(words)} fields; a line has {FIELDS}: name type mode uid gid major minor start inc count"
        )
    name, kind = words[:2]
    if not name.startswith("/") or ".." in name.split("/"):
        raise ValueError(f"the name {name!r} has to be an absolute path without '..'")
    if kind not in PERMISSIONS and kind not in NODES:
        raise ValueError(f"the type {kind!r} has to be one of {', '.join([*PERMISSIONS, *NODES])}")


def _with_capabilities(words: list[str], last: str, permissions: list[Permission]) -> Permission:
    text = " ".join(words[1:]) if words[0] == "|xattr" else ""
    if not text:
        raise ValueError("a line that begins with '|' has to be `|xattr CAPABILITIES`")
    if last not in ("f", "F") or not permissions:
        raise ValueError("capabilities have to follow a line of type f")
    capability_xattr(text)
    before = permissions[-1]
    both = text if before.capabilities is None else f"{before.capabilities} {text}"
    return replace(before, capabilities=both)


def _permission(words: list[str]) -> Permission:
    recursive, create, optional = PERMISSIONS[words[1]]
    return Permission(
        path=words[0],
        mode=_mode(words[2]),
        owner=_owner(words[3]),
        group=_owner(words[4]),
        recursive=recursive,
        create=create,
        optional=optional,
    )


def _devices(words: list[str]) -> list[Device]:
    name, kind = words[0], NODES[words[1]]
    mode = _mode(words[2])
    owner, group = _owner(words[3]), _owner(words[4])
    major, minor = (_number(word, limit) for word, limit in zip(words[5:7], (MOST_MAJOR, MOST_MINOR), strict=True))
    start, step, count = (_number(word, MOST_MINOR) for word in words[7:])
    if kind != "fifo" and "-" in words[5:7]:
        raise ValueError(f"{name} needs a major and a minor number")
    if count > MOST_NODES:
        raise ValueError(f"{count} nodes; at most {MOST_NODES} are made for a line")
    if minor + step * max(count - 1, 0) > MOST_MINOR:
        raise ValueError(f"the minor numbers go beyond {MOST_MINOR}")
    made = Device(
        path=name,
        type=kind,
        major=0 if kind == "fifo" else major,
        minor=0 if kind == "fifo" else minor,
        mode=0o600 if mode is None else mode,
        owner=0 if owner is None else owner,
        group=0 if group is None else group,
    )
    if count == 0:
        return [made]
    return [replace(made, path=f"{name}{start + n}", minor=made.minor + n * step) for n in range(count)]


def _mode(word: str) -> int | None:
    if word in ("-", "-1"):
        return None
    if not re.fullmatch("0*[0-7]{1,4}", word):
        raise ValueError(f"the mode {word!r} has to be octal, such as 755, or '-'")
    return int(word, 8)


def _owner(word: str) -> str | int | None:
    if word == "-":
        return None
    if word.isascii() and word.isdecimal() and int(word) <= MOST_ID:
        return int(word)
    if NAME.fullmatch(word):
        return word
    raise ValueError(f"the owner {word!r} has to be a number or a name, or '-'")


def _number(word: str, largest: int) -> int:
    if word == "-":
        return 0
    if not word.isascii() or not word.isdecimal() or int(word) > largest:
        raise ValueError(f"{word!r} has to be a number up to {largest}, or '-'")
    return int(word)
