"""A description applied to a root: what `rootfs assemble --spec` sets."""

from __future__ import annotations

import pytest

from rootstream.sandbox.handover import data_of
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.settings import apply_spec, read_text
from rootstream.sandbox.rootfs.spec import RootSpec
from rootstream.sandbox.tree import BASE, Inode, InodeKind, Tree, directory, text_file

EPOCH = 1_700_000_000
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHyVdQ me@desk"


def root() -> Tree:
    tree = Tree()
    tree.put("etc/passwd", text_file(b"root:x:0:0:root:/root:/bin/sh\n"))
    tree.put("etc/group", text_file(b"root:x:0:\nshadow:x:42:\nsudo:x:27:\n"))
    tree.put("etc/shadow", text_file(b"root:*:19000:0:99999:7:::\n", 0o644))
    tree.put("etc/hosts", text_file(b"127.0.0.1 localhost\n::1 localhost\n"))
    tree.put("etc/skel/.profile", text_file(b"# profile\n"))
    tree.put("usr/bin/ping", text_file(b"elf", 0o755))
    tree.put("usr/bin/pong", text_file(b"elf", 0o755))
    tree.put("usr/bin/sh", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="ping"))
    tree.put("bin", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="usr/bin"))
    return tree


def applied(spec: dict[str, object], tree: Tree | None = None) -> Tree:
    tree = tree or root()
    apply_spec(tree, data_of(RootSpec, spec), EPOCH)
    return tree


def rights(tree: Tree, path: str) -> tuple[int, int, str]:
    inode = tree.get(path)
    assert inode is not None, path
    return inode.uid, inode.gid, f"{inode.mode:o}"


def test_nothing_asked_changes_nothing() -> None:
    before = [(path, inode) for path, _, inode in root().walk()]
    assert [(path, inode) for path, _, inode in applied({}).walk()] == before


def test_a_user_with_home_keys_and_sudo() -> None:
    tree = applied(
        {"users": [{"name": "admin", "sudo": "nopasswd", "authorized_keys": [KEY, KEY], "gecos": "A. Admin"}]}
    )
    assert rights(tree, "home/admin") == (1000, 1000, "700")
    assert rights(tree, "home/admin/.profile") == (1000, 1000, "644")
    assert rights(tree, "home/admin/.ssh") == (1000, 1000, "700")
    assert rights(tree, "home/admin/.ssh/authorized_keys") == (1000, 1000, "600")
    assert read_text(tree, "home/admin/.ssh/authorized_keys") == f"{KEY}\n"
    assert rights(tree, "etc/sudoers.d/admin") == (0, 0, "440")
    assert read_text(tree, "etc/sudoers.d/admin") == "admin ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert rights(tree, "etc/shadow") == (0, 42, "640")
    assert "sudo:x:27:admin" in (read_text(tree, "etc/group") or "")
    assert "admin:x:1000:1000:A. Admin:/home/admin:/bin/sh" in (read_text(tree, "etc/passwd") or "")


def test_sudoers_of_a_name_that_sudo_would_misread() -> None:
    tree = applied({"users": [{"name": "J.Doe", "sudo": "yes"}]})
    assert read_text(tree, "etc/sudoers.d/J_Doe") == "#1000 ALL=(ALL:ALL) ALL\n"


def test_a_home_that_an_overlay_brought_is_handed_over() -> None:
    tree = root()
    tree.put("home/admin/notes", text_file(b"mine"))
    tree.put("home/admin/shared", text_file(b"theirs", uid=5, gid=5))
    applied({"users": [{"name": "admin"}]}, tree)
    assert rights(tree, "home/admin/notes")[:2] == (1000, 1000)
    assert rights(tree, "home/admin/shared")[:2] == (5, 5)


def test_a_home_that_an_overlay_brought_is_as_without_it() -> None:
    tree = root()
    tree.put("etc/skel/.config/app", text_file(b"usual"))
    tree.put("home/admin/.profile", text_file(b"mine"))
    tree.put("home/other/.config", text_file(b"no folder"))
    applied({"users": [{"name": "admin"}, {"name": "other"}]}, tree)
    assert rights(tree, "home/admin") == (1000, 1000, "700")
    assert read_text(tree, "home/admin/.profile") == "mine"
    assert rights(tree, "home/admin/.config/app") == (1000, 1000, "644")
    assert read_text(tree, "home/other/.config") == "no folder"
    assert read_text(tree, "home/other/.profile") == "# profile\n"


def test_a_home_that_the_root_has_keeps_its_mode() -> None:
    tree = root()
    tree.put("srv/www", directory(0o755, origin=BASE))
    applied({"users": [{"name": "web", "home": "/srv/www"}]}, tree)
    assert rights(tree, "srv/www") == (1000, 1000, "755")
    assert tree.get("srv/www/.profile") is None


@pytest.mark.parametrize("home", ["/", "/etc", "/usr"])
def test_a_folder_of_the_system_is_no_home_to_hand_over(home: str) -> None:
    tree = applied({"users": [{"name": "odd", "home": home}]})
    assert {inode.uid for _, _, inode in tree.walk()} == {0}


def test_a_service_has_a_home_only_if_it_says_so() -> None:
    tree = applied({"users": [{"name": "a", "system": True}, {"name": "b", "system": True, "home": "/var/lib/b"}]})
    assert tree.get("nonexistent") is None
    assert rights(tree, "var/lib/b") == (101, 101, "755")
    assert "a:x:100:100::/nonexistent:/bin/false" in (read_text(tree, "etc/passwd") or "")
    with pytest.raises(Mistake, match="user 'a': authorized_keys need a home"):
        applied({"users": [{"name": "a", "system": True, "authorized_keys": [KEY]}]})


def test_root_login() -> None:
    tree = root()
    tree.put("etc/securetty", text_file(b"tty1\nttyS0\n"))
    applied({"root_login": {"console": False, "authorized_keys": [KEY]}}, tree)
    assert "tty1" not in (read_text(tree, "etc/securetty") or "")
    assert rights(tree, "root") == (0, 0, "700")
    assert rights(tree, "root/.ssh/authorized_keys") == (0, 0, "600")


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (
            "127.0.0.1 localhost\n::1 localhost\n",
            "127.0.0.1 localhost\n127.0.1.1\tbox.example.org box\n::1 localhost\n",
        ),
        (
            "127.0.0.1 localhost\n127.0.1.1 old\n127.0.1.1 older\n",
            "127.0.0.1 localhost\n127.0.1.1\tbox.example.org box\n",
        ),
        (
            None,
            "127.0.0.1\tlocalhost\n127.0.1.1\tbox.example.org box\n::1\tlocalhost ip6-localhost ip6-loopback\n",
        ),
    ],
)
def test_hostname(hosts: str | None, expected: str) -> None:
    tree = Tree()
    if hosts is not None:
        tree.put("etc/hosts", text_file(hosts.encode()))
    applied({"hostname": "box.example.org"}, tree)
    assert read_text(tree, "etc/hostname") == "box.example.org\n"
    assert read_text(tree, "etc/hosts") == expected


def test_issue() -> None:
    assert read_text(applied({"issue": "hello \\n\n"}), "etc/issue") == "hello \\n\n"


def test_permissions_by_name_number_glob_and_below() -> None:
    tree = root()
    tree.put("srv/www/index", text_file(b"x"))
    tree.put("srv/www/cgi/run", text_file(b"x"))
    applied(
        {
            "users": [{"name": "web", "system": True}],
            "permissions": [
                {"path": "/srv", "owner": "web", "group": 42, "mode": 0o640, "recursive": True},
                {"path": "/bin/p*ng", "group": "sudo"},
                {"path": "/bin/sh", "mode": 0o4755},
                {"path": "/bin/ping", "capabilities": "cap_net_raw+ep"},
            ],
        },
        tree,
    )
    assert rights(tree, "srv") == rights(tree, "srv/www/cgi") == (100, 42, "750")
    assert rights(tree, "srv/www/cgi/run") == (100, 42, "640")
    assert rights(tree, "usr/bin/ping") == (0, 27, "4755"), "a link's target is meant, as with chmod"
    assert rights(tree, "usr/bin/pong") == (0, 27, "755")
    ping = tree.get("usr/bin/ping")
    assert ping is not None
    assert dict(ping.xattrs)["security.capability"].hex() == "0100000200200000000000000000000000000000"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"path": "/usr/share/x/y", "mode": 1},
            r"permission /usr/share/x/y: nothing .* nearest that exists is /usr\n",
        ),
        ({"path": "/nowhere", "mode": 1}, r"nearest that exists is /\n"),
        ({"path": "/usr/bin/z*", "mode": 1}, r"nearest that exists is /usr/bin\n"),
        ({"path": "/usr/bin/ping", "owner": "ghost"}, "there is no user 'ghost'; the users are root"),
        ({"path": "/usr/bin/ping", "group": "ghost"}, "there is no group 'ghost'"),
        ({"path": "/usr/bin", "capabilities": "cap_chown+ep"}, "only files have capabilities"),
    ],
)
def test_a_permission_that_cannot_be_set(entry: dict[str, object], message: str) -> None:
    with pytest.raises(Mistake, match=message) as caught:
        applied({"permissions": [entry]})
    assert [problem.rpartition("\n")[2] for problem in caught.value.problems] == [f"Asked for {entry['path']}"]


def test_a_missing_path_may_be_made_or_forgiven() -> None:
    tree = applied(
        {"permissions": [{"path": "/var/x", "mode": 0o1777, "create": True}, {"path": "/no", "optional": True}]}
    )
    assert rights(tree, "var/x") == (0, 0, "1777")
    assert tree.get("no") is None


def test_a_hard_link_shares_its_rights() -> None:
    tree = root()
    tree.link("usr/bin/ping6", "usr/bin/ping")
    applied({"permissions": [{"path": "/usr/bin/ping6", "mode": 0o4755}]}, tree)
    assert rights(tree, "usr/bin/ping") == (0, 0, "4755")


def test_devices() -> None:
    tree = applied(
        {
            "devices": [
                {"path": "/dev/console", "type": "char", "major": 5, "minor": 1},
                {"path": "/dev/loop2", "type": "block", "major": 7, "minor": 2, "mode": 0o660, "group": "sudo"},
                {"path": "/run/pipe", "type": "fifo"},
            ]
        }
    )
    loop = tree.get("dev/loop2")
    assert loop is not None
    assert (loop.kind, loop.device, loop.gid, loop.mode) == (InodeKind.BLOCK, (7, 2), 27, 0o660)
    pipe = tree.get("run/pipe")
    assert pipe is not None
    assert pipe.kind is InodeKind.FIFO
    tree.put("dev/file", text_file(b""))
    with pytest.raises(Mistake, match="device /dev/file: there is already a file"):
        applied({"devices": [{"path": "/dev/file", "type": "fifo"}]}, tree)


def test_account_files_behind_a_link_are_followed() -> None:
    tree = root()
    tree.put("etc/real", directory())
    tree.put("etc/real/passwd", text_file(b"root:x:0:0::/root:/bin/sh\n"))
    tree.put("etc/passwd", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="real/passwd"))
    applied({"users": [{"name": "a"}]}, tree)
    assert "a:x:1000" in (read_text(tree, "etc/real/passwd") or "")
    link = tree.get("etc/passwd")
    assert link is not None
    assert link.kind is InodeKind.SYMLINK
