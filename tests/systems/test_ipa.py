"""examples/ipa: the agent of Ironic on a Debian of its own, small enough for 512 MB."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.systems.conftest import Example, verified

MOST = 45_000_000  # bytes of the initramfs
TARGETS = ("ipa", "ipa@small")


@pytest.fixture(scope="module")
def ipa(example: Example) -> Path:
    return example("ipa", *TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_the_agent_answers_on_both_kinds_of_network_card(ipa: Path, target: str) -> None:
    verified(ipa, target)


def test_it_is_small(ipa: Path) -> None:
    sizes = {target: (ipa / "out" / target / "ipa.initramfs").stat().st_size for target in TARGETS}
    assert sizes["ipa"] <= MOST
    assert sizes["ipa@small"] < sizes["ipa"]


def test_what_was_dropped_is_told(ipa: Path) -> None:
    manifest = json.loads((ipa / "out/ipa/manifest.json").read_text())
    dropped = {each["pattern"]: each["size"] for each in manifest["dropped"]}
    assert dropped["/usr/lib/udev/hwdb.bin"] > 0
    assert dropped["/usr/share/man/*"] > 0


def test_nobody_has_a_password_and_no_key_is_in_it(ipa: Path) -> None:
    with subprocess.Popen(["zstd", "-dc", str(ipa / "out/ipa/ipa.initramfs")], stdout=subprocess.PIPE) as plain:
        argv = ["cpio", "-i", "--quiet", "--to-stdout", "etc/shadow"]
        shadow = subprocess.run(argv, stdin=plain.stdout, capture_output=True, text=True, check=True).stdout
    assert {line.split(":")[1] for line in shadow.splitlines()} <= {"*", "!", "!*"}


def test_the_lock_names_no_registry(ipa: Path) -> None:
    assert "://" not in (ipa / "system.lock").read_text()
