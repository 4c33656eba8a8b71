"""How a BusyBox system ends: whatever runs is asked first, and its file systems are left clean."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Command

pytestmark = pytest.mark.boot

# `slow` needs longer than the second that init itself would give it; `deaf` has to be killed.
SYSTEM = r"""
systems:
  ends:
    root: busybox
    kernel: {fragments: [linux.config]}
    layers:
      - hostname: ends
      - root_login: {password: empty}
      - services:
          - {name: slow, command: "exec 3>/var/held; trap 'sleep 2; echo by itself >/var/ended; exit' TERM;
             echo up >/var/slow; while :; do sleep 0.1; done", restart: "no"}
          - {name: deaf, command: "trap '' TERM HUP; exec 3>/var/deaf; while :; do echo on >&3; sleep 0.1; done"}
    images: [kernel, ext: {type: ext4}]
"""
PATIENCE = 90  # seconds for a boot and an end, far more than either takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the console said, and the disk afterwards."""

    console: str
    disk: Path

    def state(self) -> str:
        """Return the state that the superblock tells; a journal that is left to be replayed counts, too."""
        told = _ask("dumpe2fs", "-h", str(self.disk))
        state = re.search(r"^Filesystem state: +(.+)$", told, re.MULTILINE)
        assert state is not None
        return "needs recovery" if "needs_recovery" in told else state[1]

    def text(self, path: str) -> str:
        """Return a file of the disk."""
        return _ask("debugfs", "-R", f"cat {path}", str(self.disk))


def _ask(name: str, *words: str) -> str:
    program = shutil.which(name) or f"/usr/sbin/{name}"
    if not Path(program).exists():
        pytest.skip(f"{name} (e2fsprogs) is not installed")
    return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def system(beside_hello: Callable[[str], Path], run: Command) -> Path:
    folder = beside_hello("ends")
    (folder / "system.yaml").write_text(SYSTEM)
    run("build", cwd=folder, check=True)
    return folder / "out" / "ends"


def end_by(command: str, system: Path, folder: Path) -> Ended:
    """Boot the system from a disk that is written, log in, and type the command at the shell.

    A machine that has halted is switched off here, as whoever sits at it would.
    """
    disk = folder / "disk"
    shutil.copy(system / "rootfs.ext4", disk)
    words = ["qemu-system-x86_64", "-M", "pc", "-m", "128M", "-nographic", "-no-reboot", "-nic", "none"]
    words += ["-drive", f"file={disk},format=raw", "-kernel", str(system / "bzImage")]
    words += ["-append", "console=ttyS0 root=/dev/sda rw init=/sbin/init loglevel=6"]
    answers = {"login: ": "root", "# ": command}
    console = ""
    with subprocess.Popen(
        ["timeout", str(PATIENCE), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as qemu:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        while letter := qemu.stdout.read(1):
            console += letter
            for prompt in [prompt for prompt in answers if console.endswith(prompt)]:
                qemu.stdin.write(answers.pop(prompt) + "\n")
                qemu.stdin.flush()
            if console.endswith("reboot: System halted"):
                qemu.terminate()
    assert qemu.returncode in (0, 124), console
    assert not answers, console
    return Ended(console=console, disk=disk)


# The shell holds a file, as an editor would; it has to be told by other means than SIGTERM.
STARTED = "until [ -s /var/slow ] && [ -s /var/deaf ]; do sleep 0.1; done"
SEATED = "exec 5>/root/held; trap 'echo so >/root/left; exit' HUP"


@pytest.mark.parametrize(
    ("command", "last"),
    [
        ("poweroff", "reboot: Power down"),
        ("reboot", "reboot: Restarting system"),
        ("busybox poweroff", "reboot: Power down"),  # past the word that is left for rcK: init ends it
        ("halt", "reboot: System halted"),
    ],
)
def test_services_end_by_themselves_and_the_disk_is_clean(
    command: str, last: str, system: Path, tmp_path: Path
) -> None:
    ended = end_by(f"{STARTED}; {SEATED}; {command}", system, tmp_path)
    assert last in ended.console
    assert ("Sent SIGKILL" in ended.console) == (command == "busybox poweroff")
    assert ended.state() == "clean"
    assert ended.text("/var/ended") == "by itself\n"
    assert ended.text("/root/left") == "so\n"


def test_at_once_means_without_anybody_being_asked(system: Path, tmp_path: Path) -> None:
    ended = end_by("poweroff -f", system, tmp_path)
    assert "reboot: Power down" in ended.console
    assert "goes down" not in ended.console
    assert ended.state() == "needs recovery"
