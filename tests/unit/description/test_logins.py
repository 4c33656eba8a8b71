"""What keeps people or checks from logging in is told when the description is read; what is meant so is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream import events
from rootstream.description.load import load
from rootstream.verbs import selection
from tests.loading import one, read

DEBIAN = "root: {debian: {packages: [systemd-sysv, login%s]}}\n"
IN = "- root_login: {password: empty}\n"
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/system.yaml"))
KEY = "authorized_keys: [a.pub]"


def found(folder: Path, words: str) -> list[tuple[str, int]]:
    """Return reason and line of every caution; the first of the words of the one system is on line 1."""
    (folder / "a.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample a\n")
    (described,) = read(folder, one(words)).systems
    return [(each.reason, each.where.line - 2) for each in described.cautions if each.where and each.where.line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # nobody
        ("root: busybox\nlayers:\n- hostname: a", [("nobody-can-log-in", 3)]),
        ("root: {busybox: {console: []}}", []),
        ("root: busybox\nlayers:\n- root_login: {password: locked}", []),
        ("root: busybox\nlayers:\n" + IN, []),
        (DEBIAN % "" + "layers:\n- hostname: a", [("nobody-can-log-in", 3)]),
        ("root: {debian: {}}\nlayers:\n- hostname: a", []),
        (
            "root:\n  debian:\n    packages: [systemd-sysv]\n    mask: [getty@.service, serial-getty@.service]",
            [],
        ),
        (DEBIAN % ", openssh-server" + f"layers:\n- root_login: {{{KEY}}}", []),
        # keys
        (f"root: busybox\nlayers:\n- root_login: {{password: empty, {KEY}}}", [("no-ssh-server", 3)]),
        (DEBIAN % "" + f"layers:\n{IN}- users:\n  - name: a\n    {KEY}", [("no-ssh-server", 6)]),
        (DEBIAN % ", ssh" + f"layers:\n{IN}- users:\n  - name: a\n    {KEY}", []),
        (DEBIAN % "" + f"layers:\n{IN}- sshd: {{passwords: false}}", [("no-ssh-server", 4)]),
        # sudo
        (
            DEBIAN % "" + f"layers:\n{IN}- users:\n  - name: a\n    password: empty\n    sudo: true",
            [("no-sudo", 7)],
        ),
        (
            DEBIAN % "" + f"layers:\n{IN}- users:\n  - name: a\n    password: empty\n    groups: [sudo]",
            [("no-sudo", 7)],
        ),
        (DEBIAN % ", sudo" + f"layers:\n{IN}- users:\n  - {{name: a, password: empty, sudo: true}}", []),
        (
            DEBIAN % ", sudo, ssh" + f"layers:\n{IN}- users:\n  - {{name: a, {KEY}, sudo: true}}",
            [("sudo-without-password", 5)],
        ),
        (DEBIAN % ", sudo, ssh" + f"layers:\n{IN}- users:\n  - {{name: a, {KEY}, sudo: nopasswd}}", []),
        # people
        (f"root: busybox\nlayers:\n{IN}- users:\n  - name: a", [("no-login", 5)]),
        (f"root: busybox\nlayers:\n{IN}- users:\n  - {{name: a, password: locked}}", []),
        (f"root: busybox\nlayers:\n{IN}- users:\n  - {{name: a, system: true}}", []),
        (f"root: busybox\nlayers:\n{IN}- users:\n  - {{name: a, shell: /bin/false}}", []),
        (
            f"root: busybox\nlayers:\n{IN}- users: [{{name: a}}]\n- services: [{{name: b, command: b, user: a}}]",
            [],
        ),
        (
            f"root: busybox\nlayers:\n{IN}- users:\n  - name: a\n    password: empty\n    shell: /bin/bash",
            [("no-shell", 7)],
        ),
        (DEBIAN % "" + f"layers:\n{IN}- users:\n  - {{name: a, password: empty, shell: /bin/bash}}", []),
        # checks
        (f"root: busybox\nlayers:\n{IN}checks:\n- login: {{user: b}}", [("login-not-possible", 5)]),
        (DEBIAN % "" + f"layers:\n{IN}checks:\n- login: {{user: messagebus}}", []),
        (
            "root: busybox\nlayers:\n- root_login: {password: locked}\nchecks:\n- login: {}\n- command: a",
            [("login-not-possible", 5), ("login-not-possible", 6)],
        ),
        (
            f"root: busybox\nlayers:\n- root_login: {{{KEY}, console: false}}\nchecks:\n- login: {{}}",
            [("nobody-can-log-in", 3), ("no-ssh-server", 3), ("login-not-possible", 5)],
        ),
        (
            "root: busybox\nlayers: [root_login: {password: {hash: $6$x$abcdefgh}}]\nchecks: [poweroff: poweroff]",
            [("login-not-possible", 3)],
        ),
        (
            (
                "root: busybox\nlayers:\n- root_login:\n    password: {hash: $6$x$abcdefgh}\nchecks:\n"
                "- login: {password: x}\n- command: a"
            ),
            [],
        ),
        (
            f"root: busybox\nlayers:\n{IN}checks:\n- login: {{password: x, refused: true}}",
            [("login-not-refused", 5)],
        ),
    ],
)
def test_cautions(tmp_path: Path, words: str, expected: list[tuple[str, int]]) -> None:
    assert found(tmp_path, words) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [("BR2_PACKAGE_ZLIB=y", [("no-ssh-server", 5)]), ("BR2_PACKAGE_DROPBEAR=y", [])],
)
def test_a_defconfig_of_the_project_tells(tmp_path: Path, config: str, expected: list[tuple[str, int]]) -> None:
    (tmp_path / "a_defconfig").write_text(f"{config}\n")
    root = "root: {buildroot: {tree: {local: /x}, defconfig: a_defconfig}}\nkernel: null\n"
    words = f"{root}layers:\n- root_login: {{password: empty}}\n- users: [{{name: a, {KEY}}}]\nimages: [ext]"
    assert found(tmp_path, words) == expected


def test_an_overlay_can_bring_what_is_missing(tmp_path: Path) -> None:
    words = f"root: busybox\nlayers:\n{IN}- users: [{{name: a, {KEY}}}]\n- overlay: over"
    (tmp_path / "over/usr/sbin").mkdir(parents=True)
    assert found(tmp_path, words) == [("no-ssh-server", 4)]
    (tmp_path / "over/usr/sbin/dropbear").touch()
    assert found(tmp_path, words) == []


def test_accounts_of_an_overlay_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "over/etc").mkdir(parents=True)
    (tmp_path / "over/etc/shadow").touch()
    assert found(tmp_path, "root: busybox\nlayers:\n- overlay: over") == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_without(path: Path) -> None:
    assert [str(each) for described in load(path).systems for each in described.cautions] == []


def test_what_variants_share_is_reported_once(tmp_path: Path) -> None:
    text = one("root: busybox\nlayers:\n- hostname: a\nvariants: {b: {machine: {cores: 2}}}")
    description = read(tmp_path, text)
    heard: list[events.Event] = []
    selection.caution(description, ("it", "it@b"), tmp_path, heard.append)
    (notice,) = heard
    assert isinstance(notice, events.Notice)
    assert notice.level == "warning"
