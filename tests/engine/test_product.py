"""The product as a user runs it, on examples/hello: builds, rebuilds, wrong input, faults."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from tests.conftest import Command

pytestmark = pytest.mark.engine

# A system without a kernel: musl and BusyBox come from the cache once examples/hello was built.
SMALL = """
systems:
  small:
    root: busybox
    layers: [{overlay: overlay}, {hostname: small}]
    images: [tar]
"""


@pytest.fixture
def small(hello: Path, built: Path) -> Path:
    assert built.exists()
    (hello / "system.yaml").write_text(SMALL)
    shutil.rmtree(hello / "overlay")
    (hello / "overlay" / "etc").mkdir(parents=True)
    (hello / "overlay" / "etc" / "motd").write_text("one\n")
    return hello


def sums(folder: Path) -> dict[str, str]:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_the_result_is_complete_and_described(built: Path) -> None:
    out = built / "out" / "hello"
    images = {"bzImage", "disk.img", "initramfs.cpio.zst"}
    assert set(sums(out)) == images | {"inventory.jsonl", "sbom.cdx.json"}
    for name, digest in sums(out).items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    manifest = json.loads((out / "manifest.json").read_text())
    assert [item["kind"] for item in manifest["files"]] == ["kernel", "disk", "initramfs"]
    assert all(len(item["key"]) == 64 for item in manifest["elements"])
    assert {item["source"]["kind"] for item in manifest["inputs"]} == {"debian_packages", "debian_source"}


def test_kernel_and_initramfs_are_small(built: Path) -> None:
    out = built / "out" / "hello"
    assert (out / "bzImage").stat().st_size + (out / "initramfs.cpio.zst").stat().st_size <= 4 << 20


def test_the_disk_is_sparse(built: Path) -> None:
    status = (built / "out" / "hello" / "disk.img").stat()
    assert status.st_blocks * 512 < status.st_size / 10


def test_nothing_to_do_starts_no_engine_and_touches_nothing(built: Path, run: Command) -> None:
    before = inodes(built / "out" / "hello")
    done = run("build", "hello", "--json", cwd=built, check=True)
    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert "plan" not in kinds
    assert "done" in kinds
    assert inodes(built / "out" / "hello") == before


def test_a_lock_gives_the_same_root_elsewhere(small: Path, run: Command, tmp_path: Path) -> None:
    """Compile it again: other folder, cold cache, other umask, time zone and locale; tests/systems has kernels."""
    elsewhere = Path(shutil.copytree(small, tmp_path / "elsewhere"))
    previous = os.umask(0o077)
    try:
        environment = {"ROOTSTREAM_CACHE": str(tmp_path / "cache"), "TZ": "Asia/Tokyo", "LANG": "C", "LC_ALL": "C"}
        run("build", cwd=elsewhere, env=environment, check=True)
    finally:
        os.umask(previous)
    run("build", cwd=small, check=True)
    assert sums(elsewhere / "out" / "small") == sums(small / "out" / "small")
    shutil.rmtree(tmp_path / "cache")


def test_a_changed_overlay_rebuilds_the_root_and_its_images_only(small: Path, run: Command) -> None:
    run("build", cwd=small, check=True)
    first = sums(small / "out" / "small")
    # Words that no run before this one has built: the cache may be an old one.
    (small / "overlay" / "etc" / "motd").write_text(f"{secrets.token_hex()}\n")
    done = run("build", "--json", cwd=small, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    made = {event["element"].split("-")[0] for event in told if event["type"] == "element-finished"}
    assert made == {"root", "inventory", "image", "system"}
    assert sums(small / "out" / "small") != first
    (small / "overlay" / "etc" / "motd").write_text("one\n")
    run("build", cwd=small, check=True)
    assert sums(small / "out" / "small") == first


def test_a_variant_that_is_only_booted_otherwise_builds_nothing(small: Path, run: Command) -> None:
    variants = "    variants: {debug: {machine: {kernel_args: debug}}}\n"
    (small / "system.yaml").write_text(SMALL + variants)
    run("build", "small", cwd=small, check=True)
    before = inodes(small / "out" / "small")
    done = run("build", "small@debug", "--json", cwd=small, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event for event in told if event["type"] == "element-finished"] == []
    assert [event["to_build"] for event in told if event["type"] == "plan"] == [0]
    assert inodes(small / "out" / "small") == before
    debug = sums(small / "out" / "small@debug")
    bill = debug.pop("sbom.cdx.json")  # it names the system
    assert debug.items() < sums(small / "out" / "small").items()
    assert bill != sums(small / "out" / "small")["sbom.cdx.json"]
    (small / "system.yaml").write_text(SMALL + "    machine: {memory: 64M}\n")
    done = run("build", "small", "--json", cwd=small, check=True)
    assert "plan" not in [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert inodes(small / "out" / "small") == before


def test_a_dropped_kernel_symbol_is_an_error_with_its_place(hello: Path, run: Command) -> None:
    with (hello / "linux.config").open("a") as file:
        file.write("CONFIG_USB_STORAGE=y\nCONFIG_NO_SUCH_THING=y\n")
    line = len((hello / "linux.config").read_text().splitlines()) - 1
    done = run("build", "hello", cwd=hello)
    assert done.returncode == 2
    assert f"linux.config:{line}: CONFIG_USB_STORAGE=y" in done.stderr
    assert f"linux.config:{line + 1}: CONFIG_NO_SUCH_THING=y" in done.stderr
    assert re.search(r"depends on|unmet", done.stderr)
    assert not (hello / "out").exists() or not any((hello / "out").iterdir())


def test_a_dropped_symbol_may_be_optional(hello: Path, run: Command) -> None:
    """The check itself passes then; the kernel need not be compiled to see that."""
    with (hello / "linux.config").open("a") as file:
        file.write("CONFIG_USB_STORAGE=y\nCONFIG_NO_SUCH_THING=y\n")
    text = (hello / "system.yaml").read_text()
    optional = "fragments: [linux.config]\n      optional: [CONFIG_USB_STORAGE]"
    (hello / "system.yaml").write_text(text.replace("fragments: [linux.config]", optional))
    done = run("build", "hello", cwd=hello)
    assert done.returncode == 2
    assert "error: CONFIG_USB_STORAGE" not in done.stderr
    assert "CONFIG_NO_SUCH_THING" in done.stderr


def test_typos_are_told_all_at_once(small: Path, run: Command) -> None:
    (small / "system.yaml").write_text(
        SMALL.replace("hostname", "hostnam").replace("images: [tar]", "images: [tarr]")
    )
    done = run("build", cwd=small)
    assert done.returncode == 2
    assert "system.yaml:5" in done.stderr
    assert "system.yaml:6" in done.stderr
    assert "hostname" in done.stderr


def test_a_lock_that_must_do_and_does_not_fit_is_named(small: Path, run: Command) -> None:
    (small / "system.yaml").write_text("debian: {packages: [busybox-static]}\n" + SMALL)
    before = (small / "system.lock").read_text()
    done = run("build", "--locked", cwd=small)
    assert done.returncode == 2
    assert "rootstream update" in done.stderr
    assert (small / "system.lock").read_text() == before


def test_a_broken_lock_is_named(small: Path, run: Command) -> None:
    (small / "system.lock").write_text('{"version": 1,')
    done = run("build", cwd=small)
    assert done.returncode == 2
    assert "system.lock:1" in done.stderr


def test_other_bytes_than_the_lock_says_are_refused(small: Path, run: Command) -> None:
    lock = small / "system.lock"
    text = lock.read_text()
    entry = re.search(
        r'"path": "[^"]*/musl_[^"]*\.orig\.tar\.[a-z0-9]+", "size": \d+, "sha256": "([0-9a-f]{64})"', text
    )
    assert entry
    lock.write_text(text.replace(entry[1], "0" * 64))
    done = run("build", cwd=small)
    assert done.returncode == 2
    assert "musl" in done.stderr
    assert not (small / "out" / "small").exists()


def test_unknown_systems_and_elements_get_the_nearest_name(small: Path, run: Command) -> None:
    done = run("build", "smal", cwd=small)
    assert (done.returncode, "small" in done.stderr) == (2, True)
    done = run("log", "busybux", cwd=small)
    assert (done.returncode, "busybox" in done.stderr) == (2, True)


def test_show_log_and_shell(small: Path, run: Command) -> None:
    run("build", cwd=small, check=True)
    shown = json.loads(run("show", "--json", cwd=small, check=True).stdout)
    states = {item["name"].split("-")[0]: item["state"] for item in shown["systems"]["small"]["elements"]}
    assert states["root"] == "cached"
    assert "sandbox.rootfs.assemble assemble" in run("log", "root-small", cwd=small, check=True).stdout
    done = run("shell", "base", "--", "gcc", "--version", cwd=small, check=True)
    assert "gcc" in done.stdout


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rootstream", *words, "--plain"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(child: subprocess.Popen[str], word: str) -> None:
    assert child.stderr
    for line in child.stderr:
        if word in line:
            return
    pytest.fail(f"{word!r} was never printed")


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_stopped_goes_on_next_time(small: Path, run: Command, blow: signal.Signals) -> None:
    # A comment of its own gives this test a root of its own to build.
    (small / "overlay" / "etc" / "motd").write_text(f"{blow.name} {time.time_ns()}\n")
    child = start(small, "build")
    wait_for(child, "build root-small")
    os.kill(child.pid, blow)
    child.communicate(timeout=120)
    assert child.returncode == (130 if blow == signal.SIGINT else -9)
    assert not (small / "out" / "small").exists()
    run("build", cwd=small, check=True)
    assert set(sums(small / "out" / "small")) == {"rootfs.tar", "inventory.jsonl", "sbom.cdx.json"}


def test_two_builds_at_once_both_end_well(small: Path) -> None:
    (small / "overlay" / "etc" / "motd").write_text(f"two at once {time.time_ns()}\n")
    children = [start(small, "build"), start(small, "build")]
    told = [child.communicate(timeout=300) for child in children]
    assert [child.returncode for child in children] == [0, 0], told
    assert any("waiting" in stderr for _, stderr in told)


def test_a_full_disk_leaves_the_old_result(small: Path, run: Command) -> None:
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    run("build", cwd=small, check=True)
    before = sums(small / "out" / "small")
    held = small / "held"
    (small / "out").rename(held)
    (small / "out").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small / "out")], check=True)
    try:
        shutil.copytree(held / "small", small / "out" / "small")
        (small / "overlay" / "big").write_bytes(os.urandom(6 << 20))
        done = run("build", cwd=small)
        assert done.returncode == 2
        assert "space" in done.stderr
        assert sums(small / "out" / "small") == before
        assert [path.name for path in (small / "out").iterdir()] == ["small"]
    finally:
        subprocess.run(["umount", str(small / "out")], check=True)
    (small / "overlay" / "big").unlink()
    run("build", cwd=small, check=True)


PROJECT = "name: mine\nmin-version: 2.2\nelement-path: elements\n"


def test_a_root_of_the_users_own_elements(small: Path, run: Command) -> None:
    (small / "mine" / "elements").mkdir(parents=True)
    (small / "mine" / "files" / "sbin").mkdir(parents=True)
    (small / "mine" / "files" / "sbin" / "init").write_text("#!/bin/sh\n")
    (small / "mine" / "files" / "sbin" / "init").chmod(0o755)
    (small / "mine" / "files" / "note").write_text("text\n")
    (small / "mine" / "project.conf").write_text(PROJECT)
    element = "kind: import\nsources:\n- kind: local\n  path: files\n"
    (small / "mine" / "elements" / "tree.bst").write_text(element)
    root = "root: {elements: {project: mine, target: tree.bst}}"
    (small / "system.yaml").write_text(SMALL.replace("root: busybox", root))
    run("build", cwd=small, check=True)
    with tarfile.open(small / "out" / "small" / "rootfs.tar") as packed:
        modes = {member.name.removeprefix("./"): member.mode for member in packed}
    assert (modes["sbin/init"], modes["note"]) == (0o755, 0o644)
    assert "etc/hostname" in modes
    (small / "mine" / "files" / "note").chmod(0o755)
    run("build", cwd=small, check=True)
    with tarfile.open(small / "out" / "small" / "rootfs.tar") as packed:
        assert next(member.mode for member in packed if member.name.endswith("note")) == 0o755
    # An element that fails: the end of its log, and how to look inside.
    failing = "kind: manual\nconfig:\n  build-commands:\n  - echo it went wrong; false\n"
    (small / "mine" / "elements" / "tree.bst").write_text(failing)
    done = run("build", cwd=small)
    assert done.returncode == 2
    assert "rootstream shell" in done.stderr
    assert sums(small / "out" / "small")


def test_clean_deletes_what_is_derived_only(small: Path, run: Command) -> None:
    run("build", cwd=small, check=True)
    run("clean", "--out", "--yes", cwd=small, check=True)
    assert sorted(path.name for path in small.iterdir()) == [
        "README.md",
        "linux.config",
        "overlay",
        "system.lock",
        "system.yaml",
    ]


def test_init_makes_a_project_that_loads(tmp_path: Path, run: Command) -> None:
    run("init", "x86-disk", "box", cwd=tmp_path, check=True)
    assert os.access(tmp_path / "box" / "overlay" / "usr" / "bin" / "hello", os.X_OK)
    assert run("init", "x86-disk", "box", cwd=tmp_path).returncode == 2
    done = run("init", "x86-disc", "other", cwd=tmp_path)
    assert (done.returncode, "x86-disk" in done.stderr) == (2, True)
    assert not (tmp_path / "other").exists()
