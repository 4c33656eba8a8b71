"""The command line of QEMU, the kernel's arguments, and what is told from files."""

from __future__ import annotations

import gzip
import os
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from rootstream.boot import accel
from rootstream.boot.boards import BOARDS
from rootstream.boot.cmdline import kernel_args
from rootstream.boot.firmware import Firmware, private, sbi, uefi
from rootstream.boot.kernelfile import kind_of, load_segments, prepared
from rootstream.boot.media import Media, filesystem, look
from rootstream.boot.monitor import parse_usernet
from rootstream.boot.qemu import Forward, Host, Sockets, command
from rootstream.errors import UserError
from rootstream.machine import BootFrom, BootImage, ExtraDisk, Machine, Nic, firmware_of
from rootstream.system import Architecture

PC = BOARDS["x86_64"]


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
    firmware = Firmware(code=Path("/code"), variables=Path("/variables"))
    with pytest.raises(UserError) as caught:
        argv(machine, arch=arch, host=Host(disks=disks, firmware=firmware))
    assert caught.value.reason == reason


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
        "user,id=net1,net=10.0.3.0/24,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:0-:80",
        "user,id=net2,net=10.0.4.0/24,hostfwd=tcp:127.0.0.1:8080-:80",
    ]
    assert "virtio-net-pci,netdev=net1,romfile=" in values(words, "-device")
    assert "e1000,netdev=net2,mac=52:54:00:12:34:56,romfile=" in values(words, "-device")
    ours = argv(machine, host=Host(forwards=(Forward(host=0, guest=80),), declared=False))
    assert "2222" not in " ".join(ours)
    assert values(argv(Machine(nics=(Nic(model="none"),))), "-netdev") == []


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
        firmware=Firmware(code=Path("/code"), variables=Path("/variables")),
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
    host = Host(firmware=Firmware(code=Path("/code"), variables=Path("/variables")), disks=(Path("/run/a"),))
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
    host = Host(firmware=Firmware(code=Path("/code"), variables=Path("/variables")))
    disc = argv(Machine(), kind="iso")
    assert "if=none,id=disk0,format=raw,file=/out/root,,1,readonly=on" in values(disc, "-drive")
    assert "ide-cd,bus=ide.0,unit=0,drive=disk0,bootindex=0" in values(disc, "-device")
    assert values(disc, "-kernel") == []
    stick = argv(Machine(bus="virtio", firmware="uefi"), kind="iso", host=host)
    assert "virtio-blk-pci,drive=disk0,bootindex=0" in values(stick, "-device")
    uboot = Host(firmware=Firmware(code=Path("/uboot.elf"), variables=None))
    with pytest.raises(UserError) as caught:
        argv(Machine(firmware="uefi", memory=128 << 20), arch="riscv64", host=uboot)
    assert caught.value.reason == "not-enough-memory"
    other = argv(Machine(firmware="uefi"), arch="riscv64", host=uboot)
    assert values(other, "-kernel") == ["/uboot.elf"]
    assert values(argv(Machine(firmware="uefi"), kind="initramfs", host=uboot), "-kernel") == ["/out/bzImage"]
    program = argv(Machine(firmware="uefi"), kind="uki", host=host)
    assert "if=none,id=disk0,format=raw,file=fat:/out/root,,1,snapshot=on" in values(program, "-drive")
    assert values(program, "-append") == []


def test_firmware_is_found_and_kept_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        uefi("x86_64", share=tmp_path)
    assert caught.value.reason == "firmware-missing"
    (tmp_path / "OVMF").mkdir()
    (tmp_path / "OVMF/OVMF_CODE_4M.fd").write_bytes(b"code")
    (tmp_path / "OVMF/OVMF_VARS_4M.fd").write_bytes(b"template")
    found = private(uefi("x86_64", share=tmp_path), tmp_path)
    assert found.code == tmp_path / "OVMF/OVMF_CODE_4M.fd"
    assert found.variables is not None
    assert found.variables.parent == tmp_path
    assert found.variables.read_bytes() == b"template"


def test_riscv_starts_uefi_by_uboot_where_it_is(tmp_path: Path) -> None:
    uboot = tmp_path / "lib/u-boot/qemu-riscv64_smode/uboot.elf"
    uboot.parent.mkdir(parents=True)
    uboot.write_bytes(b"ELF\0bootdelay\0bootcmd=run\0bootdelay=2\0baudrate=115200\0")
    found = uefi("riscv64", share=tmp_path / "share")
    assert (found.code, found.variables) == (uboot, None)
    waiting = private(found, tmp_path).code
    assert waiting.parent == tmp_path
    assert waiting.read_bytes() == b"ELF\0bootdelay\0bootcmd=run\0bootdelay=0\0baudrate=115200\0"
    assert b"bootdelay=2" in uboot.read_bytes()


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


def elf(*addresses: int, bits: int = 64, order: str = "<") -> bytes:
    """Return the headers of a kernel with a segment at each physical address, and one that is not loaded."""
    wide = bits == 64
    head, size = (64, 56) if wide else (52, 32)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)).ljust(12, b"\0")
    form = f"{order}HHI{'QQQ' if wide else 'III'}IHHHHHH"
    start = ident + struct.pack(form, 2, 0, 1, 0, head, 0, 0, head, size, len(addresses) + 1, 0, 0, 0)
    kinds = [(1, address) for address in addresses] + [(4, 0)]
    if wide:
        table = [struct.pack(f"{order}IIQQQQQQ", kind, 5, 0, 0xC0, address, 0, 0, 0) for kind, address in kinds]
    else:
        table = [struct.pack(f"{order}IIIIIIII", kind, 0, 0xC0, address, 0, 0, 5, 0) for kind, address in kinds]
    return start + b"".join(table)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0" * 0x202 + b"HdrS", "bzImage"),
        (b"MZ".ljust(56, b"\0") + b"RSC\x05", "Image"),
        (b"MZ".ljust(56, b"\0") + b"ARM\x64", "Image"),
        (b"\x27\x05\x19\x56", "uImage"),
        (elf(0), "vmlinux"),
        (b"\x1f\x8b", None),
        (b"", None),
    ],
)
def test_a_kernel_is_told_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


@pytest.mark.parametrize(("arch", "bits", "ram"), [("riscv64", 64, 0x80200000), ("riscv32", 32, 0x80400000)])
def test_a_vmlinux_at_address_0_is_moved_to_where_the_memory_is(
    tmp_path: Path, arch: Architecture, bits: int, ram: int
) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(elf(0, 0x1000, bits=bits) + b"code")
    run = tmp_path / "run"
    run.mkdir()
    place = prepared(kernel, arch, run)
    assert place.parent == run
    assert [address for _, address, _ in load_segments(place.read_bytes())] == [ram, ram + 0x1000]
    assert place.read_bytes().endswith(b"code")
    assert kernel.read_bytes() == elf(0, 0x1000, bits=bits) + b"code"
    assert prepared(place, arch, tmp_path) == place


def test_other_kernels_are_given_as_they_are(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(elf(0, bits=32, order=">"))
    assert prepared(kernel, "powerpc", tmp_path) == kernel
    assert load_segments(kernel.read_bytes()) == [(64, 0, ">I")]
    kernel.write_bytes(b"\x1f\x8b an Image, gzip'd")
    assert prepared(kernel, "aarch64", tmp_path) == kernel


@pytest.mark.parametrize(
    ("head", "arch", "reason"),
    [
        (b"\0" * 0x202 + b"HdrS", "riscv64", "kernel-not-startable"),
        (elf(0), "aarch64", "kernel-not-startable"),
        (b"\x27\x05\x19\x56", "x86_64", "kernel-not-startable"),
        (b"\x7fELF" + b"\x09" * 60, "riscv64", "image-broken"),
        (elf(0)[:70], "riscv64", "image-broken"),
        (b"\x7fELF", "riscv64", "image-broken"),
        (elf(*[0] * 300), "riscv64", "image-broken"),
    ],
)
def test_kernels_that_cannot_start(tmp_path: Path, head: bytes, arch: Architecture, reason: str) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(head)
    with pytest.raises(UserError) as caught:
        prepared(kernel, arch, tmp_path)
    assert caught.value.reason == reason


def test_a_capsule_has_its_root_inside(tmp_path: Path) -> None:
    words = argv(kind="capsule", arch="riscv32")
    assert words[0] == "qemu-system-riscv32"
    assert values(words, "-kernel") == ["/out/bzImage"]
    assert values(words, "-append") == ["console=ttyS0"]
    assert values(words, "-initrd") == values(words, "-drive") == []
    kernel = tmp_path / "supervisor"
    kernel.write_bytes(elf(0))
    assert look(BootImage(kind="capsule", kernel=str(kernel), file=str(kernel), name="x")).ramdisk is False


def test_powerpc_takes_a_ramdisk() -> None:
    machine = Machine(kernel_args="console=ttyS0,115200 root=/dev/ram rw")
    words = argv(machine, kind="ext", arch="powerpc", media=Media(filesystem="ext2", ramdisk=True, size=1 << 20))
    assert words[0] == "qemu-system-ppc"
    assert values(words, "-machine") == ["bamboo"]
    assert values(words, "-initrd") == ["/out/root,1"]
    expected = "console=ttyS0,115200 root=/dev/ram rw rootfstype=ext2 ramdisk_size=1024"
    assert values(words, "-append") == [expected]


def test_no_uefi_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        uefi("powerpc", share=tmp_path)
    assert caught.value.reason == "firmware-missing"


def test_opensbi_where_qemu_has_none(tmp_path: Path) -> None:
    packaged = tmp_path / "lib/riscv32-linux-gnu/opensbi/generic/fw_dynamic.bin"
    assert sbi("riscv32", usr=tmp_path) is None
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert sbi("riscv32", usr=tmp_path) == packaged
    assert sbi("riscv64", usr=tmp_path) is None
    assert values(argv(kind="capsule", arch="riscv32", host=Host(sbi=packaged)), "-bios") == [str(packaged)]
    own = tmp_path / "share/qemu/opensbi-riscv32-generic-fw_dynamic.bin"
    own.parent.mkdir(parents=True)
    own.touch()
    assert sbi("riscv32", usr=tmp_path) is None
