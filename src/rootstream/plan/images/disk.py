"""Image `disk`."""

from __future__ import annotations

from rootstream.description.images.disk import Disk
from rootstream.host.content import Content
from rootstream.plan.images import boot_programs
from rootstream.plan.images.base import SPARSE, Context, Making, loaded, mounting, output, program
from rootstream.plan.model import short_hash
from rootstream.plan.roots import finished_root as roots
from rootstream.sandbox import handover
from rootstream.sandbox.images.disk_layout import DiskSpec, Partition, filesystem_uuid, partition_uuid


def plan(image: Disk, context: Context) -> Making:
    """Write the partitions, and what starts the kernel from one of them."""
    return made(image, context, "sparse", context.name + SPARSE)


def made(image: Disk, context: Context, form: str, name: str) -> Making:
    """Return how a disk is written in a form, to a file."""
    words = ["make", "--spec spec/disk.json", f"--root {roots.PATH}"]
    if context.kernel:
        words.append(f"--kernel /kernel/{context.kernel_file}")
    words += loaded(context)
    if image.uefi:
        words.append(f"--stub {boot_programs.stub_path(context.arch)}")
    if any(partition.filesystem == "vfat" for partition in image.partitions):
        words.append(f'--warnings "%{{install-root}}/notes/warnings-disk-{short_hash(context.name)[:4]}.json"')
    words += [f"--packed {form}", "-o", output(name)]
    files: dict[str, Content] = {
        f"files/disk-{context.slug}-{short_hash(context.name)}/disk.json": handover.dump(_spec(image, context))
    }
    return Making(
        commands=[*(mounting(context) if context.kernel else ()), program("disk", *words)],
        files=files,
        kernel=True,
        sets=boot_programs.stub_of(context) if image.uefi else (),
        links=("syslinux", "syslinux-common") if image.loader == "syslinux" else (),
    )


def _spec(image: Disk, context: Context) -> DiskSpec:
    gpt, mark = image.table == "gpt", seed(context.name, context)
    uefi = context.tools.row.uefi
    return DiskSpec(
        name=context.name,
        seed=mark if gpt else context.name,
        table=image.table,
        sector_size=image.sector_size,
        bootloader=image.loader,
        kernel_args=kernel_args(image, mark, initrd=context.initrd is not None),
        kernel_name=image.kernel_name,
        device=image.device or (None if gpt else "/dev/sda"),
        keep_fstab=image.fstab == "keep",
        partitions=tuple(Partition(**partition.model_dump()) for partition in image.partitions),
        root_type=uefi.root_type if gpt and uefi else None,
    )


def seed(name: str, context: Context) -> str:
    """Return what all identities of a GPT disk come from: no two systems have the same."""
    return f"{context.slug}/{name}"


def kernel_args(image: Disk, seed: str, *, initrd: bool = False) -> str:
    """Return the kernel arguments of a disk: the given ones, with the root named where they do not.

    With `initrd`, one that mounts the root is on the disk.
    """
    words = image.kernel_args.split()
    have = {word.split("=", 1)[0] for word in words}
    for number, partition in enumerate(image.partitions, 1):
        if partition.mount == "/" and "root" not in have:
            words.append(f"root={_root(image, number, seed, initrd=initrd)}")
            if "rootfstype" not in have:
                words.append(f"rootfstype={partition.filesystem}")
            if not have & {"ro", "rw"}:
                words.append("rw")
    return " ".join(words)


def _root(image: Disk, number: int, seed: str, *, initrd: bool) -> str:
    """Return what finds the root: the kernel knows PARTUUID only, an initramfs's findfs UUID."""
    if image.device or image.table == "mbr":
        return partition_device(image.device or "/dev/sda", number)
    if image.initramfs or initrd:
        return f"UUID={filesystem_uuid(seed, number, image.partitions[number - 1].filesystem)}"
    return f"PARTUUID={partition_uuid(seed, number)}"


def partition_device(disk: str, number: int) -> str:
    """Return what Linux calls a partition: a `p` stands between when the disk's name ends in a digit."""
    return f"{disk}p{number}" if disk[-1].isdigit() else f"{disk}{number}"
