"""Users, root's login and the sshd policy for Buildroot: its users table, and scripts of ours for the rest."""

from __future__ import annotations

from rootstream.buildroot.generate import packages
from rootstream.buildroot.generate.draft import Draft, text
from rootstream.description import layers
from rootstream.host.file_text import key_lines


def add_user(draft: Draft, user: layers.User) -> None:
    """Add a user: a line of the table, and the rest of it. Raises `UserError` not-possible, not-a-public-key."""
    if user.uid == 0:
        message = f"users: {user.name}: Buildroot does not create a second user with ID 0"
        raise draft.not_possible(message, "Use `sudo: true` to let a user become root.")
    number = user.uid if user.uid is not None else -1 if user.system else -2
    home = user.home or ("-" if user.system else f"/home/{user.name}")
    home = "-" if home == "/" else home  # the table's word for it
    for word, what in ((home, "home"), (user.shell, "shell")):
        if not packages.is_plain(word):
            raise draft.not_possible(f"users: {user.name}: {what}: Buildroot's table cannot hold {word!r}")
    words = [
        user.name,
        str(number),
        user.group or user.name,
        "-1" if user.system else "-2",
        password_field(user.password, otherwise="*", empty="-"),
        home,
        user.shell,
        ",".join((*user.groups, *(("wheel",) if user.sudo and "wheel" not in user.groups else ()))) or "-",
        user.gecos if "#" not in user.gecos and user.gecos.strip() == user.gecos else "",
    ]
    draft.users.append(" ".join(words).rstrip())
    if user.gecos != words[-1]:
        draft.fakeroot.setdefault("comments", {})[user.name] = user.gecos
    if user.sudo:
        tag = "NOPASSWD: " if user.sudo == "nopasswd" else ""
        draft.set("BR2_PACKAGE_SUDO", "y")
        draft.file(f"overlay/etc/sudoers.d/{user.name}", f"{user.name} ALL=(ALL:ALL) {tag}ALL\n")
        draft.mode(f"/etc/sudoers.d/{user.name}", 0o440)
    _keys(draft, user.name, home if home != "-" else "/", user.authorized_keys)


def _keys(draft: Draft, user: str, home: str, names: tuple[str, ...]) -> None:
    place = f"overlay{home}/.ssh/authorized_keys".replace("//", "/")
    if names:
        lines = [line for name in names for line in key_lines(draft.project / name)]
        draft.file(place, "".join(f"{line}\n" for line in lines))
        draft.fakeroot.setdefault("keys", {})[user] = home
    elif user in draft.fakeroot.get("keys", {}):  # a later layer takes them away
        del draft.files[place], draft.fakeroot["keys"][user]


def password_field(password: layers.Password, *, otherwise: str, empty: str) -> str:
    """Return what stands for a password: its hash, or the words for locked and empty."""
    if isinstance(password, layers.PasswordHash):
        return password.hash
    return empty if password == "empty" else otherwise  # noqa: S105  (a word, not a password)


def set_root_login(draft: Draft, login: layers.RootLogin) -> None:
    """Settle root's password, consoles and keys. Raises `UserError` not-a-public-key."""
    # The hash goes into a file that a script reads: Buildroot would put it into .config and its output.
    locked = login.password == "locked"  # noqa: S105
    draft.set("BR2_TARGET_ENABLE_ROOT_LOGIN", "n" if locked else "y")
    if not locked:
        draft.set("BR2_TARGET_GENERIC_ROOT_PASSWD", text(""))
    draft.build["password"] = password_field(login.password, otherwise="*", empty="")
    draft.build["securetty"] = not login.console and not locked  # with a locked password nobody can anyway
    _keys(draft, "root", "/root", login.authorized_keys)


def settle_sshd(draft: Draft) -> None:
    """Settle what root may do: what is said, else log in with the keys that it has, if any."""
    told = draft.build.get("sshd", {})
    if told or "password" in draft.build:
        otherwise = "prohibit-password" if "root" in draft.fakeroot.get("keys", {}) else "no"
        draft.build["sshd"] = told | {"root": told.get("root") or otherwise}
