"""What layers set in a root, and the words for the program that sets it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from rootstream.description.layers import Layer
from rootstream.errors import Problems, Where
from rootstream.plan.model import Dependency
from rootstream.plan.roots import finished_root
from rootstream.plan.roots.finished_root import Recipe
from rootstream.sandbox.rootfs.services import ServiceSpec, Sshd
from rootstream.sandbox.rootfs.spec import Device, Group, Permission, RootLogin, RootSpec, User

LAYERS: TypeAdapter[tuple[Layer, ...]] = TypeAdapter(tuple[Layer, ...])
KEYS = {"a.pub": ("ssh-ed25519 AAAA a",), "b.pub": ("ssh-ed25519 BBBB b", "ssh-rsa CCCC c")}
USER = User(name="x", shell="/bin/sh", gecos="", password="!")  # noqa: S604
TABLE = "/dev/mtd d 755 0 0 - - - - -\n/dev/mtd0 c 640 0 5 90 0 - - -\n"


def spec(*described: dict[str, Any]) -> RootSpec:
    return finished_root.spec(LAYERS.validate_python(described), KEYS, {"devices.txt": TABLE}, 7)


def test_without_layers_root_does_not_log_in() -> None:
    assert spec() == RootSpec(epoch=7, root_login=RootLogin(password="!", console=True))


def test_names_and_texts_of_the_last_layer_count() -> None:
    made = spec({"hostname": "one"}, {"issue": "a"}, {"hostname": "two"}, {"issue": "b\n"})
    assert (made.hostname, made.issue) == ("two", "b\n")
    assert spec({"issue": "a"}).issue == "a\n"


def test_lists_add_up_in_the_order_of_the_layers() -> None:
    made = spec(
        {"users": ({"name": "a", "uid": 1001, "password": "empty", "sudo": True},)},
        {"groups": ({"name": "g", "gid": 7},)},
        {"permissions": ({"path": "/a", "mode": "0750", "owner": "a"},)},
        {"devices": ({"path": "/dev/x", "type": "char", "major": 1, "minor": 2},)},
        {"services": ({"name": "s", "command": "run"},)},
        {
            "users": (
                {"name": "b", "authorized_keys": ("b.pub", "a.pub"), "password": {"hash": "$6$salt$hash"}},
                {"name": "c", "sudo": "nopasswd", "groups": ("g",)},
            )
        },
        {"groups": ({"name": "h", "system": True},)},
        {"device_table": "devices.txt"},
        {"permissions": ({"path": "/b", "recursive": True, "group": "g"},)},
        {"devices": ({"path": "/dev/y", "type": "fifo"},)},
        {"services": ({"name": "t", "command": "walk", "after": ("s",), "restart": "no"},)},
    )
    keys = (*KEYS["b.pub"], *KEYS["a.pub"])
    assert made.users == (
        replace(USER, name="a", uid=1001, password="", sudo="yes"),
        replace(USER, name="b", password="$6$salt$hash", authorized_keys=keys),
        replace(USER, name="c", sudo="nopasswd", groups=("g",)),
    )
    assert made.groups == (Group(name="g", gid=7), Group(name="h", system=True))
    assert [each.path for each in made.permissions] == ["/a", "/dev/mtd", "/b"]
    assert made.permissions[0] == Permission(path="/a", mode=0o750, owner="a")
    assert made.permissions[2] == Permission(path="/b", recursive=True, group="g")
    assert [each.path for each in made.devices] == ["/dev/x", "/dev/mtd0", "/dev/y"]
    node = Device(path="/dev/mtd0", type="char", major=90, mode=0o640, group=5)
    assert made.devices[1] == node
    assert made.services == (
        ServiceSpec(name="s", command="run"),
        ServiceSpec(name="t", command="walk", after=("s",), restart="no"),
    )


def test_a_secret_has_the_owner_and_mode_that_it_says() -> None:
    secrets = ({"path": "/etc/a", "file": "a"}, {"path": "/etc/b", "file": "b", "mode": "0640", "group": "g"})
    first, second = spec({"secrets": secrets}).permissions
    assert first == Permission(path="/etc/a", mode=0o600)
    assert second == Permission(path="/etc/b", mode=0o640, group="g")


@pytest.mark.parametrize(
    ("login", "policy", "expected"),
    [
        ({}, {}, Sshd(root="no")),
        ({"authorized_keys": ("a.pub",)}, {}, Sshd(root="prohibit-password")),
        ({"authorized_keys": ("a.pub",)}, {"root": "no"}, Sshd(root="no")),
        ({}, {"root": "yes", "passwords": False}, Sshd(root="yes", passwords=False)),
        ({}, {"ports": (22, 2222)}, Sshd(ports=(22, 2222))),
    ],
)
def test_who_logs_in_through_ssh(login: dict[str, Any], policy: dict[str, Any], expected: Sshd) -> None:
    assert spec({"sshd": policy}, {"root_login": login}).sshd == expected


@pytest.mark.parametrize(
    ("given", "field"), [("locked", "!"), ("empty", ""), ({"hash": "$6$salt$hash"}, "$6$salt$hash")]
)
def test_how_root_logs_in(given: Any, field: str) -> None:  # noqa: ANN401
    made = spec({"root_login": {"password": given, "console": given == "empty", "authorized_keys": ("b.pub",)}})
    assert made.root_login == RootLogin(password=field, console=given == "empty", authorized_keys=KEYS["b.pub"])
    assert made.sshd is None


def test_a_table_with_a_mistake_names_its_line() -> None:
    with pytest.raises(Problems) as caught:
        finished_root.spec(LAYERS.validate_python([{"device_table": "d"}]), {}, {"d": f"{TABLE}/x q 1 0 0\n"}, 7)
    (problem,) = caught.value.problems
    assert problem.reason == "device-table"
    assert problem.where == Where(path=Path("d"), line=3)


def recipe(**words: Any) -> Recipe:  # noqa: ANN401
    tree = Dependency(element="tree.bst", location="/tree")
    archives = (("a.tar", b"a"), ("b.tar", b"b"))
    return Recipe(
        slug="box", archives=archives, spec=RootSpec(hostname="x"), epoch=7, **{"trees": (tree,), **words}
    )


def test_a_plain_tree_and_layers_over_it() -> None:
    made = finished_root.element(recipe())
    assert made.commands[0] == 'mkdir -p "%{install-root}"'
    words = made.commands[1].split(" \\\n  ")[1:]
    assert words == [
        "--tree /tree",
        "--spec layers/spec.json",
        "--layer layers/a.tar",
        "--layer layers/b.tar",
        '--output "%{install-root}/root.tar"',
    ]
    assert made.environment == {"SOURCE_DATE_EPOCH": "7"}
    assert set(recipe().files()) == {f"files/root-box/{name}" for name in ("a.tar", "b.tar", "spec.json")}


def test_a_packed_tree_and_everything_that_may_be_over_it() -> None:
    run, again = (Dependency(element=f"{name}.bst", location=f"/{name}") for name in ("tree", "again"))
    folder = Dependency(element="modules.bst", location="/modules")
    xattrs = Dependency(element="when.bst", location="/when")
    made = recipe(
        packed=True,
        trees=(run,),
        runs=(run, again),
        laid=(("laid.bst", "/laid.tar"),),
        folders=(folder,),
        when_xattrs=xattrs,
    )
    element = finished_root.element(made)
    assert element.commands[0] == 'mkdir -p "%{install-root}/notes"'
    assert element.commands[1].split(" \\\n  ")[1:] == [
        "--base /tree/root.tar",
        "--made /tree/made",
        "--made /again/made",
        "--layer /laid.tar",
        "--layer /modules",
        "--spec layers/spec.json",
        "--layer layers/a.tar",
        "--layer layers/b.tar",
        "--when-xattrs /when",
        "--dropped /tree/dropped",
        '--report "%{install-root}/notes/dropped.json"',
        '--warnings "%{install-root}/notes/warnings.json"',
        '--output "%{install-root}/root.tar"',
    ]
    used = list(element.uses())
    assert [name for name in used if name in ("tree.bst", "again.bst", "laid.bst", "modules.bst", "when.bst")] == [
        "laid.bst",
        "tree.bst",
        "again.bst",
        "modules.bst",
        "when.bst",
    ]
    assert len(set(used)) == len(used)


def test_notes_are_taken_out_of_a_root() -> None:
    made = finished_root.notes_element("box", "root-box.bst")
    assert made.name == "notes-box.bst"
    assert "root-box.bst" in made.uses()
    assert made.commands == tuple(
        f'install -D -m 644 /notes/{name} "%{{install-root}}/notes/{name}"'
        for name in ("dropped.json", "warnings.json")
    )
