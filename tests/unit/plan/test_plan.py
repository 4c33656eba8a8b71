"""Plans: same description and lock, same bytes; what changes re-keys only what it touches."""

from __future__ import annotations

import json
import os
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.images.disk import Disk
from rootstream.description.model import Debian, Described, Description, System
from rootstream.errors import UserError
from rootstream.host.content import chunks
from rootstream.plan import inputs, make, overlay, text
from rootstream.plan.images.disk import kernel_args, partition_device
from rootstream.plan.model import Plan
from rootstream.project.lock import Lock

GOLDEN = Path(__file__).parents[1] / "data" / "plan"

HELLO: dict[str, Any] = {
    # The built-in fragments change for reasons of their own: they are not part of the golden plan.
    "root": {"busybox": {"builtin": False}},
    "kernel": {"fragments": ("linux.config",), "builtin": False},
    "layers": (
        {"overlay": "overlay"},
        {"hostname": "box"},
        {"users": ({"name": "admin", "authorized_keys": ("admin.pub",)},)},
    ),
    "images": (
        "kernel",
        {"initramfs": {"compression": "xz"}},
        {"disk": {"initramfs": True}},
        {"ext": {"gzip": True}},
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "linux.config").write_text("CONFIG_A=y\n")
    (tmp_path / "admin.pub").write_text("# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample admin\n")
    (tmp_path / "overlay" / "etc").mkdir(parents=True)
    (tmp_path / "overlay" / "etc" / "motd").write_text("hi\n")
    return tmp_path


def describe(**changes: object) -> Description:
    system = System.model_validate({**HELLO, **changes})
    return Description(systems=(Described(name="box", variant=None, system=system),))


def lock_for(plan: Plan) -> Lock:
    return Lock(
        refs={source.request(): {"ref-of": json.loads(source.request())["kind"]} for source in plan.missing()}
    )


def planned(folder: Path, description: Description) -> tuple[Plan, dict[str, bytes]]:
    read = inputs.gather(description, folder)
    unlocked, _ = make.plan(description, read, None)
    plan, _ = make.plan(description, read, lock_for(unlocked))
    return plan, {path: b"".join(chunks(content)) for path, content in text.render(plan).items()}


def digests(folder: Path, description: Description) -> dict[str, str]:
    plan, _ = planned(folder, description)
    return {name: text.digest(plan, name, ()) for name in plan.elements}


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    """Return the kinds of elements whose digest differs."""
    return {
        name.split("-")[0].removesuffix(".bst")
        for name in one.keys() | other.keys()
        if one.get(name) != other.get(name)
    }


def test_the_plan_of_a_description_is_the_golden_one(folder: Path) -> None:
    _, rendered = planned(folder, describe())
    shown = {
        path: content.decode()
        for path, content in rendered.items()
        if path == "project.conf" or path.startswith("elements/") or path.endswith((".json", ".config"))
    }
    golden = GOLDEN / "box"
    if os.environ.get("ROOTSTREAM_GOLDEN") == "write":
        for path, content in shown.items():
            (golden / path).parent.mkdir(parents=True, exist_ok=True)
            (golden / path).write_text(content)
    names = {str(path.relative_to(golden)) for path in golden.rglob("*") if path.is_file()}
    assert names == set(shown)
    for path, content in shown.items():
        assert content == (golden / path).read_text(), path


def test_the_same_description_gives_the_same_bytes(folder: Path) -> None:
    assert planned(folder, describe())[1] == planned(folder, describe())[1]


def test_modes_and_times_of_a_checkout_do_not_matter(folder: Path) -> None:
    before = planned(folder, describe())[1]
    (folder / "overlay" / "etc" / "motd").chmod(0o600)
    (folder / "overlay" / "etc").chmod(0o700)
    os.utime(folder / "overlay" / "etc" / "motd", (1, 1))
    assert planned(folder, describe())[1] == before


def test_an_overlay_changes_the_root_and_its_images_only(folder: Path) -> None:
    before = digests(folder, describe())
    (folder / "overlay" / "etc" / "motd").write_text("other\n")
    assert changed(before, digests(folder, describe())) == {"root", "inventory", "image", "system"}


def test_a_kernel_fragment_leaves_the_root_alone(folder: Path) -> None:
    before = digests(folder, describe())
    (folder / "linux.config").write_text("CONFIG_B=y\n")
    after = digests(folder, describe())
    assert changed(before, after) == {"linux", "inventory", "image", "system"}
    assert (
        before["image-box-initramfs-" + name_hash(before, "initramfs")]
        == after["image-box-initramfs-" + name_hash(after, "initramfs")]
    )


def test_a_variant_that_is_only_booted_otherwise_shares_every_element(folder: Path) -> None:
    def variant(name: str, **changes: object) -> Described:
        return Described(name="box", variant=name, system=System.model_validate({**HELLO, **changes}))

    loud = variant("loud", machine={"kernel_args": "debug"}, checks=({"console": "login:"},), description="Loud")
    other = variant("other", layers=({"hostname": "other"},))
    twin = variant("twin", layers=({"hostname": "other"},), machine={"memory": "1G"})
    both = Description(systems=(*describe().systems, loud, other, twin))
    _, outputs = make.plan(both, inputs.gather(both, folder), None)
    elements = {name: each.element for name, each in outputs.items()}
    assert elements["box@loud"] == elements["box"] != elements["box@other"] == elements["box@twin"]
    assert [each.target for each in outputs.values()] == list(outputs)
    alone, _ = make.plan(both, inputs.gather(both, folder, only=("box@loud",)), None, only=("box@loud",))
    assert elements["box"] in alone.elements


def name_hash(found: dict[str, str], kind: str) -> str:
    return next(name for name in found if name.startswith(f"image-box-{kind}-")).rpartition("-")[2]


def test_a_mirror_is_no_part_of_a_request(folder: Path) -> None:
    description = describe()
    read = inputs.gather(description, folder)
    with_mirror = description.model_copy(update={"debian": Debian(mirrors=("http://mirror.invalid/debian",))})
    one, _ = make.plan(description, read, None)
    two, _ = make.plan(with_mirror, read, None)
    assert {source.request() for source in one.missing()} == {source.request() for source in two.missing()}


def test_what_the_lock_lacks_is_named(folder: Path) -> None:
    description = describe()
    read = inputs.gather(description, folder)
    plan, _ = make.plan(description, read, None)
    assert {source.kind for source in plan.missing()} == {"debian_packages", "debian_source"}
    pinned, _ = make.plan(description, read, lock_for(plan))
    assert pinned.missing() == ()


def test_overlays_leave_version_control_and_backups_out(folder: Path) -> None:
    for name in (".git/config", ".svn/x", ".hg/x", "etc/.empty", "etc/motd~"):
        path = folder / "overlay" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("no")
    with tarfile.open(fileobj=BytesIO(b"".join(chunks(overlay.archive(folder / "overlay", epoch=5))))) as tar:
        assert tar.getnames() == ["etc", "etc/motd"]
        assert {(member.uid, member.gid, member.mtime, member.mode) for member in tar} == {
            (0, 0, 5, 0o755),
            (0, 0, 5, 0o644),
        }


def test_special_files_in_an_overlay_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "overlay" / "pipe")
    with pytest.raises(UserError) as caught:
        overlay.archive(folder / "overlay", epoch=0)
    assert caught.value.reason == "overlay-special-file"


def test_private_keys_are_refused(folder: Path) -> None:
    (folder / "admin.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(UserError) as caught:
        inputs.gather(describe(), folder)
    assert caught.value.reason == "not-a-public-key"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "root=/dev/sda2 rootfstype=ext4 rw"),
        ("console=ttyS0", "console=ttyS0 root=/dev/sda2 rootfstype=ext4 rw"),
        ("root=/dev/vda2 ro", "root=/dev/vda2 ro"),
        ("ro quiet", "ro quiet root=/dev/sda2 rootfstype=ext4"),
    ],
)
def test_a_disk_names_its_root_where_the_arguments_do_not(given: str, expected: str) -> None:
    system = describe(images=({"disk": {"kernel_args": given}},)).systems[0].system
    disk = system.images[0]
    assert isinstance(disk, Disk)
    assert kernel_args(disk, "box/disk.img") == expected


def test_partitions_of_disks_whose_name_ends_in_a_digit() -> None:
    assert partition_device("/dev/mmcblk0", 2) == "/dev/mmcblk0p2"
    assert partition_device("/dev/sda", 2) == "/dev/sda2"


@pytest.mark.parametrize(
    ("source", "kind", "locked"),
    [
        ({"debian": {"package": "linux", "patches": True}}, "debian_source", True),
        ({"tar": {"url": "http://files.invalid/linux.tar.xz"}}, "remote", True),
        ({"tar": {"url": "http://files.invalid/linux.tar.xz", "sha256": "0" * 64}}, "remote", False),
        ({"git": {"url": "http://git.invalid/linux.git", "track": "v6.12"}}, "git", True),
        ({"local": "overlay"}, "local", False),
    ],
)
def test_a_kernel_comes_from_any_source(folder: Path, source: dict[str, Any], kind: str, *, locked: bool) -> None:
    plan, rendered = planned(folder, describe(kernel={"source": source, "builtin": False}))
    element = next(element for name, element in plan.elements.items() if name.startswith("linux-"))
    assert (element.sources[0].kind, element.sources[0].locked) == (kind, locked)
    if kind == "local":
        path = str(element.sources[0].words["path"])
        with tarfile.open(fileobj=BytesIO(rendered[path])) as tar:
            assert "tree/etc/motd" in tar.getnames()
    else:
        assert "ref" in rendered[f"elements/{element.name}"].decode()


def test_secrets_are_put_into_each_file_as_often_as_it_has_the_root(folder: Path) -> None:
    (folder / "key").write_bytes(b"secret" * 20)
    layers = (*HELLO["layers"], {"secrets": ({"path": "/etc/key", "file": "key"},)})
    for description, expected in (
        (describe(), {}),
        (describe(layers=layers), {"bzImage": 0, "initramfs.cpio.xz": 1, "disk.img": 2, "rootfs.ext4.gz": 1}),
    ):
        _, outputs = make.plan(description, inputs.gather(description, folder), None)
        assert dict(outputs)["box"].times == expected
        assert len(dict(outputs)["box"].secrets) == bool(expected)
