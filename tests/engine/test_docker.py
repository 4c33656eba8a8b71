"""A root from a container image: pushed to a registry (Debian's docker-registry), fetched by its digest."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Command

pytestmark = pytest.mark.engine

NAME = "tools/box"
SYSTEM = """\
systems:
  box:
    root: {elements: {project: mine, target: tree.bst}}
    layers: [{hostname: container}]
    images: [tar]
"""
PROJECT = """\
name: mine
min-version: 2.2
element-path: elements
plugins:
- origin: pip
  package-name: buildstream-plugins
  sources: [docker]
"""
ELEMENT = "kind: import\nsources:\n- kind: docker\n  registry-url: {url}\n  image: {name}\n  {pin}\n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return Debian's registry server; not installed, because its package starts a service on all interfaces."""
    if found := shutil.which("docker-registry"):
        return Path(found)
    folder = tmp_path_factory.mktemp("registry")
    for argv in (["apt-get", "download", "docker-registry"], ["sh", "-c", "dpkg-deb -x *.deb ."]):
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(
                f"docker-registry is neither installed nor to be had from apt: {done.stderr.strip()[-200:]}"
            )
    return folder / "usr" / "bin" / "docker-registry"


@pytest.fixture
def registry(server: Path, tmp_path: Path) -> Iterator[str]:
    """Run a registry on loopback; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    child = subprocess.Popen(
        [server, "serve", "config.yml"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/v2/", timeout=5).close()  # noqa: S310
                break
            time.sleep(0.1)
        yield url
    finally:
        child.kill()
        child.wait()


def layer(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Pack files (name: mode, content) the way layers of container images are packed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, (mode, content) in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(content)
            packed.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def send(method: str, url: str, data: bytes, kind: str) -> str | None:
    asked = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
        return answer.headers.get("Location")  # type: ignore[no-any-return]


def push(url: str, layers: list[bytes]) -> str:
    """Push an image; return the digest of its manifest without `sha256:`."""

    def blob(content: bytes) -> dict[str, str | int]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = send("POST", f"{url}/v2/{NAME}/blobs/uploads/", b"", "application/octet-stream")
        assert place
        send("PUT", f"{place}&digest={digest}", content, "application/octet-stream")
        return {"digest": digest, "size": len(content)}

    config = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(b"{}")}
    parts = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blob(data)} for data in layers]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": parts}).encode()
    send("PUT", f"{url}/v2/{NAME}/manifests/latest", manifest, MANIFEST)
    return hashlib.sha256(manifest).hexdigest()


def project(folder: Path, url: str, pin: str) -> None:
    (folder / "mine" / "elements").mkdir(parents=True, exist_ok=True)
    (folder / "mine" / "project.conf").write_text(PROJECT)
    (folder / "mine" / "elements" / "tree.bst").write_text(ELEMENT.format(url=url, name=NAME, pin=pin))
    (folder / "system.yaml").write_text(SYSTEM)


def test_layers_become_the_root(registry: str, tmp_path: Path, run: Command) -> None:
    lower = layer(
        {"sbin/init": (0o755, b"#!/bin/sh\n"), "etc/old": (0o644, b"old\n"), "etc/kept": (0o644, b"1\n")}
    )
    upper = layer({"etc/.wh.old": (0o644, b""), "etc/kept": (0o644, b"2\n")})
    folder = tmp_path / "project"
    digest = push(registry, [lower, upper])
    project(folder, registry, "track: latest")
    argv = [sys.executable, "-m", "buildstream", "source", "track", "tree.bst"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(argv, cwd=folder / "mine", env=environment, check=True, capture_output=True)
    assert digest in (folder / "mine" / "elements" / "tree.bst").read_text()
    run("build", cwd=folder, check=True)
    with tarfile.open(folder / "out" / "box" / "rootfs.tar") as root:
        members = {entry.name.removeprefix("./"): entry for entry in root}
        kept = root.extractfile(members["etc/kept"])
        assert kept
        assert kept.read() == b"2\n"
        assert members["sbin/init"].mode == 0o755
        assert "etc/old" not in members
        assert "etc/hostname" in members


def test_an_image_that_is_not_there(registry: str, tmp_path: Path, run: Command) -> None:
    folder = tmp_path / "project"
    project(folder, registry, "ref: " + "0" * 64)
    done = run("build", cwd=folder)
    assert done.returncode == 2
    assert "tree.bst" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out" / "box").exists()
