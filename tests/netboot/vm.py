"""Program: a machine that boots from the network, its console on standard input and output.

Started as `vm.py BRIDGE MAC [ARGUMENT-OF-QEMU...]`.
"""

from __future__ import annotations

import os
import sys

from rootstream.netboot.power.qemu import tap


def main(bridge: str, mac: str, *words: str) -> None:
    with tap(bridge) as handle:
        os.set_inheritable(handle, True)
        argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-m", "256"]
        argv += ["-machine", "pc,graphics=off", "-netdev", f"tap,id=net0,fd={handle}", "-serial", "stdio"]
        argv += ["-device", f"virtio-net-pci,netdev=net0,mac={mac},bootindex=1", *words]
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
