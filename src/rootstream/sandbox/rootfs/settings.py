"""A description applied to a tree: accounts, homes, keys, host name, devices, permissions and fstab."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rootstream.formats.capability import XATTR, capability_xattr
from rootstream.sandbox.program import Mistake, asked_for
from rootstream.sandbox.rootfs.accounts import Account, AccountFiles, Accounts, merge_accounts
from rootstream.sandbox.rootfs.spec import Device, Mount, Permission, RootSpec
from rootstream.sandbox.tree import BASE, Inode, InodeKind, Tree, directory, shown, text_file

MOST_TEXT = 16 << 20
DAY = 86400
DEVICE_KINDS = {"char": InodeKind.CHAR, "block": InodeKind.BLOCK, "fifo": InodeKind.FIFO}
NEW_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
SHARED_HOMES = ("/", "/nonexistent", "/dev/null")


def apply_spec(tree: Tree, spec: RootSpec, epoch: int) -> None:
    """Set in a tree all that a description asks for; `Mistake` names the entry that cannot be."""
    if spec.hostname is not None:
        _hostname(tree, spec.hostname)
    if spec.issue is not None:
        tree.put("etc/issue", text_file(spec.issue.encode()))
    files = _account_files(tree)
    if spec.groups or spec.users or spec.root_login:
        accounts = merge_accounts(
            files, spec.groups, spec.users, spec.root_login, day=epoch // DAY, shells=_shells(tree)
        )
        _write_accounts(tree, accounts)
        _homes(tree, spec, accounts)
    else:
        accounts = merge_accounts(files, (), (), None, day=epoch // DAY)
    ids = Ids(uids=accounts.uids, gids=accounts.gids)
    problems: list[str] = []
    for device in spec.devices:
        try:
            _device(tree, device, ids)
        except Mistake as mistake:
            problems += _of(device.path, f"device {device.path}", mistake)
    for permission in spec.permissions:
        try:
            _permission(tree, permission, ids)
        except Mistake as mistake:
            problems += _of(permission.path, f"permission {permission.path}", mistake)
    if problems:
        raise Mistake(*problems)


def _of(name: str, called: str, mistake: Mistake) -> list[str]:
    return [asked_for(name, f"{called}: {problem}") for problem in mistake.problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """The numbers that names stand for in the finished root."""

    uids: dict[str, int]
    gids: dict[str, int]

    def owner(self, name: str | int | None, otherwise: int, *, group: bool = False) -> int:
        """Return the number of a user (or group) given by name or number."""
        if name is None or isinstance(name, int):
            return otherwise if name is None else name
        numbers = self.gids if group else self.uids
        if name not in numbers:
            what = "group" if group else "user"
            raise Mistake(f"there is no {what} {name!r}; the {what}s are {', '.join(sorted(numbers)) or 'none'}")
        return numbers[name]


def fstab_text(mounts: Sequence[Mount]) -> str:
    """Return fstab(5) with its columns in line."""
    rows = [(mount.source, mount.target, mount.type, mount.options, "0", str(mount.check)) for mount in mounts]
    widths = [max(len(row[column]) for row in rows) for column in range(5)] if rows else []
    lines = [
        "   ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]])
        for row in rows
    ]
    return "".join(line + "\n" for line in lines)


def read_text(tree: Tree, path: str) -> str | None:
    """Return the text of a file in the tree, symlinks followed; None if there is none."""
    found = tree.find(path)
    if found is None:
        return None
    real, inode = found
    if inode.content is None or inode.content.size > MOST_TEXT:
        raise Mistake(f"{shown(real)} ({inode.origin}) is not a text file, but has to be one")
    return b"".join(inode.content.chunks()).decode("utf-8", "surrogateescape")


def write_text(tree: Tree, path: str, text: str, inode: Inode | None = None) -> None:
    """Set the text of a file, symlinks followed; owner and mode stay unless `inode` gives them."""
    data = text.encode("utf-8", "surrogateescape")
    found = tree.find(path)
    kept = found[1] if found else None
    model = inode or kept or text_file(b"")
    made = text_file(data, model.mode, model.uid, model.gid)
    tree.put(found[0] if found else tree.resolve(path, follow=True), made)


def _hostname(tree: Tree, hostname: str) -> None:
    tree.put("etc/hostname", text_file(f"{hostname}\n".encode()))
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    text = read_text(tree, "etc/hosts")
    lines = (NEW_HOSTS if text is None else text).splitlines()
    line = f"127.0.1.1\t{names}"
    places = [number for number, old in enumerate(lines) if old.split("#")[0].split()[:1] == ["127.0.1.1"]]
    if places:
        lines[places[0]] = line
        lines = [old for number, old in enumerate(lines) if number not in places[1:]]
    else:
        local = [number for number, old in enumerate(lines) if old.split()[:1] == ["127.0.0.1"]]
        lines.insert(local[-1] + 1 if local else 0, line)
    write_text(tree, "etc/hosts", "".join(f"{each}\n" for each in lines))


def _shells(tree: Tree) -> tuple[str, str]:
    nologin = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if tree.find(path[1:])), "/bin/false")
    return ("/bin/bash" if tree.find("bin/bash") else "/bin/sh", nologin)


def _account_files(tree: Tree) -> AccountFiles:
    texts = {name: read_text(tree, f"etc/{name}") for name in ("passwd", "group", "shadow", "gshadow")}
    return AccountFiles(**texts)


def _write_accounts(tree: Tree, accounts: Accounts) -> None:
    files = accounts.files
    group = accounts.gids.get("shadow")
    secret = text_file(b"", 0o600) if group is None else text_file(b"", 0o640, 0, group)
    for name, text, model in (
        ("passwd", files.passwd, None),
        ("group", files.group, None),
        ("shadow", files.shadow, secret),
        ("gshadow", files.gshadow, secret),
    ):
        if text is not None:
            write_text(tree, f"etc/{name}", text, model)


def _homes(tree: Tree, spec: RootSpec, accounts: Accounts) -> None:
    for user, account in zip(spec.users, accounts.users, strict=True):
        try:
            if account.new and account.home not in SHARED_HOMES and (user.home or not user.system):
                _home(tree, account, system=user.system)
            _authorized_keys(tree, account, user.authorized_keys)
            if user.sudo != "no":
                _sudoers(tree, account, nopasswd=user.sudo == "nopasswd")
        except Mistake as mistake:
            raise Mistake(*_of(user.name, f"user {user.name!r}", mistake)) from mistake
    root = spec.root_login
    if root is not None:
        home = next(
            (row.split(":")[5] for row in (accounts.files.passwd or "").splitlines() if row.startswith("root:")),
            "/root",
        )
        _authorized_keys(tree, Account(name="root", uid=0, gid=0, home=home, new=False), root.authorized_keys)
        if not root.console and read_text(tree, "etc/securetty") is not None:
            write_text(tree, "etc/securetty", "# root does not log in on a console\n")


def _home(tree: Tree, account: Account, *, system: bool) -> None:
    path = account.home[1:]
    made = directory(0o755 if system else 0o700, account.uid, account.gid, "the description")
    found = tree.find(path)
    if found is None:
        tree.make_directories(path, made)
    elif system:
        return
    real = tree.resolve(path, follow=True)
    if found is not None:
        _hand_over(tree, real, account)
    if found is None or _is_brought(real, found[1]):
        tree.change(real, made)  # a layer does not say what a folder's mode is
        if not system:
            _lay_skeleton(tree, real, account)


def _is_brought(real: str, folder: Inode) -> bool:
    """Say whether a home is there only because a layer put something into it."""
    return "/" in real and folder.kind is InodeKind.DIRECTORY and folder.origin != BASE


def _lay_skeleton(tree: Tree, home: str, account: Account) -> None:
    """Give a new home what each one has, as far as no layer brought something else there."""
    skeleton = tree.resolve("etc/skel", follow=True)
    for inner in tuple(tree.below(skeleton)):
        inode, place = tree.get(inner), home + inner.removeprefix(skeleton)
        above = tree.get(place.rpartition("/")[0])
        if (
            inode is not None
            and tree.get(place) is None
            and above is not None
            and above.kind is InodeKind.DIRECTORY
        ):
            tree.put(place, replace(inode, uid=account.uid, gid=account.gid))


def _hand_over(tree: Tree, real: str, account: Account) -> None:
    """Give a person what a layer put into the home: layers come owned by root."""
    if "/" not in real:
        return
    for path in (real, *tree.below(real)):
        inode = tree.get(path)
        if inode is not None and (inode.uid, inode.gid) == (0, 0):
            tree.change(path, replace(inode, uid=account.uid, gid=account.gid))


def _authorized_keys(tree: Tree, account: Account, keys: Sequence[str]) -> None:
    if not keys:
        return
    if account.home in SHARED_HOMES:
        raise Mistake(f"authorized_keys need a home directory, and {account.home} is none; set home")
    home = tree.make_directories(account.home[1:], directory(0o700, account.uid, account.gid, "the description"))
    folder = tree.resolve(f"{home}/.ssh", follow=True)
    made = directory(0o700, account.uid, account.gid, "the description")
    if tree.get(folder) is None:
        tree.make_directories(folder, made)
    else:
        tree.change(folder, made)
    path = f"{folder}/authorized_keys"
    lines = [line for line in (read_text(tree, path) or "").splitlines() if line]
    lines += [key for key in dict.fromkeys(keys) if key not in lines]
    write_text(tree, path, "".join(f"{line}\n" for line in lines), text_file(b"", 0o600, account.uid, account.gid))


def _sudoers(tree: Tree, account: Account, *, nopasswd: bool) -> None:
    who = account.name if account.name.islower() else f"#{account.uid}"  # sudoers takes capitals for an alias
    tag = "NOPASSWD: " if nopasswd else ""
    name = account.name.replace(".", "_")  # sudo skips files with a dot in the name
    tree.put(f"etc/sudoers.d/{name}", text_file(f"{who} ALL=(ALL:ALL) {tag}ALL\n".encode(), 0o440))


def _device(tree: Tree, device: Device, ids: Ids) -> None:
    inode = Inode(
        kind=DEVICE_KINDS[device.type],
        mode=device.mode,
        uid=ids.owner(device.owner, 0),
        gid=ids.owner(device.group, 0, group=True),
        origin="the description",
    )
    real = tree.resolve(device.path[1:])
    there = tree.get(real)
    if not real or (there and there.kind in (InodeKind.FILE, InodeKind.DIRECTORY)):
        what = there.kind.value if there else "directory"
        raise Mistake(f"there is already a {what}; remove it from the layer that has it")
    tree.put(real, inode if device.type == "fifo" else replace(inode, device=(device.major, device.minor)))


def _permission(tree: Tree, permission: Permission, ids: Ids) -> None:
    paths = _matches(tree, permission.path)
    if not paths and permission.create:
        paths = [tree.make_directories(permission.path, directory(0o755, origin="the description"))]
    if not paths and not permission.optional:
        raise Mistake(f"nothing in the root matches; the nearest that exists is {_nearest(tree, permission.path)}")
    for path in paths:
        for inner in (path, *(tree.below(path) if permission.recursive else ())):
            inode = tree.get(inner)
            if inode is not None:
                tree.change(inner, _permitted(inode, permission, ids, top=inner == path))


def _permitted(inode: Inode, permission: Permission, ids: Ids, *, top: bool) -> Inode:
    mode = inode.mode if permission.mode is None or inode.kind is InodeKind.SYMLINK else permission.mode
    if permission.recursive and permission.mode is not None and inode.kind is InodeKind.DIRECTORY:
        mode |= (mode & 0o444) >> 2  # who may read a folder may go into it, as with chmod's X
    xattrs = dict(inode.xattrs)
    if permission.capabilities is not None:
        if inode.kind is InodeKind.FILE:
            xattrs[XATTR] = capability_xattr(permission.capabilities)
        elif top and not permission.recursive:
            raise Mistake(f"it is a {inode.kind.value}; only files have capabilities")
    return replace(
        inode,
        mode=mode,
        uid=ids.owner(permission.owner, inode.uid),
        gid=ids.owner(permission.group, inode.gid, group=True),
        xattrs=tuple(sorted(xattrs.items())),
    )


def _matches(tree: Tree, path: str) -> list[str]:
    parent, _, name = path.rstrip("/").rpartition("/")
    if "*" not in name:
        found = tree.find(path)
        return [found[0]] if found else []
    folder = tree.resolve(parent, follow=True)
    pattern = name.replace("[", "[[]").replace("?", "[?]")
    names = [child for child in tree.children(folder) if fnmatch.fnmatchcase(child, pattern)]
    paths = [f"{folder}/{child}" if folder else child for child in names]
    return [each for each in paths if (inode := tree.get(each)) and inode.kind is not InodeKind.SYMLINK]


def _nearest(tree: Tree, path: str) -> str:
    parts = [part for part in path.split("/") if part]
    for length in range(len(parts) - 1, 0, -1):
        if tree.find("/".join(parts[:length])) is not None:
            return "/" + "/".join(parts[:length])
    return "/"
