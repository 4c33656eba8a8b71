"""Users and groups merged into the account files."""

from __future__ import annotations

import pytest

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.accounts import AccountFiles, Accounts, merge_accounts
from rootstream.sandbox.rootfs.spec import Group, RootLogin, User

BASE = AccountFiles(
    passwd=(
        "root:x:0:0:root:/root:/bin/bash\n"
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "sshd:x:100:65534::/run/sshd:/bin/false\n"
    ),
    group="root:x:0:\ndaemon:x:1:\nsudo:x:27:\nshadow:x:42:\n",
    shadow="root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\nsshd:!:20000::::::\n",
    gshadow="root:*::\ndaemon:*::\nsudo:*::\nshadow:*::\n",
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyVdQ me@desk"


def merge(
    *,
    groups: tuple[Group, ...] = (),
    users: tuple[User, ...] = (),
    root: RootLogin | None = None,
    base: AccountFiles = BASE,
) -> Accounts:
    return merge_accounts(base, groups, users, root, day=19675)


def line(text: str | None, name: str) -> str:
    (found,) = [each for each in (text or "").splitlines() if each.startswith(f"{name}:")]
    return found


def test_what_is_there_stays_and_comes_first() -> None:
    files = merge(users=(User(name="admin"),)).files
    assert files.passwd is not None
    assert BASE.passwd is not None
    assert files.passwd == BASE.passwd + "admin:x:1000:1000::/home/admin:/bin/sh\n"
    assert line(files.group, "admin") == "admin:x:1000:"
    assert line(files.gshadow, "admin") == "admin:!::"
    assert line(files.shadow, "admin") == "admin:!:19675:0:99999:7:::"


def test_dates_of_the_machine_that_made_the_root_become_the_builds() -> None:
    assert line(merge().files.shadow, "root") == "root:*:19675:0:99999:7:::"
    assert line(merge_accounts(BASE, (), (), None, day=30000).files.shadow, "root") == "root:*:20000:0:99999:7:::"


def test_ids_are_taken_in_order_and_never_twice() -> None:
    accounts = merge(
        groups=(Group(name="staff", gid=1000), Group(name="data", system=True), Group(name="people")),
        users=(
            User(name="svc", system=True),
            User(name="one"),
            User(name="two", uid=1002),
            User(name="three"),
            User(name="four", system=True, group="data"),
        ),
    )
    assert accounts.gids["data"] == 100
    assert accounts.gids["people"] == 1001
    assert accounts.uids["svc"] == accounts.gids["svc"] == 101
    assert accounts.uids["one"] == accounts.gids["one"] == 1003
    assert accounts.uids["two"] == accounts.gids["two"] == 1002
    assert accounts.uids["three"] == accounts.gids["three"] == 1004
    assert (accounts.users[4].uid, accounts.users[4].gid) == (102, 100)
    assert len(set(accounts.uids.values())) == len(accounts.uids)
    assert len(set(accounts.gids.values())) == len(accounts.gids)


def test_system_ids_run_out_with_a_message() -> None:
    full = "".join(f"g{number}:x:{number}:\n" for number in range(100, 1000))
    with pytest.raises(Mistake, match="no id from 100 to 999 is free"):
        merge(groups=(Group(name="one", system=True),), base=AccountFiles(group=full))


@pytest.mark.parametrize(
    ("groups", "users", "message"),
    [
        ((), (User(name="bob", uid=1),), "'bob': uid 1 is already used by 'daemon'"),
        ((), (User(name="bob", uid=7), User(name="eve", uid=7)), "'eve': uid 7 is already used by 'bob'"),
        ((), (User(name="daemon", uid=7),), "'daemon': uid 7 is requested, but the root has it as 1"),
        ((Group(name="app", gid=27),), (), "'app': gid 27 is already used by 'sudo'"),
        ((), (User(name="bob", groups=("video",)),), "'bob': there is no group 'video'"),
        ((), (User(name="bob", group="video"),), "'bob': there is no group 'video'"),
    ],
)
def test_what_cannot_be_names_the_entry(groups: tuple[Group, ...], users: tuple[User, ...], message: str) -> None:
    with pytest.raises(Mistake, match=message):
        merge(groups=groups, users=users)


def test_an_existing_user_is_changed_only_where_asked() -> None:
    accounts = merge(users=(User(name="sshd", shell="/bin/sh", password="", groups=("sudo",)),))  # noqa: S604  (no process is started)
    assert line(accounts.files.passwd, "sshd") == "sshd:x:100:65534::/run/sshd:/bin/sh"
    assert line(accounts.files.shadow, "sshd") == "sshd::19675::::::"
    assert line(accounts.files.group, "sudo") == "sudo:x:27:sshd"
    assert line(accounts.files.gshadow, "sudo") == "sudo:*::sshd"
    assert not accounts.users[0].new


def test_keys_without_password_leave_the_account_open_for_sshd() -> None:
    accounts = merge(
        users=(User(name="admin", authorized_keys=(KEY,)),), root=RootLogin(authorized_keys=(KEY,), console=False)
    )
    assert line(accounts.files.shadow, "admin").startswith("admin:*:")
    assert line(accounts.files.shadow, "root").startswith("root:*:")


def test_root_may_be_locked_hashed_or_empty() -> None:
    for login, field in (
        (RootLogin(console=False), "!"),
        (RootLogin(password="$6$salt$hash"), "$6$salt$hash"),
        (RootLogin(password=""), ""),
    ):
        assert line(merge(root=login).files.shadow, "root") == f"root:{field}:19675:0:99999:7:::"
    assert line(merge(root=RootLogin()).files.shadow, "root").startswith("root:*:")


@pytest.mark.parametrize(("group", "member"), [("sudo:x:27:\n", "sudo"), ("wheel:x:10:\n", "wheel"), ("", "sudo")])
def test_sudo_takes_the_group_that_the_root_has(group: str, member: str) -> None:
    base = AccountFiles(passwd=BASE.passwd, group=f"root:x:0:\n{group}", shadow=BASE.shadow)
    files = merge(users=(User(name="admin", sudo="yes"),), base=base).files
    assert line(files.group, member).endswith(":admin")


def test_a_root_without_accounts_gets_root_locked() -> None:
    files = merge(users=(User(name="admin"),), base=AccountFiles()).files
    assert line(files.passwd, "root") == "root:x:0:0:root:/root:/bin/sh"
    assert line(files.shadow, "root").startswith("root:!:")
    assert files.gshadow is None


def test_a_password_in_passwd_moves_to_shadow() -> None:
    base = AccountFiles(passwd="root::0:0:root:/root:/bin/sh\n", group="root:x:0:\n")
    files = merge(root=RootLogin(password="!"), base=base).files
    assert line(files.passwd, "root").startswith("root:x:0:0:")
    assert line(files.shadow, "root").startswith("root:!:")


def test_lines_of_another_form_are_kept() -> None:
    base = AccountFiles(passwd="root:x:0:0:root:/root:/bin/sh\n+::::::\n", group="root:x:0:\n+:::\n", shadow="+\n")
    files = merge(base=base).files
    assert files.passwd == base.passwd
    assert files.group == base.group
    assert files.shadow == "+\n"
