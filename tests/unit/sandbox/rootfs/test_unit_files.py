"""Units enabled, disabled and masked in a finished root: the links that systemctl makes."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.assemble import assemble
from rootstream.sandbox.rootfs.services import UnitChoice
from rootstream.sandbox.rootfs.spec import RootSpec
from rootstream.sandbox.rootfs.unit_files import choose
from rootstream.sandbox.tree import Inode, InodeKind, Tree, text_file

ETC, USR = "etc/systemd/system", "usr/lib/systemd/system"


def unit(install: str = "WantedBy=multi-user.target") -> bytes:
    return f"[Unit]\nWantedBy=no.target\n[Service]\nExecStart=/bin/true\n[Install]\n{install}\n".encode()


def link(target: str) -> Inode:
    return Inode(kind=InodeKind.SYMLINK, mode=0o777, target=target)


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    made.put("usr/lib/systemd/systemd", text_file(b""))
    made.put("lib", link("usr/lib"))
    made.put(f"{ETC}/mine.service", text_file(unit()))
    made.put(f"{USR}/theirs.service", text_file(unit("WantedBy=a.target \\\n  b.target\nAlias=other.service")))
    return made


def links(tree: Tree) -> dict[str, str]:
    found = ((path, inode) for path, _, inode in tree.walk() if inode.kind is InodeKind.SYMLINK)
    return {path.removeprefix(f"{ETC}/"): inode.target for path, inode in found if path.startswith(ETC)}


def test_units_of_layers_and_of_packages(tree: Tree) -> None:
    assert choose(tree, UnitChoice(enable=("mine.service", "theirs.service"))) == ()
    assert links(tree) == {
        "multi-user.target.wants/mine.service": f"/{ETC}/mine.service",
        "a.target.wants/theirs.service": f"/{USR}/theirs.service",
        "b.target.wants/theirs.service": f"/{USR}/theirs.service",
        "other.service": f"/{USR}/theirs.service",
    }
    assert choose(tree, UnitChoice(disable=("theirs.service",))) == ()
    assert set(links(tree)) == {"multi-user.target.wants/mine.service"}


def test_units_are_enabled_when_all_layers_are_there(tmp_path: Path) -> None:
    for name, path, content in (
        ("base", "usr/lib/systemd/systemd", b""),
        ("first", f"{ETC}/mine.service", unit()),
        ("last", "etc/hostname", b"x\n"),
    ):
        file = tmp_path / name / path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    spec = RootSpec(epoch=0, units=UnitChoice(enable=("mine.service",)))
    assemble(tmp_path / "base", [tmp_path / "first", tmp_path / "last"], spec, tmp_path / "root.tar")
    with tarfile.open(tmp_path / "root.tar") as packed:
        found = packed.getmember(f"./{ETC}/multi-user.target.wants/mine.service")
        assert found.linkname == f"/{ETC}/mine.service"


def test_the_unit_of_a_layer_counts_where_a_package_has_one_too(tree: Tree) -> None:
    tree.put(f"{ETC}/theirs.service", text_file(unit("RequiredBy=c.target")))
    choose(tree, UnitChoice(enable=("theirs.service",)))
    assert links(tree) == {"c.target.requires/theirs.service": f"/{ETC}/theirs.service"}


def test_templates_have_instances(tree: Tree) -> None:
    tree.put(f"{USR}/each@.service", text_file(unit("WantedBy=%i.target\nAlias=%p-%i.service")))
    tree.put(f"{USR}/some@.service", text_file(unit("WantedBy=getty.target\nDefaultInstance=tty1")))
    choose(tree, UnitChoice(enable=("each@one.service", "some@.service")))
    assert links(tree) == {
        "one.target.wants/each@one.service": f"/{USR}/each@.service",
        "each-one.service": f"/{USR}/each@.service",
        "getty.target.wants/some@tty1.service": f"/{USR}/some@.service",
    }
    with pytest.raises(Mistake, match=r"^enable: each@.service: it is a template"):
        choose(tree, UnitChoice(enable=("each@.service",)))
    choose(tree, UnitChoice(disable=("some@.service", "each@one.service")))
    assert links(tree) == {}


def test_units_that_come_along_and_drop_ins(tree: Tree) -> None:
    tree.put(f"{USR}/main.service", text_file(unit("Also=main.socket")))
    tree.put(f"{USR}/main.socket", text_file(unit("WantedBy=sockets.target")))
    tree.put(f"{ETC}/mine.service.d/more.conf", text_file(b"[Install]\nWantedBy=\nUpheldBy=x.service\n"))
    choose(tree, UnitChoice(enable=("main.service", "mine.service")))
    assert set(links(tree)) == {"sockets.target.wants/main.socket", "x.service.upholds/mine.service"}


def test_a_mask_stands_for_the_unit(tree: Tree) -> None:
    assert choose(tree, UnitChoice(mask=("theirs.service",))) == ()
    assert links(tree) == {"theirs.service": "/dev/null"}
    (warned,) = choose(tree, UnitChoice(mask=("thiers.service",)))
    assert "did you mean theirs.service" in warned
    with pytest.raises(Mistake, match=r"mask: mine.service: /etc/systemd/system/mine.service is a file"):
        choose(tree, UnitChoice(mask=("mine.service",)))


@pytest.mark.parametrize(
    ("verb", "name", "text"),
    [
        ("enable", "mien.service", "did you mean mine.service"),
        ("disable", "mine", "did you mean mine.service"),
        ("enable", "static.service", r"no \[Install\]"),
        ("enable", "alias.service", "an alias of theirs.service"),
        ("enable", "off.service", "masked"),
        ("enable", "host.service", "%H"),
        ("enable", "agent.socket", "one of users' own"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_unit(tree: Tree, verb: str, name: str, text: str) -> None:
    tree.put(f"{USR}/static.service", text_file(b"[Service]\nExecStart=/bin/true\n"))
    tree.put(f"{USR}/host.service", text_file(unit("WantedBy=%H.target")))
    tree.put(f"{USR}/alias.service", link("theirs.service"))
    tree.put("usr/lib/systemd/user/agent.socket", text_file(unit("WantedBy=sockets.target")))
    tree.put(f"{ETC}/off.service", link("/dev/null"))
    with pytest.raises(Mistake, match=text) as caught:
        choose(tree, UnitChoice(**{verb: (name,)}))
    assert caught.value.problems[0].startswith(f"{verb}: {name}: ")
    assert caught.value.problems[0].endswith(f"\nAsked for {name}")


def test_a_unit_that_starts_although_it_is_disabled(tree: Tree) -> None:
    tree.put(f"{USR}/sysinit.target.wants/theirs.service", link("../theirs.service"))
    (warned,) = choose(tree, UnitChoice(disable=("theirs.service",)))
    assert "only `mask`" in warned


def test_scripts_without_a_unit(tree: Tree) -> None:
    head = b"#!/bin/sh\n### BEGIN INIT INFO\n# Default-Start: 2 3\n# Default-Stop: 0\n### END INIT INFO\n"
    tree.put("etc/init.d/old", text_file(head, 0o755))
    choose(tree, UnitChoice(enable=("old.service",)))
    names = {path for path, _, inode in tree.walk() if inode.target == "../init.d/old"}
    assert names == {"etc/rc0.d/K01old", "etc/rc2.d/S01old", "etc/rc3.d/S01old"}
    choose(tree, UnitChoice(disable=("old.service",)))
    names = {path for path, _, inode in tree.walk() if inode.target == "../init.d/old"}
    assert names == {"etc/rc0.d/K01old", "etc/rc2.d/K01old", "etc/rc3.d/K01old"}


def test_a_root_without_systemd() -> None:
    with pytest.raises(Mistake, match=r"enable: mine.service: this root has no systemd"):
        choose(Tree(), UnitChoice(enable=("mine.service",)))
    assert choose(Tree(), UnitChoice()) == ()
