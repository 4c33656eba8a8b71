"""What a plan hands to the programs of the sandbox: the same data on the other side, or a message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rootstream.sandbox.handover import data_of, dump, load
from rootstream.sandbox.images.disk_layout import DiskSpec, Partition
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.apt_sources import AptRepository, AptSources
from rootstream.sandbox.rootfs.identities import Identity
from rootstream.sandbox.rootfs.services import ServiceSpec, Sshd, UnitChoice
from rootstream.sandbox.rootfs.spec import Device, Group, Permission, RootLogin, RootSpec, User

WHOLE = RootSpec(
    hostname="box",
    issue="Box\n",
    epoch=7,
    groups=(Group(name="app", gid=5),),
    users=(User(name="admin", uid=1000, groups=("app", "video"), authorized_keys=("ssh-rsa A",), password=""),),
    root_login=RootLogin(password="!", console=False),
    permissions=(Permission(path="/a", owner=0, group="app", mode=0o4755), Permission(path="/b", owner="admin")),
    devices=(Device(path="/dev/x", type="char", major=1, minor=2, owner="admin"),),
    services=(ServiceSpec(name="one", command="one", after=("two",), enabled=False),),
    sshd=Sshd(root="yes", passwords=False, ports=(22, 2222)),
    apt=AptSources(
        suites=("trixie",),
        components=("main",),
        repositories=(
            AptRepository(name="v", url="https://v.invalid", suites=("./",), components=(), key=b"\x98\0"),
        ),
    ),
    units=UnitChoice(mask=("a.timer",)),
    python="3.13",
    debian=True,
    identities=(Identity(path="/etc/id", choice="keep"),),
    drop=("/usr/share/doc/*",),
    left_out=("/usr/share/man/*",),
    names={"1-overlay.tar": "overlay/"},
)
DISK = DiskSpec(
    name="disk.img", seed="x", partitions=(Partition(filesystem="ext4", mount="/"), Partition(filesystem="swap"))
)


@pytest.mark.parametrize("data", [WHOLE, RootSpec(), DISK], ids=["whole", "empty", "disk"])
def test_the_other_side_reads_what_was_written(data: RootSpec | DiskSpec, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(dump(data))
    assert load(type(data), path) == data


def test_what_has_its_default_is_left_out() -> None:
    assert json.loads(dump(RootSpec(epoch=1))) == {"format": 1, "epoch": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable JSON"),
        ("[]", "was not written by this version"),
        ("{}", "was not written by this version"),
        ('{"format": 2}', "was not written by this version"),
        ('{"format": 1, "host": "x"}', "RootSpec: host: unknown"),
        ('{"format": 1, "users": [{"uid": 1}]}', r"RootSpec.users\[0\]: name: unknown or missing"),
        ('{"format": 1, "users": [{"name": 1}]}', r"RootSpec.users\[0\].name: 1 is not"),
        ('{"format": 1, "users": {}}', "RootSpec.users: {} is not"),
        ('{"format": 1, "epoch": true}', "RootSpec.epoch: True is not"),
        ('{"format": 1, "debian": 1}', "RootSpec.debian: 1 is not"),
        ('{"format": 1, "names": {"a": 1}}', "RootSpec.names.a: 1 is not"),
        ('{"format": 1, "root_login": 1}', "RootSpec.root_login: 1 is not"),
    ],
)
def test_the_file_of_another_version_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(Mistake, match=message):
        load(RootSpec, path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="not readable JSON"):
        load(RootSpec, tmp_path / "none.json")


def test_owners_are_names_or_numbers() -> None:
    made = data_of(RootSpec, {"permissions": [{"path": "/a", "owner": "x", "group": 7}]}).permissions
    assert made == (Permission(path="/a", owner="x", group=7),)
