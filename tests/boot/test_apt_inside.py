"""apt in a booted Debian: it reads the sources that the description gives it, and installs from them."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_archive import Repository
from tests.conftest import Command

pytestmark = pytest.mark.boot

CHECKS = """\
    checks:
      - login: {user: admin}
      - command: sudo apt-get update && echo "updated"
        output: InRelease(.|\\n)*^updated
      - command: sudo apt-get install -y greeting && greeting
        output: ^hello from a package
      - command: dpkg --audit && dpkg-query -W greeting
        output: ^greeting\\s1
      - poweroff: sudo poweroff
"""
SUITES = ("trixie", "trixie-updates", "trixie-security")
HOST = "10.0.2.2"  # as QEMU's network for users calls it


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[Repository, int]]:
    root = tmp_path / "archive"
    root.mkdir()
    with tempfile.TemporaryDirectory(prefix="gnupg-") as home:  # its socket wants a short path
        made = Repository(root, home, SUITES)
        script = ("#!/bin/sh\necho hello from a package\n", 0o755)
        made.package("greeting", "1", {"./usr/bin/greeting": script}, suite="trixie-updates")
        made.publish()
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made, server.server_port
        server.shutdown()


def test_apt_in_the_image_installs_from_its_sources(
    archive: tuple[Repository, int], tmp_path: Path, run: Command
) -> None:
    made, port = archive
    run("init", "debian-server", "box", cwd=tmp_path, check=True)
    project = tmp_path / "box"
    keys = project / "overlay/usr/share/keyrings"
    keys.mkdir(parents=True)
    for ending in ("pgp", "gpg"):
        shutil.copy(made.keyring, keys / f"debian-archive-keyring.{ending}")
    path = project / "system.yaml"
    text = path.read_text()
    before, checks, _ = text.partition("    checks:\n")
    assert checks
    assert before.count("      debian:\n") == 1
    before = before.replace("      debian:\n", f'      debian:\n        apt: {{url: "http://{HOST}:{port}"}}\n')
    assert before.count("    machine:\n") == 1
    before = before.replace("    machine:\n", "    machine:\n      network: open\n")
    path.write_text(before + CHECKS)
    done = run("verify", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
