"""What the small systems of the boot tests are made of."""

from __future__ import annotations

import io

# The password of admin is "secret" (crypt, SHA-512)
PASSWD = (
    "root::0:0:root:/:/bin/sh\n"
    "admin:$6$abcdefgh$"
    "ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."
    ":1000:1000::/:/bin/sh\n"
)
BEGIN = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
"""
NETWORK = """
for module in /modules/*; do insmod $module; done
ifconfig lo up; ifconfig eth0 10.0.2.15 up
echo '<h1>It works</h1>' > /www/index.html; httpd -h /www
"""
LOGIN = """
hostname box
while :; do setsid getty -L 115200 ttyS0 vt100; done
"""


class Cpio:
    """A cpio archive in the form "newc" (Linux: Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._inode = 0

    def add(self, name: str, data: bytes, mode: int) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        self._write(b"070701" + b"".join(b"%08x" % field for field in fields) + encoded)
        self._write(data)

    def close(self) -> bytes:
        self.add("TRAILER!!!", b"", 0)
        return self._out.getvalue()

    def _write(self, data: bytes) -> None:
        self._out.write(data + b"\0" * (-(self._out.tell() + len(data)) % 4))
