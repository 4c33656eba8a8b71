"""Builds of a real Buildroot through the product: what is made, what is built again, kills, builds side by side.

A system here is a program of the project on an empty root. It takes minutes: host tools are compiled.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.buildroot.conftest import Base

pytestmark = pytest.mark.buildroot

Command = Callable[..., "subprocess.CompletedProcess[str]"]
LONG = 1800.0
KILLS = 4

SYSTEM = """\
systems:
  small:
    root:
      buildroot:
        tree: {{local: "{tree}"}}
        defconfig: small_defconfig
        jobs: 2
    images: [tar]
    layers:
      - overlay: overlay
      - hostname: small
      - packages:
          - {{name: greet, source: greet, build: make}}
    variants:
      one: {{root: {{buildroot: {{fragments: [one.config]}}}}}}
      two: {{layers: [{{hostname: two}}, {{overlay: overlay}}]}}
"""
MAKEFILE = """\
greet: greet.c
\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<
install: greet
\tinstall -D -m 755 greet $(DESTDIR)/usr/bin/greet
.PHONY: install
"""
GREET = '#include <stdio.h>\nint main(void) {{ puts("{word}"); return 0; }}\n'

Entry = tuple[int, int, int, str, bytes]


def write(folder: Path, name: str, content: str) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)


def project(folder: Path, tree: Path, defconfig: str) -> Path:
    write(folder, "system.yaml", SYSTEM.format(tree=tree))
    write(folder, "small_defconfig", defconfig + "BR2_REPRODUCIBLE=y\n")
    write(folder, "one.config", 'BR2_TARGET_OPTIMIZATION="-O1"\n')
    write(folder, "overlay/etc/motd", "first\n")
    write(folder, "greet/Makefile", MAKEFILE)
    write(folder, "greet/greet.c", GREET.format(word="first"))
    return folder


def image(folder: Path, target: str = "small") -> dict[str, Entry]:
    """Return what is in the image: mode, owner, group, link and content by path."""
    found: dict[str, Entry] = {}
    with tarfile.open(folder / "out" / target / "rootfs.tar") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            content = file.read() if file else b""
            found[member.name] = (member.mode, member.uid, member.gid, member.linkname, content)
    return found


@pytest.fixture(scope="module")
def built(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose system `small` is built, with everything in its caches."""
    folder = project(tmp_path_factory.mktemp("built") / "small", base.tree, base.defconfig)
    done = subprocess.run(
        [sys.executable, "-m", "rootstream", "build", "small", "--plain"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rootfs.tar" in done.stdout
    return folder


@pytest.fixture
def work(built: Path) -> Path:
    """Return the built project as it was, and put its files back afterwards; the output folder goes on with it."""
    fresh = project(built.with_name("fresh"), Path("unused"), "")
    for name in ("overlay", "greet"):
        shutil.rmtree(built / name)
        shutil.copytree(fresh / name, built / name)
    return built


def test_what_the_description_says_is_in_the_image(built: Path) -> None:
    files = image(built)
    assert files["./etc/hostname"][4] == b"small\n"
    assert files["./etc/motd"][4] == b"first\n"
    mode, uid, gid, _, content = files["./usr/bin/greet"]
    assert (mode, uid, gid) == (0o755, 0, 0)
    assert content.startswith(b"\x7fELF")
    assert b"first" in content


def test_an_export_says_what_it_is_made_of(built: Path, run: Command) -> None:
    told = json.loads(run("sbom", "small", cwd=built).stdout)
    assert told == json.loads((built / "out/small/sbom.cdx.json").read_text())
    scopes = {each["name"]: each["scope"] for each in told["components"]}
    assert scopes.keys() >= {"greet", "overlay", "buildroot"}
    assert (scopes["greet"], scopes["buildroot"]) == ("required", "excluded")
    for path, name, line in (("/usr/bin/greet", "greet", 13), ("/etc/motd", "overlay", 10)):
        why = json.loads(run("why", "small", path, "--json", cwd=built).stdout)
        assert ([each["name"] for each in why["components"]], why["line"]) == ([name], line)


def test_a_shell_opens_where_a_package_of_the_project_is_built(built: Path, run: Command) -> None:
    said = run("shell", "small:greet", "--", "pwd", cwd=built).stdout.strip()
    assert said == str(built / ".rootstream/buildroot/small/output/build/greet-local")


def test_nothing_to_do_is_known_without_make(work: Path, run: Command) -> None:
    run("build", "small", cwd=work)
    logs = set((work / ".rootstream/buildroot/small/logs").iterdir())
    done = run("build", "small", "--plain", cwd=work)
    assert "nothing to do" in done.stderr
    assert set((work / ".rootstream/buildroot/small/logs").iterdir()) == logs


def test_a_change_of_source_or_overlay_reaches_the_image(work: Path, run: Command) -> None:
    write(work, "greet/greet.c", GREET.format(word="second"))
    write(work, "overlay/etc/motd", "second\n")
    told = run("build", "small", "--plain", "--dry-run", cwd=work)
    assert "greet" in told.stderr
    run("build", "small", cwd=work)
    files = image(work)
    assert b"second" in files["./usr/bin/greet"][4]
    assert files["./etc/motd"][4] == b"second\n"


def test_what_leaves_the_overlay_leaves_the_image(work: Path, run: Command) -> None:
    write(work, "overlay/etc/extra", "x")
    run("build", "small", cwd=work)
    assert "./etc/extra" in image(work)
    (work / "overlay/etc/extra").unlink()
    run("build", "small", cwd=work)
    assert "./etc/extra" not in image(work)


def test_a_package_that_goes_takes_its_files_along(work: Path, run: Command) -> None:
    description = (work / "system.yaml").read_text()
    lines = [line for line in description.splitlines() if "packages:" not in line and "greet" not in line]
    (work / "system.yaml").write_text("\n".join(lines) + "\n")
    try:
        run("build", "small", cwd=work)
        assert "./usr/bin/greet" not in image(work)
    finally:
        (work / "system.yaml").write_text(description)
    run("build", "small", cwd=work)
    assert "./usr/bin/greet" in image(work)


def test_a_kill_at_any_moment_leaves_what_the_next_build_makes_right(work: Path, run: Command) -> None:
    run("build", "small", cwd=work)
    expected = image(work)
    chance = random.Random(20261121)  # noqa: S311  (moments, no secrets)
    for number in range(KILLS):
        write(work, "greet/greet.c", GREET.format(word=f"killed {number}"))
        write(work, "overlay/etc/motd", f"killed {number}\n")
        process = subprocess.Popen(
            [sys.executable, "-m", "rootstream", "build", "small", "--plain"],
            cwd=work,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(0.2, 20))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = run("build", "small", cwd=work)
    assert "rootfs.tar" in done.stdout
    last = image(work)
    assert f"killed {KILLS - 1}".encode() in last["./usr/bin/greet"][4]
    assert last["./etc/motd"][4] == f"killed {KILLS - 1}\n".encode()
    write(work, "greet/greet.c", GREET.format(word="first"))
    write(work, "overlay/etc/motd", "first\n")
    run("build", "small", cwd=work)
    assert image(work) == expected


def test_variants_build_side_by_side(built: Path, tmp_path: Path) -> None:
    """Two variants, in two copies of the project that share the caches."""
    processes = []
    for target in ("small@one", "small@two"):
        folder = tmp_path / target.partition("@")[2]
        shutil.copytree(built, folder, ignore=shutil.ignore_patterns("out", ".rootstream"))
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "rootstream", "build", target, "--plain"],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said = [process.communicate(timeout=LONG)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    assert image(tmp_path / "two", "small@two")["./etc/hostname"][4] == b"two\n"
    assert "./usr/bin/greet" not in image(tmp_path / "two", "small@two")
    assert "./usr/bin/greet" in image(tmp_path / "one", "small@one")
