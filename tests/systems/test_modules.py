"""A kernel with modules: installed with their index, loaded by name in the booted system, and gone again."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import rootstream
from tests.systems.conftest import verified

SYSTEM = """\
systems:
  box:
    root: busybox
    kernel: {fragments: [modules.config], modules: true}
    layers: [{root_login: {password: empty}}]
    images: [kernel, initramfs]
    checks:
      - login: {user: root}
      - command: modprobe dummy && lsmod
        output: ^dummy
      - command: ip link add dev dummy7 type dummy && ip link show dummy7
        output: dummy7
      - command: ip link del dev dummy7 && rmmod dummy && lsmod | grep -c dummy
        exit: 1
      - command: test -s /lib/modules/$(uname -r)/modules.dep
"""


def test_modules_are_loaded_by_name(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text(SYSTEM)
    (tmp_path / "modules.config").write_text("CONFIG_MODULES=y\nCONFIG_MODULE_UNLOAD=y\nCONFIG_DUMMY=m\n")
    rootstream("build", cwd=tmp_path, check=True)
    verified(tmp_path, "box")
