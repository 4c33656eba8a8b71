"""The command line of QEMU, the kernel's arguments, and what is told from files."""

from __future__ import annotations

import gzip
import os
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.boot import accel
from rootstream.boot.cmdline import kernel_args
from rootstream.boot.firmware import FirmwareFiles
from rootstream.boot.media import Media, filesystem, look
from rootstream.boot.monitor import parse_usernet
from rootstream.boot.qemu import Forward, Host, Sockets, command
from rootstream.description.machine import BootFrom, BootImage, ExtraDisk, Machine, Nic, firmware_of
from rootstream.errors import UserError

PC = ARCHITECTURES["x86_64"].board


def image(kind: BootFrom) -> BootImage:
    return BootImage(
        kind=kind, kernel=None if kind == "disk" else "/out/bzImage", file="/out/root,1", name="hello"
    )


def argv(
    machine: Machine | None = None,
    kind: BootFrom = "disk",
    *,
    arch: Architecture = "x86_64",
    host: Host | None = None,
    media: Media | None = None,
) -> list[str]:
    return list(command(machine or Machine(), image(kind), arch=arch, media=media or Media(), host=host or Host()))


def values(words: list[str], option: str) -> list[str]:
    return [after for word, after in pairwise(words) if word == option]


def test_a_disk_starts_by_its_loader_and_is_not_written() -> None:
    words = argv()
    assert values(words, "-drive") == ["if=none,id=disk0,format=raw,file=/out/root,,1,snapshot=on"]
    assert "ide-hd,bus=ide.0,unit=0,drive=disk0,bootindex=0" in values(words, "-device")
    assert values(words, "-machine") == ["pc,graphics=off"]
    assert values(words, "-kernel") == []
    assert "-no-reboot" in words


def test_an_initramfs_is_given_to_the_kernel() -> None:
    words = argv(kind="initramfs")
    assert values(words, "-kernel") == ["/out/bzImage"]
    assert values(words, "-initrd") == ["/out/root,1"]
    assert values(words, "-append") == ["console=ttyS0"]
    assert values(words, "-drive") == []


def test_a_compressed_ext_is_a_ramdisk() -> None:
    words = argv(kind="ext", media=Media(filesystem="ext2", ramdisk=True, size=4097))
    assert values(words, "-initrd") == ["/out/root,1"]
    assert values(words, "-append") == ["console=ttyS0 root=/dev/ram0 rootfstype=ext2 rw ramdisk_size=5"]


@pytest.mark.parametrize(
    ("machine", "kind", "media", "expected"),
    [
        (Machine(), "ext", Media(filesystem="ext4"), "console=ttyS0 root=/dev/sda rootfstype=ext4 rw"),
        (Machine(bus="virtio"), "ext", Media(), "console=ttyS0 root=/dev/vda rw"),
        (
            Machine(),
            "squashfs",
            Media(filesystem="squashfs"),
            "console=ttyS0 root=/dev/sda rootfstype=squashfs ro",
        ),
        (Machine(console="ttyS1"), "initramfs", Media(), "console=ttyS1"),
        (
            Machine(kernel_args="quiet  root=LABEL=x ro console=tty0 rootfstype=ext2"),
            "ext",
            Media(filesystem="ext4"),
            "quiet root=LABEL=x ro console=tty0 rootfstype=ext2",
        ),
    ],
)
def test_kernel_arguments(machine: Machine, kind: BootFrom, media: Media, expected: str) -> None:
    assert kernel_args(machine, kind, board=PC, media=media) == expected


def test_other_boards_have_their_own_names() -> None:
    arm = argv(kind="ext", arch="aarch64", media=Media(filesystem="ext4"))
    assert arm[0] == "qemu-system-aarch64"
    assert values(arm, "-append") == ["console=ttyAMA0 root=/dev/vda rootfstype=ext4 rw"]
    assert "virtio-blk-pci,drive=disk0" in values(arm, "-device")
    riscv = argv(kind="initramfs", arch="riscv64")
    assert values(riscv, "-machine") == ["virt"]
    assert values(riscv, "-append") == ["console=ttyS0"]


@pytest.mark.parametrize(
    ("machine", "arch", "reason"),
    [
        (Machine(), "aarch64", "no-firmware"),
        (Machine(bus="ide", firmware="uefi"), "aarch64", "unsupported-bus"),
        (Machine(disks=(ExtraDisk(size=1, bus="ide"),) * 4), "x86_64", "too-many-disks"),
    ],
)
def test_what_a_board_cannot_do(machine: Machine, arch: Architecture, reason: str) -> None:
    disks = tuple(Path(f"/run/{index}") for index in range(len(machine.disks)))
    firmware = FirmwareFiles(code=Path("/code"), variables=Path("/variables"))
    with pytest.raises(UserError) as caught:
        argv(machine, arch=arch, host=Host(disks=disks, firmware=firmware))
    assert caught.value.reason == reason


SHUT = "restrict=on,ipv6=off"


def test_network_cards_and_forwards() -> None:
    machine = Machine(
        nics=(
            Nic(model="none"),
            Nic(forward={2222: 22}),
            Nic(model="e1000", mac="52:54:00:12:34:56", forward={8080: 80}),
        )
    )
    words = argv(machine, host=Host(forwards=(Forward(host=0, guest=80),)))
    assert values(words, "-netdev") == [
        f"user,id=net1,net=10.0.3.0/24,{SHUT},hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:0-:80",
        f"user,id=net2,net=10.0.4.0/24,{SHUT},hostfwd=tcp:127.0.0.1:8080-:80",
    ]
    reaching = argv(machine.model_copy(update={"network": "open"}))
    assert values(reaching, "-netdev")[1] == "user,id=net2,net=10.0.4.0/24,hostfwd=tcp:127.0.0.1:8080-:80"
    assert "virtio-net-pci,netdev=net1,romfile=" in values(words, "-device")
    assert "e1000,netdev=net2,mac=52:54:00:12:34:56,romfile=" in values(words, "-device")
    ours = argv(machine, host=Host(forwards=(Forward(host=0, guest=80),), declared=False))
    assert "2222" not in " ".join(ours)
    assert values(argv(Machine(nics=(Nic(model="none"),))), "-netdev") == []


def test_emulated_processors_of_a_pc_take_turns() -> None:
    assert values(argv(Machine()), "-accel") == ["tcg"]
    assert values(argv(Machine(cores=2)), "-accel") == ["tcg,thread=single"]
    assert values(argv(Machine(cores=2), host=Host(accelerator="kvm")), "-accel") == ["kvm"]


def test_buses_firmware_accelerator_and_lines() -> None:
    machine = Machine(
        bus="ahci",
        memory=1 << 30,
        cores=4,
        firmware="uefi",
        disks=(ExtraDisk(size=1), ExtraDisk(size=1, bus="ide")),
        extra_args=("-device", "edu"),
    )
    host = Host(
        accelerator="kvm",
        sockets=Sockets(console=7, monitor=8),
        disks=(Path("/run/a"), Path("/run/b")),
        firmware=FirmwareFiles(code=Path("/code"), variables=Path("/variables")),
        reboot=True,
    )
    words = argv(machine, host=host)
    assert values(words, "-drive") == [
        "if=pflash,unit=0,format=raw,readonly=on,file=/code",
        "if=pflash,unit=1,format=raw,file=/variables",
        "if=none,id=disk0,format=raw,file=/out/root,,1,snapshot=on",
        "if=none,id=disk1,format=raw,file=/run/a",
        "if=none,id=disk2,format=raw,file=/run/b",
    ]
    assert values(words, "-boot") == ["menu=on,splash-time=0"]
    devices = values(words, "-device")
    assert devices[1:5] == [
        "ich9-ahci,id=ahci",
        "ide-hd,bus=ahci.0,drive=disk0,bootindex=0",
        "virtio-blk-pci,drive=disk1",
        "ide-hd,bus=ide.0,unit=0,drive=disk2",
    ]
    assert values(words, "-cpu") == ["host"]
    assert values(words, "-m") == ["1048576K"]
    assert values(words, "-chardev") == ["socket,id=console,fd=7", "socket,id=monitor,fd=8"]
    assert "-no-reboot" not in words
    assert words[-2:] == ["-device", "edu"]
    assert argv()[-2:] == ["-serial", "mon:stdio"]


def superblock(compat: int, incompat: int) -> bytes:
    block = bytearray(2048)
    block[1080:1082] = b"\x53\xef"
    struct.pack_into("<II", block, 1024 + 92, compat, incompat)
    return bytes(block)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (superblock(0x38, 0x2), "ext2"),
        (superblock(0x3C, 0x2), "ext4"),
        (superblock(0x38, 0x42), "ext4"),
        (b"hsqs" + b"\0" * 2044, "squashfs"),
        (b"\0" * 2048, None),
        (b"", None),
    ],
)
def test_file_systems_by_their_first_bytes(head: bytes, expected: str | None) -> None:
    assert filesystem(head) == expected


def test_media(tmp_path: Path) -> None:
    kernel, plain, packed = tmp_path / "kernel", tmp_path / "plain", tmp_path / "packed"
    kernel.touch()
    plain.write_bytes(superblock(4, 0))
    packed.write_bytes(gzip.compress(superblock(0, 0)))

    def ext(file: Path, kernel: Path | None = kernel) -> BootImage:
        return BootImage(kind="ext", kernel=str(kernel) if kernel else None, file=str(file), name="hello")

    assert look(ext(plain)) == Media(filesystem="ext4", size=2048)
    assert look(ext(packed)) == Media(filesystem="ext2", ramdisk=True, size=2048)
    packed.write_bytes(packed.read_bytes()[:20])
    for broken, reason in (
        (ext(packed), "image-broken"),
        (ext(tmp_path / "none"), "image-missing"),
        (ext(plain, tmp_path / "none"), "kernel-missing"),
        (ext(plain, None), "kernel-missing"),
    ):
        with pytest.raises(UserError) as caught:
            look(broken)
        assert caught.value.reason == reason


def test_sectors_of_4096_bytes_are_told_by_the_table(tmp_path: Path) -> None:
    place = tmp_path / "disk.img"
    disk = BootImage(kind="disk", kernel=None, file=str(place), name="x")
    for sector in (512, 4096):
        place.write_bytes(bytes(sector) + b"EFI PART" + bytes(8192))
        assert look(disk).sector == sector
    words = argv(Machine(bus="virtio"), media=look(disk))
    assert "virtio-blk-pci,drive=disk0,logical_block_size=4096,physical_block_size=4096,bootindex=0" in words
    with pytest.raises(UserError) as caught:
        argv(media=look(disk))
    assert caught.value.reason == "unsupported-bus"


def test_firmware_follows_the_image_where_the_machine_does_not_say() -> None:
    disk = BootImage(kind="disk", kernel=None, file="/out/disk", name="x", firmware="uefi")
    assert firmware_of(Machine(), disk) == "uefi"
    assert firmware_of(Machine(firmware="bios"), disk) == "bios"
    assert firmware_of(Machine(), disk.model_copy(update={"firmware": "bios"})) == "bios"


def test_a_pc_with_uefi_has_its_disks_on_ahci_unless_ide_is_asked_for() -> None:
    host = Host(firmware=FirmwareFiles(code=Path("/code"), variables=Path("/variables")), disks=(Path("/run/a"),))
    more = (ExtraDisk(size=1 << 20),)
    words = argv(Machine(firmware="uefi", disks=more), host=host)
    assert values(words, "-machine") == ["q35,graphics=off"]
    assert values(words, "-device")[1:3] == [
        "ide-hd,bus=ide.0,drive=disk0,bootindex=0",
        "virtio-blk-pci,drive=disk1",
    ]
    assert values(argv(Machine(firmware="uefi", bus="ahci", disks=more), host=host), "-device") == values(
        words, "-device"
    )
    disc = argv(Machine(firmware="uefi", disks=more), "iso", host=host)
    assert "ide-cd,bus=ide.0,drive=disk0,bootindex=0" in disc
    disk = (ExtraDisk(size=1 << 20, bus="ide"),)
    for machine in (Machine(firmware="uefi", bus="ide", disks=more), Machine(firmware="uefi", disks=disk)):
        assert values(argv(machine, host=host), "-machine") == ["pc,graphics=off"]
    kernel = argv(Machine(firmware="uefi", disks=more), "initramfs", host=host)
    assert values(kernel, "-machine") == ["pc"]


def test_media_that_the_firmware_starts() -> None:
    host = Host(firmware=FirmwareFiles(code=Path("/code"), variables=Path("/variables")))
    disc = argv(Machine(), kind="iso")
    assert "if=none,id=disk0,format=raw,file=/out/root,,1,readonly=on" in values(disc, "-drive")
    assert "ide-cd,bus=ide.0,unit=0,drive=disk0,bootindex=0" in values(disc, "-device")
    assert values(disc, "-kernel") == []
    stick = argv(Machine(bus="virtio", firmware="uefi"), kind="iso", host=host)
    assert "virtio-blk-pci,drive=disk0,bootindex=0" in values(stick, "-device")
    uboot = Host(firmware=FirmwareFiles(code=Path("/uboot.elf"), variables=None))
    with pytest.raises(UserError) as caught:
        argv(Machine(firmware="uefi", memory=128 << 20), arch="riscv64", host=uboot)
    assert caught.value.reason == "not-enough-memory"
    other = argv(Machine(firmware="uefi"), arch="riscv64", host=uboot)
    assert values(other, "-kernel") == ["/uboot.elf"]
    assert values(argv(Machine(firmware="uefi"), kind="initramfs", host=uboot), "-kernel") == ["/out/bzImage"]
    program = argv(Machine(firmware="uefi"), kind="uki", host=host)
    assert "if=none,id=disk0,format=raw,file=fat:/out/root,,1,snapshot=on" in values(program, "-drive")
    assert values(program, "-append") == []


def test_connections_as_qemu_shows_them() -> None:
    text = (
        "Hub -1 (net0):\r\n"
        "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[ESTABLISHED]   21       127.0.0.1 40277       10.0.2.15    80     0     0\r\n"
        "  TCP[HOST_FORWARD]  12       127.0.0.1 40277       10.0.2.15    80     0     0\r\n"
        "  UDP[236 sec]       24       10.0.2.15    68        10.0.2.2    67     0     0\r\n"
    )
    place = Forward(host=40277, guest=80)
    assert parse_usernet(text) == (("ESTABLISHED", place), ("HOST_FORWARD", place))


def test_no_kvm_for_another_processor_and_no_proof_for_tcg(tmp_path: Path) -> None:
    other: Architecture = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
    proof = accel.prove(other, cache=tmp_path, env={})
    assert not proof.works
    assert other in proof.why
    assert accel.choose(Machine(accelerator="tcg"), "x86_64", cache=tmp_path) == "tcg"
    with pytest.raises(UserError) as caught:
        accel.choose(Machine(accelerator="kvm"), other, cache=tmp_path)
    assert caught.value.reason == "kvm-unusable"
    assert len(accel.boot_sector()) == 512


def test_the_cache_folder_is_the_users() -> None:
    assert accel.cache_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/rootstream")
    assert accel.cache_folder({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache/rootstream"


def test_a_capsule_has_its_root_inside() -> None:
    words = argv(kind="capsule", arch="riscv32")
    assert words[0] == "qemu-system-riscv32"
    assert values(words, "-kernel") == ["/out/bzImage"]
    assert values(words, "-append") == ["console=ttyS0"]
    assert values(words, "-initrd") == values(words, "-drive") == []


def test_powerpc_takes_a_ramdisk() -> None:
    machine = Machine(kernel_args="console=ttyS0,115200 root=/dev/ram rw")
    words = argv(machine, kind="ext", arch="powerpc", media=Media(filesystem="ext2", ramdisk=True, size=1 << 20))
    assert words[0] == "qemu-system-ppc"
    assert values(words, "-machine") == ["bamboo"]
    assert values(words, "-initrd") == ["/out/root,1"]
    expected = "console=ttyS0,115200 root=/dev/ram rw rootfstype=ext2 ramdisk_size=1024"
    assert values(words, "-append") == [expected]


def test_opensbi_is_given_where_qemu_has_none() -> None:
    words = argv(kind="capsule", arch="riscv32", host=Host(sbi=Path("/fw_dynamic.bin")))
    assert values(words, "-bios") == ["/fw_dynamic.bin"]
