"""Files that programs refuse where others may read them are told, with the line that keeps others out."""

from __future__ import annotations

import pytest

from rootstream.sandbox.rootfs.private import exposed
from rootstream.sandbox.tree import Inode, InodeKind, Tree, text_file


@pytest.mark.parametrize(
    ("path", "mode", "line"),
    [
        ("var/spool/cron/crontabs/root", 0o644, "path: /var/spool/cron/crontabs/root, mode: 0600"),
        (
            "etc/NetworkManager/system-connections/a b.nmconnection",
            0o644,
            'path: "/etc/NetworkManager/system-connections/a b.nmconnection", mode: 0600',
        ),
        ("home/me/.ssh/id_ed25519", 0o640, "path: /home/me/.ssh/id_ed25519, mode: 0600"),
        ("var/lib/rabbitmq/.erlang.cookie", 0o644, "path: /var/lib/rabbitmq/.erlang.cookie, mode: 0400"),
    ],
)
def test_a_file_that_others_may_read_is_told(path: str, mode: int, line: str) -> None:
    tree = Tree()
    tree.put(path, text_file(b"x", mode))
    (told,) = exposed(tree)
    assert f"`- {{{line}}}`" in told


def test_what_nobody_refuses_is_not_told() -> None:
    tree = Tree()
    tree.put("var/spool/cron/crontabs/root", text_file(b"x", 0o600))
    tree.put("var/spool/cron/crontabs/folder/root", text_file(b"x"))
    tree.put("home/me/.ssh/id_ed25519.pub", text_file(b"x"))
    tree.put("etc/ssh/ssh_host_rsa_key.pub", text_file(b"x"))
    tree.put("etc/ssh/ssh_host_rsa_key", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="/run/key"))
    assert list(exposed(tree)) == []


def test_it_is_found_behind_a_link() -> None:
    tree = Tree()
    tree.put("data/home/me/.pgpass", text_file(b"x"))
    tree.put("home", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="data/home"))
    (told,) = exposed(tree)
    assert told.startswith("/data/home/me/.pgpass has mode 644")
