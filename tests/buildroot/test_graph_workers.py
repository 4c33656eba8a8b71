"""Packages that other machines build one by one are what make gives here: casd as the engine, on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.buildroot import test_graph, test_rebuild
from tests.buildroot.conftest import Command

pytestmark = [
    pytest.mark.buildroot,
    pytest.mark.skipif(
        not shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"), reason="haproxy is not installed"
    ),
]
PACKAGES = {"library", "user", "other", "aloader", "host-bootenv"}


@pytest.fixture
def project(small_tree: Path, tmp_path: Path) -> Path:
    return test_graph.small_packages(tmp_path, small_tree)


def renew(project: Path) -> None:
    """Change what all packages are built of: no cache has them."""
    test_rebuild.append(project / "external" / "external.mk", f"# {uuid.uuid4()}\n")


@pytest.fixture
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve two workers and return their URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("workers")
    words = [
        "cache",
        "serve",
        str(folder / "store"),
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "2",
        "--insecure",
    ]
    argv = [sys.executable, "-m", "rootstream", *words]
    with subprocess.Popen(argv, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        assert "building 2 elements at once" in child.stderr.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            child.send_signal(signal.SIGTERM)


def built(project: Path, run: Command, env: dict[str, str]) -> set[str]:
    """Build with workers and return the packages that were built."""
    done = run("build", "--json", cwd=project, env=env)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [each for each in told if each["type"] == "notice" and "building here" in each["text"]]
    names = {each["element"] for each in told if each["type"] == "element-finished" and each["action"] == "build"}
    return {name.removeprefix("package-").removesuffix(".bst") for name in names if name.startswith("package-")}


def test_workers_give_what_make_gives(project: Path, workers: str, run: Command) -> None:
    for thin in ("false", "true"):
        renew(project)
        env = {"ROOTSTREAM_WORKERS_URL": workers, "ROOTSTREAM_WORKERS_THIN": thin}
        assert built(project, run, env) >= PACKAGES
        assert test_graph.exported(project) == test_graph.by_make(project, run)
        assert built(project, run, env) == set()


def test_what_is_pushed_afterwards_has_others_ask_and_build_nothing(
    project: Path, workers: str, tmp_path: Path, run: Command
) -> None:
    renew(project)
    run("build", cwd=project)
    test_rebuild.word(project, "user", "changed")  # compared alone: the others were before
    run("build", cwd=project)
    cache = {"ROOTSTREAM_CACHE_URL": workers}
    said = run("cache", "push", "box", cwd=project, env={**cache, "ROOTSTREAM_CACHE_PUSH": "true"}).stderr
    assert "pushed buildroot-info.bst" in said
    assert "pushed buildroot-proof.bst" in said
    clone = tmp_path / "clone"
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns("out", ".rootstream"))
    env = {**cache, "ROOTSTREAM_CACHE": str(tmp_path / "cache")}
    done = run("build", "--json", cwd=clone, env=env)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    finished = [(each["action"], each["element"]) for each in told if each["type"] == "element-finished"]
    expected = {f"buildroot-{name}.bst" for name in ("info", "proof", "images")}
    assert {name for action, name in finished if action == "pull"} == expected
    assert [name for action, name in finished if action == "build"] == []
    assert test_graph.exported(clone) == test_graph.exported(project)
