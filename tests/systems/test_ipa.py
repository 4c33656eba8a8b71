"""examples/ipa: the agent of Ironic on a Debian of its own, small enough for 512 MB."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import rootstream
from tests.systems.conftest import Example, verified

PATIENCE = 300  # seconds for an emulated machine to come up
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
    """In neither of the archives that the initramfs is made of."""
    script = "zstd -dc out/ipa/ipa.initramfs | for each in 1 2; do cpio -i --quiet --to-stdout etc/shadow; done"
    shadow = subprocess.run(["sh", "-c", script], cwd=ipa, capture_output=True, text=True, check=True).stdout
    assert shadow.count("root:") >= 1
    assert {line.split(":")[1] for line in shadow.splitlines()} <= {"*", "!", "!*"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def ssh(folder: Path, port: int, *words: str) -> subprocess.CompletedProcess[str]:
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=20"]
    argv = ["ssh", "-i", str(folder / "keys/me"), "-p", str(port), *(f"-o{option}" for option in options)]
    return subprocess.run([*argv, *words], capture_output=True, text=True, check=False)


def test_a_rescue_key_opens_it_and_nothing_else(example: Example) -> None:
    folder = example("ipa", *TARGETS)
    (folder / "keys").mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "keys/me")], check=True)
    path, port = folder / "system.yaml", free_port()
    text = path.read_text().replace(
        "- root_login: {password: locked}", "- root_login: {authorized_keys: [keys/me.pub]}", 1
    )
    text = text.replace("nics: [{model: virtio},", f"nics: [{{model: virtio, forward: {{{port}: 22}}}},", 1)
    path.write_text(text)
    rootstream("build", "ipa@small", cwd=folder, check=True)
    argv = [sys.executable, "-m", "rootstream", "run", "ipa@small"]
    with subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as machine:
        try:
            deadline = time.monotonic() + PATIENCE
            while (done := ssh(folder, port, "root@127.0.0.1", "id -u; hostname")).returncode != 0:
                assert time.monotonic() < deadline, done.stderr
                time.sleep(2)
            assert done.stdout == "0\nipa\n"
            (folder / "keys/me").unlink()
            refused = ssh(folder, port, "root@127.0.0.1", "true")
            assert refused.returncode != 0
            assert "Permission denied (publickey)" in refused.stderr
        finally:
            machine.terminate()


def test_the_lock_names_no_registry(ipa: Path) -> None:
    assert "://" not in (ipa / "system.lock").read_text()
