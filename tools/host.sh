#!/bin/sh
# Installs what Rootstream and its tests need of the host, where it is missing: with apt, as root.
# With the word `systems` also what the examples for other processors need.
set -eu

missing=""
need() { # PACKAGE COMMAND-OR-FILE...
	package=$1
	shift
	for thing; do
		case $thing in
		/*) [ -e "$thing" ] || missing="$missing $package" ;;
		*) command -v "$thing" >/dev/null 2>&1 || missing="$missing $package" ;;
		esac
	done
}

need bubblewrap bwrap
need fuse3 fusermount3
need apt apt-get
need qemu-system-x86 qemu-system-x86_64
need ovmf /usr/share/OVMF/OVMF_CODE_4M.fd
need dnsmasq-base dnsmasq
need ipxe /usr/lib/ipxe/undionly.kpxe
need ipxe-qemu /usr/lib/ipxe/qemu/pxe-virtio.rom
need seabios /usr/share/seabios/bios-256k.bin
need git git
need patch patch
need gpgv gpgv
# Only the tests make networks of their own, speak IPMI, and publish to another host.
need iproute2 ip
need rsync rsync
need ipmitool ipmitool
# Only the tests of the status page need a browser (100 MB to fetch; without one they are skipped).
command -v chromium >/dev/null 2>&1 || need chromium-headless-shell chromium-headless-shell
# Only the tests look into images with these.
need squashfs-tools unsquashfs
need squashfs-tools-ng rdsquashfs
need libarchive-tools bsdtar
need cpio cpio
need e2fsprogs /usr/sbin/debugfs
need fdisk /usr/sbin/sfdisk
need dosfstools /usr/sbin/mkfs.fat
need mtools mcopy
need syslinux syslinux
need xz-utils xz
# Only the tests run the Kconfig code of a kernel, and what stands beside fakeroot, outside of the sandbox.
need fakeroot fakeroot
need gcc gcc
need make make
need libc6-dev /usr/include/stdio.h
need flex flex
need bison bison
if [ "${1:-}" = systems ]; then
	# Machines of other processors, for tests/systems.
	need qemu-system-arm qemu-system-aarch64
	need qemu-system-misc qemu-system-riscv64 qemu-system-riscv32
	need qemu-system-ppc qemu-system-ppc
	need qemu-efi-aarch64 /usr/share/AAVMF/AAVMF_CODE.fd
	need u-boot-qemu /usr/lib/u-boot/qemu-riscv64_smode/uboot.elf
	need opensbi /usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin
	need u-boot-tools mkimage
	# A rescue key of a test.
	need openssh-client ssh ssh-keygen
fi
need ca-certificates /etc/ssl/certs/ca-certificates.crt
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
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of names
apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update
	apt-get install -y --no-install-recommends $missing
}
