"""Users and groups merged into passwd, group, shadow and gshadow: pure text to text, see passwd(5) and shadow(5).

What is there stays as it is; ids for new accounts are chosen in the order of the description.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.spec import Group, RootLogin, User

FIRST_SYSTEM, LAST_SYSTEM = 100, 999
FIRST_USER, LAST_USER = 1000, 59999
NOBODY = 65534
PASSWD_FIELDS, GROUP_FIELDS, SHADOW_FIELDS = 7, 4, 9
LOCKED, KEYS_ONLY = "!", "*"
Row = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFiles:
    """The four files; None for one that the root does not have."""

    passwd: str | None = None
    group: str | None = None
    shadow: str | None = None
    gshadow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as it came out: numbers, home, and whether it is new."""

    name: str
    uid: int
    gid: int
    home: str
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The merged files, and every name with its number."""

    files: AccountFiles
    uids: dict[str, int]
    gids: dict[str, int]
    users: tuple[Account, ...]


class _Book:
    """The rows of the four files while they are being merged."""

    def __init__(self, files: AccountFiles, day: int) -> None:
        self.passwd = _rows(files.passwd if files.passwd is not None else "root:x:0:0:root:/root:/bin/sh\n")
        self.group = _rows(files.group if files.group is not None else "root:x:0:\n")
        self.shadow = _rows(files.shadow or "")
        self.gshadow = None if files.gshadow is None else _rows(files.gshadow)
        self.day = day
        for row in self.shadow:
            if len(row) == SHADOW_FIELDS and row[2].isdecimal() and int(row[2]) > day:
                row[2] = str(day)  # a date of the machine that made this root
        if files.passwd is None:
            self.set_password("root", LOCKED)

    def files(self) -> AccountFiles:
        return AccountFiles(
            passwd=_text(self.passwd),
            group=_text(self.group),
            shadow=_text(self.shadow),
            gshadow=None if self.gshadow is None else _text(self.gshadow),
        )

    def uids(self) -> dict[str, int]:
        return _numbers(self.passwd, PASSWD_FIELDS)

    def gids(self) -> dict[str, int]:
        return _numbers(self.group, GROUP_FIELDS)

    def add_group(self, name: str, gid: int) -> None:
        self.group.append([name, "x", str(gid), ""])
        if self.gshadow is not None and _find(self.gshadow, name, GROUP_FIELDS) is None:
            self.gshadow.append([name, "!", "", ""])

    def add_members(self, name: str, members: Iterable[str]) -> None:
        for rows in (self.group, self.gshadow or []):
            row = _find(rows, name, GROUP_FIELDS)
            if row is not None:
                there = [member for member in row[3].split(",") if member]
                row[3] = ",".join(there + [member for member in dict.fromkeys(members) if member not in there])

    def set_password(self, name: str, field: str) -> None:
        account = _find(self.passwd, name, PASSWD_FIELDS)
        if account is not None:
            account[1] = "x"
        row = _find(self.shadow, name, SHADOW_FIELDS)
        if row is None:
            self.shadow[:] = [other for other in self.shadow if other[0] != name]
            row = [name, "", "", "0", "99999", "7", "", "", ""]
            self.shadow.append(row)
        row[1], row[2] = field, str(self.day)


def merge_accounts(
    files: AccountFiles, groups: Sequence[Group], users: Sequence[User], root: RootLogin | None, *, day: int,
    shells: Sequence[str] = ("/bin/sh", "/bin/false"),
) -> Accounts:  # fmt: skip
    """Return the files with the groups, users and root's login merged in; `Mistake` with all that cannot be.

    `day` is the last-change day for shadow, counted from 1970; `shells` the shell of people and of services.
    """
    book = _Book(files, day)
    problems = _clashes(book, groups, users)
    if problems:
        raise Mistake(*problems)
    reserved_gids = {group.gid for group in groups if group.gid is not None}
    reserved_uids = {user.uid for user in users if user.uid is not None}
    for group in groups:
        if group.name not in book.gids():
            gid = (
                group.gid
                if group.gid is not None
                else _free({*book.gids().values(), *reserved_gids}, group.system)
            )
            book.add_group(group.name, gid)
    done = tuple(_user(book, user, reserved_uids | reserved_gids, shells, problems) for user in users)
    if root is not None:
        _root(book, root)
    if problems:
        raise Mistake(*problems)
    return Accounts(files=book.files(), uids=book.uids(), gids=book.gids(), users=done)


def _clashes(book: _Book, groups: Sequence[Group], users: Sequence[User]) -> list[str]:
    problems = []
    wanted = (
        ("group", "gid", book.gids(), {group.name: group.gid for group in groups}),
        ("user", "uid", book.uids(), {user.name: user.uid for user in users}),
    )
    for what, key, there, new in wanted:
        taken = {number: name for name, number in there.items()}
        for name, number in new.items():
            if number is None:
                continue
            if name in there and there[name] != number:
                problems.append(
                    f"{what} {name!r}: {key} {number} is requested, but the root has it as {there[name]}"
                )
            elif taken.setdefault(number, name) != name:
                problems.append(f"{what} {name!r}: {key} {number} is already used by {taken[number]!r}")
    return problems


def _user(book: _Book, user: User, reserved: set[int], shells: Sequence[str], problems: list[str]) -> Account:
    row = _find(book.passwd, user.name, PASSWD_FIELDS)
    new = row is None
    if row is None:
        row = _new_row(book, user, reserved, shells, problems)
        book.passwd.append(row)
    else:
        _change_row(book, row, user, problems)
    if not (row[2].isdecimal() and row[3].isdecimal()):
        raise Mistake(f"user {user.name!r}: the root has it as {':'.join(row)!r}, without numbers")
    field = LOCKED if user.password is None and new else user.password
    if field is not None:
        book.set_password(user.name, _keyed(field, user.authorized_keys))
    extra = list(user.groups)
    if user.sudo != "no":
        extra.append(_sudo_group(book, reserved))
    for name in extra:
        if name not in book.gids():
            problems.append(f"user {user.name!r}: there is no group {name!r}; add it to groups")
        book.add_members(name, (user.name,))
    return Account(name=user.name, uid=int(row[2]), gid=int(row[3]), home=row[5], new=new)


def _new_row(book: _Book, user: User, reserved: set[int], shells: Sequence[str], problems: list[str]) -> Row:
    gids = book.gids()
    taken = {*book.uids().values(), *reserved}
    own = user.group is None and user.name not in gids
    uid = user.uid
    if uid is None:
        uid = _free({*taken, *gids.values()} if own else taken, user.system)
    if own:
        gid = uid if uid not in {*gids.values()} else _free({*gids.values(), *reserved}, user.system)
        book.add_group(user.name, gid)
    else:
        name = user.group or user.name
        gid = gids.get(name, 0)
        if name not in gids:
            problems.append(f"user {user.name!r}: there is no group {name!r}; add it to groups")
    home = user.home or ("/nonexistent" if user.system else f"/home/{user.name}")
    shell = user.shell or shells[1 if user.system else 0]
    return [user.name, "x", str(uid), str(gid), user.gecos or "", home, shell]


def _change_row(book: _Book, row: Row, user: User, problems: list[str]) -> None:
    if user.group is not None and user.group not in book.gids():
        problems.append(f"user {user.name!r}: there is no group {user.group!r}; add it to groups")
    gid = book.gids().get(user.group or "")
    for index, value in ((3, gid), (4, user.gecos), (5, user.home), (6, user.shell)):
        if value is not None:
            row[index] = str(value)


def _sudo_group(book: _Book, reserved: set[int]) -> str:
    gids = book.gids()
    for name in ("sudo", "wheel"):
        if name in gids:
            return name
    book.add_group("sudo", _free({*gids.values(), *book.uids().values(), *reserved}, system=True))
    return "sudo"


def _root(book: _Book, root: RootLogin) -> None:
    field = root.password if root.console else LOCKED
    if field is not None:
        book.set_password("root", _keyed(field, root.authorized_keys))


def _keyed(field: str, keys: Sequence[str]) -> str:
    """Return the password field: no password either way, but sshd refuses the keys of an account with '!'."""
    return KEYS_ONLY if field == LOCKED and keys else field


def _free(taken: set[int], system: bool) -> int:
    first, last = (FIRST_SYSTEM, LAST_SYSTEM) if system else (FIRST_USER, LAST_USER)
    for number in range(first, last + 1):
        if number not in taken:
            return number
    raise Mistake(f"no id from {first} to {last} is free")


def _rows(text: str) -> list[Row]:
    return [line.split(":") for line in text.split("\n") if line]


def _text(rows: Iterable[Row]) -> str:
    return "".join(":".join(row) + "\n" for row in rows)


def _find(rows: Iterable[Row], name: str, fields: int) -> Row | None:
    return next((row for row in rows if row[0] == name and len(row) == fields), None)


def _numbers(rows: Iterable[Row], fields: int) -> dict[str, int]:
    return {row[0]: int(row[2]) for row in rows if len(row) == fields and row[2].isdecimal()}
