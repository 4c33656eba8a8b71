"""A configured Debian made fit for an image: what goes, what stays, what is dropped."""

from __future__ import annotations

import pytest

from rootstream.sandbox.handover import data_of
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.debian import TMP_MOUNT, UNITS, Dropped, clean, drop, left_out, warnings
from rootstream.sandbox.rootfs.services import add_services, set_sshd
from rootstream.sandbox.rootfs.settings import read_text
from rootstream.sandbox.rootfs.spec import RootSpec
from rootstream.sandbox.tree import Inode, InodeKind, Tree, directory, text_file

EPOCH = 86400 * 20000


def tree_of(*paths: str) -> Tree:
    tree = Tree()
    for path in paths:
        tree.put(path, text_file(b"12345"))
    return tree


def files(tree: Tree) -> set[str]:
    return {path for path, _, inode in tree.walk() if inode.kind is not InodeKind.DIRECTORY}


def test_what_belongs_to_a_machine_or_a_moment_goes() -> None:
    gone: tuple[str, ...] = (
        "etc/ssh/ssh_host_rsa_key",
        "var/log/apt/term.log",
        "var/lib/systemd/random-seed",
        "etc/shadow-",
    )
    gone += ("var/cache/apt/pkgcache.bin", "var/lib/dpkg/status-old", "var/lib/dpkg/lock")
    kept = ("etc/ssh/moduli", "var/cache/debconf/config.dat", "var/lib/dpkg/status", "etc/shadow-maint")
    tree = tree_of(*gone, *kept)
    clean(tree, EPOCH)
    assert files(tree) == {*kept, "etc/machine-id"}
    assert tree.get("var/log/apt") is not None
    assert read_text(tree, "etc/machine-id") == ""


def test_what_a_root_lacks_for_its_network_and_modules_is_warned_of() -> None:
    tree = tree_of("etc/systemd/network/80-dhcp.network", "usr/lib/modules/6.12/modules.dep")
    assert [text for text in warnings(tree) if "resolved" in text]
    assert [text for text in warnings(tree) if "kmod" in text]
    tree.put(
        "etc/resolv.conf",
        Inode(kind=InodeKind.SYMLINK, mode=0o777, target="../run/systemd/resolve/stub-resolv.conf"),
    )
    tree.put("usr/sbin/modprobe", text_file(b""))
    assert warnings(tree) == ()


def test_what_a_tmpfs_hides_is_warned_of() -> None:
    tree = tree_of("tmp/mine", "tmp/yours")
    assert warnings(tree) == ()
    tree.put(TMP_MOUNT, Inode(kind=InodeKind.SYMLINK, mode=0o777, target="../tmp.mount"))
    tree.put(TMP_MOUNT.replace("local-fs.target.wants/", ""), text_file(b""))
    (told,) = warnings(tree)
    assert "tmp/mine will be hidden" in told
    tree.put("etc/systemd/system/tmp.mount", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="/dev/null"))
    assert warnings(tree) == ()


def test_dates_of_passwords_are_those_of_the_image() -> None:
    tree = Tree()
    tree.put("etc/shadow", text_file(b"root:*:20800:0:99999:7:::\nsshd:!:::::::\n"))
    clean(tree, EPOCH)
    assert read_text(tree, "etc/shadow") == "root:*:20000:0:99999:7:::\nsshd:!:::::::\n"


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (("usr/sbin/agetty", "usr/lib/systemd/system/serial-getty@.service"), True),
        (("usr/sbin/agetty", "usr/lib/systemd/system/serial-getty@.service", "usr/bin/login"), False),
        (("usr/sbin/agetty",), False),
        ((), False),
    ],
)
def test_a_console_that_nobody_passes_is_told(paths: tuple[str, ...], told: bool) -> None:
    assert bool(warnings(tree_of(*paths))) is told


def test_a_login_on_a_console_waits_for_udev_as_long_as_it_takes() -> None:
    tree = tree_of(f"{UNITS}/serial-getty@.service")
    clean(tree, EPOCH)
    assert "JobRunningTimeoutSec=infinity" in (
        read_text(tree, f"{UNITS}/dev-ttyS0.device.d/rootstream.conf") or ""
    )
    assert not any("device.d" in path for path in files(tree) if "dev-tty" not in path and "dev-hvc" not in path)


def test_a_console_that_is_masked_asks_for_nothing() -> None:
    tree = tree_of("usr/sbin/agetty", "usr/lib/systemd/system/getty@.service")
    tree.put("etc/systemd/system/getty@.service", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="/dev/null"))
    assert warnings(tree) == ()


@pytest.mark.parametrize(
    ("units", "changed"),
    [
        (("ssh.service", "sshd-keygen.service"), "sshd-keygen.service"),
        (("ssh.service",), "ssh.service"),
        ((), None),
    ],
)
def test_a_machine_makes_its_own_host_keys(units: tuple[str, ...], changed: str | None) -> None:
    tree = tree_of(*(f"usr/lib/systemd/system/{unit}" for unit in units))
    clean(tree, EPOCH)
    changes = {path.split("/")[4] for path in files(tree) if path.endswith(".d/rootstream.conf")}
    assert changes == ({f"{changed}.d"} if changed else set())


def test_dropping_takes_folders_with_all_below_and_says_how_much() -> None:
    tree = tree_of("usr/share/doc/a/x", "usr/share/doc/b", "usr/lib/a/__pycache__/m.pyc", "usr/lib/a/m.py")
    tree.put("lib", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="usr/lib"))
    done = drop(tree, ("/usr/share/doc", "/lib/*/__pycache__", "/nothing"))
    assert done == (
        Dropped(pattern="/usr/share/doc", files=2, size=10),
        Dropped(pattern="/lib/*/__pycache__", files=1, size=5),
        Dropped(pattern="/nothing", files=0, size=0),
    )
    assert files(tree) == {"usr/lib/a/m.py", "lib"}
    assert tree.get("usr/share/doc") is None


def test_what_was_not_unpacked_is_told_by_pattern() -> None:
    lines = ("5 /usr/share/doc/a", "7 /usr/share/man/b", "1 /usr/share/doc/c")
    assert left_out(lines, ("/usr/share/doc/*", "/usr/share/man/*")) == (
        Dropped(pattern="/usr/share/doc/*", files=2, size=6),
        Dropped(pattern="/usr/share/man/*", files=1, size=7),
    )


SERVICES = {
    "services": [
        {"name": "one", "command": "one --flag 'a b'"},
        {"name": "two", "command": "two", "user": "nobody", "after": ["one"], "restart": "no", "enabled": False},
    ],
    "sshd": {"root": "prohibit-password", "passwords": False, "ports": [22, 2222]},
}


def test_services_are_units_that_run_a_script() -> None:
    spec = data_of(RootSpec, SERVICES)
    tree = tree_of("usr/lib/systemd/systemd")
    add_services(tree, spec.services)
    assert read_text(tree, "usr/libexec/services/one") == "#!/bin/sh\none --flag 'a b'\n"
    assert tree.find("etc/systemd/system/multi-user.target.wants/one.service") is not None
    assert tree.get("etc/systemd/system/multi-user.target.wants/two.service") is None
    unit = read_text(tree, "etc/systemd/system/two.service") or ""
    assert "After=network.target one.service\n" in unit
    assert "User=nobody\n" in unit
    assert "Restart=no\n" in unit


def test_the_policy_of_sshd_is_read_first() -> None:
    spec = data_of(RootSpec, SERVICES)
    tree = tree_of("etc/ssh/sshd_config")
    assert spec.sshd is not None
    set_sshd(tree, spec.sshd)
    text = read_text(tree, "etc/ssh/sshd_config.d/00-rootstream.conf") or ""
    assert "PermitRootLogin prohibit-password\nPasswordAuthentication no\n" in text
    assert "Port 22\nPort 2222\n" in text


def test_services_and_sshd_need_their_programs() -> None:
    spec = data_of(RootSpec, SERVICES)
    tree = Tree()
    tree.put("etc", directory())
    with pytest.raises(Mistake, match="systemd-sysv"):
        add_services(tree, spec.services)
    assert spec.sshd is not None
    with pytest.raises(Mistake, match="openssh-server"):
        set_sshd(tree, spec.sshd)
