"""Buildroot downloads with a network and builds without one: real makes on a little tree that needs both."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import little

LONG = 120.0  # seconds
SYSTEM = """\
systems:
  box:
    arch: x86_64
    root: {{buildroot: {{tree: {{local: {tree}}}, defconfig: box_defconfig{more}}}}}
    images: [files]
"""
GET = "python3 -c 'import urllib.request as u; print(u.urlopen(\"{url}\").read().decode())'"


@pytest.fixture
def url() -> Iterator[str]:
    """Yield the address of a server that answers everything with one word."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"content")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/one.git"
        server.shutdown()


def project(folder: Path, url: str, *, build: str = "", more: str = "") -> Path:
    """Return a project of a tree whose package comes by Git, without a hash."""
    place = "$(BR2_DL_DIR)/one/one-1-git4.tar.gz"
    source = f"@mkdir -p $(BR2_DL_DIR)/one && test -e {place} || {GET.format(url=url)} > {place}"
    build = build or f"@mkdir -p $(O)/target && cp {place} $(O)/images/from.txt"
    told = f'{{"source": "one-1-git4.tar.gz", "uris": ["git+{url}"]}}'
    little.tree(folder / "tree", source=source, build=build, downloads=told)
    (folder / "project").mkdir()
    (folder / "project/system.yaml").write_text(SYSTEM.format(tree=folder / "tree", more=more))
    (folder / "project/box_defconfig").write_text("BR2_ONE=y\n")
    return folder / "project"


def run(box: Path, *words: str, status: int = 0, cache: str = "cache", **more: str) -> str:
    env = {**os.environ, "ROOTSTREAM_BUILDROOT_CACHE": str(box.parent / cache), **more}
    argv = [sys.executable, "-m", "rootstream", *words]
    done = subprocess.run(argv, cwd=box, env=env, capture_output=True, text=True, timeout=LONG, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_only_buildroot_can_get_is_there_before_the_build(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url)
    run(box, "build")
    assert (box / "out/box/from.txt").read_text() == "content\n"
    logs = sorted(path for path in (box / ".rootstream/buildroot/box/logs").iterdir() if not path.is_symlink())
    assert "one-source" in (logs[-2] / "build.log").read_text()  # after the make that was asked, and ended
    assert "Building" in (logs[-1] / "build.log").read_text()


def test_make_by_hand_downloads_first(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url)
    run(box, "make", "one-rebuild")
    assert (tmp_path / "cache/dl/one/one-1-git4.tar.gz").read_text() == "content\n"


def test_make_source_has_a_network(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url)
    run(box, "make", "one-source")
    assert (tmp_path / "cache/dl/one/one-1-git4.tar.gz").read_text() == "content\n"


def test_a_folder_of_fetched_files_has_what_comes_by_git(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url)
    run(box, "fetch", "--to", str(tmp_path / "mirror"))
    assert (tmp_path / "mirror/buildroot/one/one-1-git4.tar.gz").read_text() == "content\n"
    (tmp_path / "offline").mkdir()
    other = project(tmp_path / "offline", "http://127.0.0.1:9/nobody.git")
    run(other, "build", cache="other", ROOTSTREAM_FETCHED=f"file://{tmp_path}/mirror")
    assert (other / "out/box/from.txt").read_text() == "content\n"


def test_who_downloads_while_building_fails_and_is_told(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url, build=f"@{GET.format(url=url)} > $(O)/images/got.txt")
    assert "network: build" in run(box, "build", status=2)


def test_a_build_may_be_given_a_network(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url, build=f"@{GET.format(url=url)} > $(O)/images/got.txt", more=", network: build")
    assert "warning" in run(box, "build")
    assert (box / "out/box/got.txt").read_text() == "content\n"


def test_what_a_killed_build_left_is_no_link_of_a_clone(tmp_path: Path, url: str) -> None:
    box = project(tmp_path, url)
    run(box, "build")
    os.mkfifo(box / ".rootstream/buildroot/box/state/gate")
    assert "nothing to do" in run(box, "build")
    (box / "box_defconfig").write_text("BR2_ONE=y\nBR2_TWO=y\n")
    run(box, "build")
