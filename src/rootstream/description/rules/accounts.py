"""Rules of accounts: none is made twice, no two have one number, and root's login does not contradict itself."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.description.layers import GroupsLayer, RootLoginLayer, UsersLayer
from rootstream.description.model import System
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield accounts made twice, numbers that two of them have, and a login of root that contradicts itself."""
    users: dict[str | int, str] = {}
    groups: dict[str | int, str] = {}
    for number, layer in enumerate(system.layers):
        if isinstance(layer, UsersLayer):
            for index, user in enumerate(layer.users):
                path = ("layers", number, "users", index)
                if user.name == "root":
                    message = "`users` cannot create root"
                    hint = "Set root's password and keys with `- root_login:`."
                    yield UserError("bad-value", message, where=at(node, *path, "name"), hint=hint)
                yield from _once(users, "user", user.name, user.uid, node, (*path, "uid"))
        if isinstance(layer, RootLoginLayer):
            login = layer.root_login
            if not login.console and login.password != "locked":  # noqa: S105  (a word, not a password)
                message = "console: false locks root's password, but `password` sets one"
                hint = "Remove one of them; keys in `authorized_keys` work without a password."
                where = at(node, "layers", number, "root_login", "console")
                yield UserError("bad-value", message, where=where, hint=hint)
        if isinstance(layer, GroupsLayer):
            for index, group in enumerate(layer.groups):
                path = ("layers", number, "groups", index)
                yield from _once(groups, "group", group.name, group.gid, node, (*path, "gid"))


def _once(
    taken: dict[str | int, str], kind: str, name: str, number: int | None, node: Node, path: tuple[str | int, ...]
) -> Iterator[UserError]:
    if name in taken:
        where = at(node, *path[:-1], "name")
        yield UserError("duplicate-name", f"the {kind} {name!r} is created twice", where=where)
    elif number is not None and number in taken:
        message = f"{path[-1]}: {number} is already used by {taken[number]!r}"
        yield UserError("duplicate-name", message, where=at(node, *path))
    taken[name] = name
    if number is not None:
        taken.setdefault(number, name)
