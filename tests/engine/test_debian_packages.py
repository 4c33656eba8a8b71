"""The Debian sources on the real archive, by the host's apt configuration; skipped where it cannot be reached."""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_archive import Bst, refs

from rootstream.fetch import mirrors
from rootstream.fetch.transport import Transport
from rootstream.formats.faults import Fault
from rootstream_bst.debian import apt

pytestmark = pytest.mark.engine

NOBODY = 65534
START = "import buildstream, subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
SHELL = "base-files, bash, coreutils, dash, gcc, libc6-dev, base-passwd, mawk, debianutils"
COMPILE = """\
kind: manual
build-depends:
- BASE
config:
  build-commands:
  - |
    printf '#include <stdio.h>\\nint main(void) { puts("built"); return 0; }\\n' > main.c
    cc -o main main.c
    ./main > said
    which awk >> said
    id -un >> said
  install-commands:
  - install -D said "%{install-root}/said"
"""


@pytest.fixture(scope="module", autouse=True)
def _archive() -> None:
    """Skip unless the host knows a mirror that answers and a keyring to check it with."""
    try:
        apt.keyring("")
        known = mirrors.find([])
        with Transport(stall=20) as web:
            reached = [mirror for mirror in known if web.exists(f"{mirror.url}/dists/trixie/InRelease")]
    except Fault as fault:
        pytest.skip(f"no Debian archive: {fault.message}")
    if not reached:
        pytest.skip("no mirror of the host's apt configuration can be reached")


@pytest.fixture(scope="module")
def bst(tmp_path_factory: pytest.TempPathFactory) -> Bst:
    return Bst(tmp_path_factory.mktemp("online") / "project")


def packages(suites: str, names: str, arch: str = "amd64") -> str:
    return f"kind: debian_packages\nsuites: [{suites}]\narchitecture: {arch}\npackages: [{names}]"


def test_small_set(bst: Bst) -> None:
    element = bst.element(
        "small.bst", packages("trixie, trixie-updates, trixie-security", "hello, busybox-static")
    )
    bst.run("source", "track", "small.bst")
    assert {"busybox-static", "hello", "libc6"} <= set(refs(element))
    assert refs(element) == sorted(refs(element))
    out = bst.checkout("small.bst")
    assert (out / "usr/bin/busybox").read_bytes()[:4] == b"\x7fELF"
    assert (out / "usr/share/doc/hello/copyright").is_file()


@pytest.mark.parametrize(("arch", "machine"), [("arm64", 183), ("riscv64", 243), ("amd64", 62)])
def test_architectures(bst: Bst, arch: str, machine: int) -> None:
    """The machine is e_machine of ELF (gABI, chapter 4)."""
    name = f"{arch}.bst"
    bst.element(name, packages("trixie", "busybox-static", arch))
    bst.run("source", "track", name)
    header = (bst.checkout(name) / "usr/bin/busybox").read_bytes()[:20]
    assert int.from_bytes(header[18:20], "little") == machine


@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_base_builds_a_program(bst: Bst, suite: str) -> None:
    """Also where no package owns the links of the merged layout (bookworm)."""
    base = f"{suite}.bst"
    bst.element(base, packages(suite, SHELL))
    (bst.path / f"elements/program-{base}").write_text(COMPILE.replace("BASE", base))
    bst.run("source", "track", base)
    out = bst.checkout(base)
    assert {name: str((out / name).readlink()) for name in ("bin", "sbin", "lib", "lib64")} == {
        "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"
    }  # fmt: skip
    assert (out / "usr/bin/bash").is_file()
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or shutil.which("bwrap") is None:
        pytest.skip("no sandbox on this host")
    said = (bst.checkout(f"program-{base}") / "said").read_text().split()
    assert said == ["built", "/usr/bin/awk", "root"]


def test_unknown_package(bst: Bst) -> None:
    bst.element("none.bst", packages("trixie", "busybox-statik"))
    assert "busybox-static" in bst.fails("source", "track", "none.bst")


def test_virtual_package(bst: Bst) -> None:
    bst.element("none.bst", packages("trixie", "mail-transport-agent"))
    assert "mail-transport-agent: a virtual package" in bst.fails("source", "track", "none.bst")


def test_wrong_hash(bst: Bst) -> None:
    element = bst.element("wrong.bst", packages("trixie", "musl"))
    bst.run("source", "track", "wrong.bst")
    element.write_text(re.sub(r"sha256: .{4}", "sha256: 0000", element.read_text()))
    assert "has other content" in bst.fails("source", "fetch", "wrong.bst")


def differences(comparison: filecmp.dircmp[str]) -> Iterator[str]:
    yield from comparison.left_only
    yield from comparison.right_only
    _, mismatch, errors = filecmp.cmpfiles(
        comparison.left, comparison.right, comparison.common_files, shallow=False
    )
    yield from mismatch
    yield from (name for name in errors if not Path(comparison.left, name).is_symlink())
    for below in comparison.subdirs.values():
        yield from differences(below)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.mark.skipif(shutil.which("dpkg-source") is None, reason="dpkg-source is not installed")
def test_source_is_what_dpkg_source_makes(bst: Bst) -> None:
    """The patched tree, for a package with patches; `.pc` is quilt's own book-keeping."""
    element = bst.element("busybox.bst", "kind: debian_source\npackage: busybox\nsuites: [trixie]\npatches: true")
    bst.element("plain.bst", "kind: debian_source\npackage: busybox\nsuites: [trixie]")
    bst.run("source", "track", "busybox.bst", "plain.bst")
    ours = bst.checkout("busybox.bst")
    assert (ours / "debian/patches/series").is_file()
    plain = bst.checkout("plain.bst")
    assert not (plain / "debian").exists()
    work = bst.path / "work"
    work.mkdir()
    store = bst.path / "cache/buildstream/sources/debian"
    rows = re.findall(r"path: (\S+)\n +size: (\d+)\n +sha256: (\S+)", element.read_text())
    for path, _, sha256 in rows:
        shutil.copy(store / sha256[:2] / sha256, work / path.rpartition("/")[2])
    version = re.findall(r"^    version: (\S+)", element.read_text(), re.MULTILINE)[0]
    names = [path.rpartition("/")[2] for path, *_ in rows]
    sums = "".join(f" {sha256} {size} {name}\n" for name, (_, size, sha256) in zip(names, rows, strict=True))
    files = "".join(f" {md5(work / name)} {size} {name}\n" for name, (_, size, _) in zip(names, rows, strict=True))
    (work / "x.dsc").write_text(
        "Format: 3.0 (quilt)\nSource: busybox\nBinary: busybox\nArchitecture: any\nMaintainer: nobody\n"
        f"Version: {version}\nChecksums-Sha256:\n{sums}Files:\n{files}"
    )
    argv = ["dpkg-source", "--no-check", "-x", "x.dsc", "theirs"]
    done = subprocess.run(argv, cwd=work, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(differences(filecmp.dircmp(ours, work / "theirs"))) == [".pc"]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="cannot become another user")
def test_as_an_ordinary_user() -> None:
    """An interpreter that nobody can start is needed, which that of root's home is not."""
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    searched = os.pathsep.join(path for path in (*sys.path, str(Path(apt.__file__).parents[2])) if path)
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    for python in (sys.executable, system):
        done = subprocess.run(
            [*prefix, python, "-c", START],
            env={"PYTHONPATH": searched},
            capture_output=True,
            check=False,
            cwd="/",
        )
        if done.returncode == 0:
            break
    else:
        pytest.skip("no interpreter with BuildStream that an ordinary user can start")
    path = Path("/var/tmp") / f"rootstream-test-{os.getpid()}"  # noqa: S108  (pytest's own folders are closed to others)
    path.mkdir(mode=0o700)
    try:
        found = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not p.startswith("/root"))
        env = {"PYTHONPATH": searched, "PATH": found, "PYTHONDONTWRITEBYTECODE": "1"}
        bst = Bst(path / "project", prefix=prefix, python=python, env=env)
        bst.element("small.bst", packages("trixie", "hello, busybox-static"))
        bst.element("source.bst", "kind: debian_source\npackage: musl\nsuites: [trixie]\npatches: true")
        for entry in (path, *path.rglob("*")):
            os.chown(entry, NOBODY, NOBODY)
        bst.run("source", "track", "small.bst", "source.bst")
        assert (bst.checkout("small.bst") / "usr/bin/busybox").is_file()
        assert (bst.checkout("source.bst") / "configure").is_file()
    finally:
        shutil.rmtree(path)
