"""Beside fakeroot, what a process makes belongs to the user that it has become, however it makes it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.conftest import ROOT

pytestmark = pytest.mark.engine

MAIL = 8
AS_MAIL = {
    "redirected": "echo > redirected",
    "folder": "mkdir folder",
    "link": "ln -s nowhere link",
    "fifo": "mkfifo fifo",
    "copied": "cp /etc/hostname copied",
    "edited": "echo > edited; sed -i s/a/b/ edited",
    "installed": "install -m 600 /etc/hostname installed",
    "touched": "touch touched",
    "temporary": "mv $(mktemp -p .) temporary",
    "temporary-folder": "mv $(mktemp -d -p .) temporary-folder",
    "written": "dd if=/dev/zero of=written count=1 2>/dev/null",
    "unpacked": "mkdir -p in/unpacked; tar -cf tar -C in unpacked; rm -r in; tar -xf tar",
    "by-perl": "perl -e 'open(F, q(>), q(by-perl))'",
}
CHANGES = {
    "su": "su -s /bin/sh mail -c",
    "runuser": "runuser -u mail -- sh -c",
    "setpriv": "setpriv --reuid=8 --regid=8 --clear-groups sh -c",
    "start-stop-daemon": "start-stop-daemon -S -p none -c mail:mail -d $PWD -a /bin/sh -- -c",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("fakeroot") is None or shutil.which("gcc") is None:
        pytest.skip("fakeroot or gcc is not installed")
    folder = tmp_path_factory.mktemp("created")
    words = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Os", "-shared", "-fPIC", "-fno-stack-protector"]
    words += ["-U_FORTIFY_SOURCE", "-nostdlib", f'-DVARIABLES="{folder}/variables"']
    for name in ("created", "later"):
        source = ROOT / f"src/rootstream/sandbox/rootfs/{name}.c"
        subprocess.run([*words, "-o", folder / f"{name}.so", source], check=True)
    return folder / "created.so"


def owners(library: Path, folder: Path, script: str) -> dict[str, tuple[int, int, int]]:
    """Run a script as fakeroot's root; return mode, user and group of what is then in the folder."""
    (folder / "script").write_text(script)
    start = f'env | grep ^FAKEROOT >{library.parent}/variables; export LD_PRELOAD="{library} $LD_PRELOAD"'
    command = f"{start}; sh -e script >&2; rm script; find . -mindepth 1 -printf '%P %m %U %G\\n'"
    done = subprocess.run(
        ["fakeroot", "sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [line.split() for line in done.stdout.splitlines()]
    return {path: (int(mode, 8), int(user), int(group)) for path, mode, user, group in found}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_made_as_another_user(library: Path, tmp_path: Path, change: str) -> None:
    tmp_path.chmod(0o777)
    made = "\n".join(AS_MAIL.values())
    found = owners(library, tmp_path, f"{CHANGES[change]} {shlex.quote(made)}")
    for path in AS_MAIL:
        assert found[path][1:] == (MAIL, MAIL), path


def test_root_is_root_again(library: Path, tmp_path: Path) -> None:
    script = "perl -e '$) = q(8 8); $> = 8; mkdir q(one); $> = 0; $) = q(0 0); mkdir q(two)'; echo > three"
    found = owners(library, tmp_path, script)
    assert found["one"][1:] == (MAIL, MAIL)
    assert found["two"][1:] == found["three"][1:] == (0, 0)


def test_what_is_there_keeps_its_owner(library: Path, tmp_path: Path) -> None:
    script = "echo > there; chown 7:7 there; setpriv --reuid=8 --regid=8 --clear-groups sh -c 'echo >> there'"
    assert owners(library, tmp_path, script)["there"][1:] == (7, 7)


def test_a_folder_of_a_group_hands_it_down(library: Path, tmp_path: Path) -> None:
    script = "mkdir shared; chown 0:8 shared; chmod 2775 shared; mkdir shared/folder; echo > shared/folder/file"
    found = owners(library, tmp_path, script)
    assert found["shared/folder"] == (0o2755, 0, MAIL)
    assert found["shared/folder/file"] == (0o644, 0, MAIL)


WITH_GROUPS = {
    "perl": "perl -e '$) = q(8 8 7); $> = $< = 8; mkdir q(may) if -r q(secret)'",
    "setpriv": "setpriv --reuid=8 --regid=8 --groups=7 perl -e 'mkdir q(may) if -r q(secret)'",
    "none": "setpriv --reuid=8 --regid=8 --clear-groups perl -e 'mkdir q(may) if -r q(secret)'",
}


@pytest.mark.parametrize("change", WITH_GROUPS)
def test_a_program_has_the_groups_that_it_was_given(library: Path, tmp_path: Path, change: str) -> None:
    tmp_path.chmod(0o777)
    script = f"echo > secret; chown 0:7 secret; chmod 640 secret; {WITH_GROUPS[change]}"
    assert ("may" in owners(library, tmp_path, script)) == (change != "none")


CLOCKS = {
    "date": "date +%s",
    "sh": "bash -c \"printf '%(%s)T' -1\"",
    "perl": "perl -e 'print time'",
    "python": "python3 -c 'import time; print(int(time.time()))'",
}
WAITING = """
import threading, time
began, event = time.monotonic(), threading.Event()
event.wait(0.3)
print(0.25 < time.monotonic() - began < 60)
"""


@pytest.mark.parametrize("clock", CLOCKS)
def test_another_time_is_shown(library: Path, clock: str) -> None:
    shown = subprocess.run(
        ["sh", "-c", CLOCKS[clock]],
        env={**os.environ, "LD_PRELOAD": str(library.with_name("later.so"))},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert int(shown.stdout) - time.time() > 366 * 86400


def test_who_waits_is_not_kept_waiting(library: Path) -> None:
    env = {**os.environ, "LD_PRELOAD": str(library.with_name("later.so"))}
    done = subprocess.run(["python3", "-c", WAITING], env=env, stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout == b"True\n"
    subprocess.run(["sleep", "0.1"], env=env, timeout=60, check=True)
