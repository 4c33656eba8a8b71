#!/bin/sh
# Installs what Rootstream needs of the host, where it is missing: with apt, as root.
#   host.sh demo       what building, booting and checking need
#   host.sh test       also what only the tests need
#   host.sh systems    also what the examples for other processors need
set -eu

sets="demo"
case "${1:-test}" in
demo) ;;
test) sets="demo test" ;;
systems) sets="demo test systems" ;;
*) echo "usage: host.sh [demo | test | systems]" >&2 && exit 2 ;;
esac

missing=""
need() { # SET PACKAGE COMMAND-OR-FILE...
	case " $sets " in
	*" $1 "*) ;;
	*) return 0 ;;
	esac
	package=$2
	shift 2
	for thing; do
		case $thing in
		/*) [ -e "$thing" ] || missing="$missing $package" ;;
		*) command -v "$thing" >/dev/null 2>&1 || missing="$missing $package" ;;
		esac
	done
}

need demo bubblewrap bwrap
need demo fuse3 fusermount3
need demo apt apt-get
need demo qemu-system-x86 qemu-system-x86_64
need demo seabios /usr/share/seabios/bios-256k.bin
need demo git git
need demo patch patch
need demo gpgv gpgv
need demo ca-certificates /etc/ssl/certs/ca-certificates.crt
# Disks for UEFI.
need test ovmf /usr/share/OVMF/OVMF_CODE_4M.fd
# Machines that boot over the network.
need test dnsmasq-base dnsmasq
need test ipxe /usr/lib/ipxe/undionly.kpxe
need test ipxe-qemu /usr/lib/ipxe/qemu/pxe-virtio.rom
# The tests make networks of their own, speak IPMI, and publish to another host.
need test iproute2 ip
need test rsync rsync
# A team's cache is served through it.
[ -x /usr/sbin/haproxy ] || need test haproxy haproxy
# And one whose clock is a day off.
need test faketime faketime
need test ipmitool ipmitool
# The tests of the status page need a browser (100 MB to fetch; without one they are skipped).
command -v chromium >/dev/null 2>&1 || need test chromium-headless-shell chromium-headless-shell
# They look into images with these.
need test squashfs-tools unsquashfs
need test squashfs-tools-ng rdsquashfs
need test libarchive-tools bsdtar
need test cpio cpio
need test qemu-utils qemu-img
need test kmod depmod
need test u-boot-tools mkimage
need test e2fsprogs /usr/sbin/debugfs
need test fdisk /usr/sbin/sfdisk
need test dosfstools /usr/sbin/mkfs.fat
need test mtools mcopy
need test syslinux syslinux
need test syslinux-common /usr/lib/syslinux/mbr/mbr.bin
# Servers that machines of tests talk to, or whose configuration is read.
need test openssh-server /usr/sbin/sshd
need test isc-dhcp-server /usr/sbin/dhcpd
need test xz-utils xz
# They run the Kconfig code of a kernel, and what stands beside fakeroot, outside of the sandbox.
need test fakeroot fakeroot
need test gcc gcc
need test make make
need test libc6-dev /usr/include/stdio.h
need test flex flex
need test bison bison
# What a Debian root is compared with.
need systems mmdebstrap mmdebstrap
# Machines of other processors, for tests/systems.
need systems qemu-system-arm qemu-system-aarch64 qemu-system-arm
need systems qemu-system-misc qemu-system-riscv64 qemu-system-riscv32
need systems qemu-system-ppc qemu-system-ppc
need systems qemu-efi-aarch64 /usr/share/AAVMF/AAVMF_CODE.fd
need systems u-boot-qemu /usr/lib/u-boot/qemu-riscv64_smode/uboot.elf /usr/lib/u-boot/qemu_arm/uboot.elf
need systems opensbi /usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin
# A rescue key of a test.
need systems openssh-client ssh ssh-keygen
if [ "${PYTHON:-python3}" = python3 ]; then
	python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3 python3-venv"
fi

[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "missing on this host:$missing" >&2
	echo "install it, for example: sudo apt-get install$missing" >&2
	exit 2
fi
echo "installing:$missing" >&2
log=$(mktemp "${TMPDIR:-/tmp}/rootstream-host.XXXXXX")
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of names
install() { apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; }
install || { apt-get update >>"$log" 2>&1 && install; } || {
	tail -n 5 "$log" >&2
	echo "apt failed; all of it is in $log" >&2
	exit 2
}
rm -f "$log"
