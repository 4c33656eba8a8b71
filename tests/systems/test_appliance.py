"""examples/appliance: a root in memory with software compiled into it, on three processors by one word."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import Example, verified

TARGETS = ("appliance", "appliance@riscv64", "appliance@x86_64")
HEADER = 64


@pytest.fixture(scope="module")
def appliance(example: Example) -> Path:
    return example("appliance", *TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_from_memory(appliance: Path, target: str) -> None:
    verified(appliance, target)


def test_the_uimages_are_what_u_boot_takes(appliance: Path) -> None:
    out = appliance / "out" / "appliance"
    ramdisk = (out / "uRamdisk").read_bytes()
    assert ramdisk[HEADER:] == (out / "rootfs.ext2.gz").read_bytes()
    kernel = (out / "uImage").read_bytes()
    assert int.from_bytes(kernel[24:28], "big") == zlib.crc32(kernel[HEADER:])
    assert len(gzip.decompress(kernel[HEADER:])) > 1 << 20
    if shutil.which("mkimage"):
        for name, said in (("uImage", "PowerPC Linux Kernel Image"), ("uRamdisk", "PowerPC Linux RAMDisk Image")):
            shown = subprocess.run(["mkimage", "-l", str(out / name)], capture_output=True, text=True, check=True)
            assert said in shown.stdout


def test_a_change_that_lasts_is_a_file_in_the_overlay(appliance: Path) -> None:
    (appliance / "overlay" / "etc" / "lasting").write_text("yes\n")
    text = (appliance / "system.yaml").read_text()
    text = text.replace(
        "      - command: status\n", "      - command: grep yes /etc/lasting\n      - command: status\n"
    )
    (appliance / "system.yaml").write_text(text)
    done = rootstream("build", "appliance", cwd=appliance, check=True)
    assert "linux-" not in done.stdout + done.stderr
    verified(appliance, "appliance")
