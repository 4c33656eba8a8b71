"""A Buildroot system whose console asks for a login that nobody has, as far as its configuration tells.

Root's login is off where nobody asked for it (generate.py), so a newcomer's first system would be such a one.
Where more decides than symbols (scripts, tables, overlays of the user's own, another skeleton), nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rootstream.buildroot import outside
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.workspace import Workspace
from rootstream.description import layers
from rootstream.formats.kconfig.fragment import Problem
from rootstream.project.project import DESCRIPTION

_INITS = ("BR2_INIT_BUSYBOX", "BR2_INIT_SYSV", "BR2_INIT_OPENRC", "BR2_INIT_SYSTEMD", "BR2_INIT_FINIT")
_SERVERS = ("BR2_PACKAGE_DROPBEAR", "BR2_PACKAGE_OPENSSH", "BR2_PACKAGE_OPENSSH_SERVER")
# Symbols of files that may make accounts, or have a console ask for nothing.
_SCRIPTS = ("BR2_ROOTFS_POST_BUILD_SCRIPT", "BR2_ROOTFS_POST_FAKEROOT_SCRIPT", "BR2_ROOTFS_USERS_TABLES")
_FILES = (
    "etc/passwd",
    "etc/shadow",
    "etc/inittab",
    "etc/finit.conf",
    "root/.ssh/authorized_keys",
)
_UNITS = "etc/systemd/system"
_ASKS, _ROOT = "BR2_TARGET_GENERIC_GETTY", "BR2_TARGET_ENABLE_ROOT_LOGIN"


def problems(space: Workspace, composed: Composed) -> Iterator[Problem]:
    """Yield a warning where the console asks for a login and no account is known that has one."""
    result = composed.result
    asks = result.get(_ASKS) == "y" and any(result.get(init) == "y" for init in _INITS)
    if not asks or result.get(_ROOT) == "y" or _is_wanted(space, composed):
        return
    if _account(space, result) or _is_unknown(space, result):
        return
    line = space.described.lines
    yield Problem(
        severity="warning",
        kind="nobody-can-log-in",
        message="nobody can log in: root's login is disabled, and no other account can log in either",
        file=DESCRIPTION,
        line=line.get("layers") or line.get("root", 0),
        reason="Add `- root_login: {password: empty}` to the layers, or a hash from `rootstream passwd`; "
        "write `{password: locked}` if that is intended.",
    )


def _is_wanted(space: Workspace, composed: Composed) -> bool:
    """Say whether the description or the user's own configuration says itself that root does not log in."""
    own = composed.requests.get(_ROOT)
    described = any(
        isinstance(layer, layers.RootLoginLayer) and "password" in layer.root_login.model_fields_set
        for layer in space.described.system.layers
    )
    return described or (own is not None and own.file != DESCRIPTION)


def _account(space: Workspace, result: Mapping[str, str]) -> bool:
    """Say whether an account of the description has a password, or a key and a server that asks for it."""
    server = any(result.get(symbol) == "y" for symbol in _SERVERS)
    found = space.described.system.layers
    users = [user for layer in found if isinstance(layer, layers.UsersLayer) for user in layer.users]
    logins = [layer.root_login for layer in found if isinstance(layer, layers.RootLoginLayer)]
    keys = any(user.authorized_keys for user in users) or any(login.authorized_keys for login in logins)
    return any(user.password != "locked" for user in users) or (server and keys)  # noqa: S105


def _is_unknown(space: Workspace, result: Mapping[str, str]) -> bool:
    """Say whether something of the user's own may let people in."""
    own = [path for symbol in _SCRIPTS for path in _paths(space, result, symbol)]
    own += _paths(space, result, "BR2_ROOTFS_SKELETON_CUSTOM_PATH")
    overlays = _paths(space, result, "BR2_ROOTFS_OVERLAY")
    brought = any((overlay / name).exists() for overlay in overlays for name in _FILES)
    return bool(own) or brought or any(path for overlay in overlays for path in (overlay / _UNITS).glob("*getty*"))


def _paths(space: Workspace, result: Mapping[str, str], symbol: str) -> list[Path]:
    """Return the paths that a symbol names, but for those that are generated."""
    words = outside.expanded(space, result.get(symbol, '""')[1:-1]).split()
    paths = [space.tree / word for word in words]
    return [path for path in paths if not path.is_relative_to(space.original(space.generated))]
