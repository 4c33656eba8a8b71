"""A Debian root, built for real: configured, owners kept, nothing of the machine in it, the same bytes twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.conftest import Command, extracted

from rootstream.engine import settings_from

pytestmark = pytest.mark.engine

# The second differs from the first in a comment for debconf: it is configured a second time, with another umask.
SYSTEMS = """
systems:
  one: &one
    root:
      debian: &root
        suite: trixie
        packages: [systemd-sysv, openssh-server, sudo, mtr-tiny, libcap2-bin, munge, python3-minimal]
        preseed: one.txt
        drop: [/usr/share/bash-completion]
        mask: [apt-daily.timer]
        disable: [fstrim.timer]
    layers:
      - hostname: one
      - users: [{name: admin, sudo: true, password: empty}]
      - root_login: {authorized_keys: [key.pub]}
      - sshd: {passwords: false}
      - services: [{name: hello, command: "exec sleep 1000"}]
      - python: {install: [greeting==1.0]}
    images: [tar]
  two:
    <<: *one
    root: {debian: {<<: *root, preseed: two.txt}}
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample admin\n"


def wheel(folder: Path) -> None:
    info = "greeting-1.0.dist-info"
    with zipfile.ZipFile(folder / "greeting-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("greeting/__init__.py", "def main():\n    print('hello')\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ngreet = greeting:main\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, run: Command) -> Path:
    if shutil.which("apt-get") is None:
        pytest.skip("apt is not installed")
    folder = tmp_path_factory.mktemp("debian")
    wheels = tmp_path_factory.mktemp("wheels")
    wheel(wheels)
    (folder / "system.yaml").write_text(SYSTEMS)
    (folder / "key.pub").write_text(KEY)
    (folder / "one.txt").write_text("# one\n")
    (folder / "two.txt").write_text("# two\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        run("build", "one", cwd=folder, check=True)
        before = os.umask(0o077)
        try:
            run("build", "two", cwd=folder, check=True)
        finally:
            os.umask(before)
    return folder


@pytest.fixture(scope="module")
def members(project: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(project / "out/one/rootfs.tar") as tar:
        return {member.name.removeprefix("./"): member for member in tar}


def text(project: Path, path: str) -> str:
    with tarfile.open(project / "out/one/rootfs.tar") as tar:
        file = tar.extractfile(f"./{path}")
        assert file is not None
        return file.read().decode()


def test_configuring_twice_gives_the_same_bytes(project: Path) -> None:
    sums = [(project / f"out/{name}/SHA256SUMS").read_text().splitlines() for name in ("one", "two")]
    bills = [lines.pop() for lines in sums]  # they name the system
    assert all(line.endswith("  sbom.cdx.json") for line in bills)
    assert sums[0] == sums[1]
    keys = [json.loads((project / f"out/{name}/manifest.json").read_text())["elements"] for name in ("one", "two")]
    configured = [{each["name"] for each in names if "-configured" in each["name"]} for names in keys]
    assert configured[0] != configured[1]


def test_every_package_is_configured(project: Path, tmp_path: Path) -> None:
    status = text(project, "var/lib/dpkg/status")
    assert status.count("Status: install ok installed\n") == status.count("\nVersion: ")
    assert "Package: openssh-server\n" in status
    if shutil.which("dpkg"):
        with tarfile.open(project / "out/one/rootfs.tar") as tar:
            wanted = [member for member in tar if member.name.startswith("./var/lib/dpkg/")]
            extracted(tar, tmp_path, wanted)
        argv = ["dpkg", f"--admindir={tmp_path}/var/lib/dpkg", "--audit"]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == ""


def test_owners_modes_and_capabilities_are_kept(members: dict[str, tarfile.TarInfo]) -> None:
    assert members["usr/bin/sudo"].mode == 0o4755
    assert (members["etc/shadow"].gid, members["etc/shadow"].mode) == (42, 0o640)
    assert members["usr/bin/chage"].gid == 42
    assert members["usr/bin/chage"].mode & 0o2000
    assert members["tmp"].mode == 0o1777
    assert "SCHILY.xattr.security.capability" in members["usr/bin/mtr-packet"].pax_headers


def test_what_a_script_makes_as_another_user_is_that_users(
    project: Path, members: dict[str, tarfile.TarInfo]
) -> None:
    accounts = [line.split(":") for line in text(project, "etc/passwd").splitlines()]
    munge = next((int(fields[2]), int(fields[3])) for fields in accounts if fields[0] == "munge")
    for path in ("etc/munge", "var/lib/munge", "var/log/munge"):
        assert (members[path].uid, members[path].gid) == munge
    assert "etc/ld.so.preload" not in members


def test_a_machine_makes_its_own_key(project: Path, members: dict[str, tarfile.TarInfo]) -> None:
    """The image has what a script made of it, but for the content."""
    key = members["etc/munge/munge.key"]
    assert (key.size, key.mode, key.uid) == (0, 0o600, members["etc/munge"].uid)
    assert "munge.key" in text(project, "usr/lib/rootstream/identities")
    link = "usr/lib/systemd/system/sysinit.target.wants/rootstream-identities.service"
    assert members[link].issym()


def test_accounts_alternatives_and_units_are_there(project: Path, members: dict[str, tarfile.TarInfo]) -> None:
    accounts = text(project, "etc/passwd")
    assert "\nsshd:x:" in accounts
    assert "\nadmin:x:1000:" in accounts
    assert members["etc/alternatives/awk"].linkname == "/usr/bin/mawk"
    wants = "etc/systemd/system/multi-user.target.wants"
    assert {f"{wants}/ssh.service", f"{wants}/hello.service", f"{wants}/systemd-networkd.service"} <= set(members)
    assert members["etc/systemd/system/apt-daily.timer"].linkname == "/dev/null"
    assert "etc/systemd/system/timers.target.wants/fstrim.timer" not in members


def test_nothing_of_one_machine_is_in_it(project: Path, members: dict[str, tarfile.TarInfo]) -> None:
    assert not [name for name in members if "ssh_host_" in name or name.endswith(("-old", "/random-seed"))]
    assert text(project, "etc/machine-id") == ""
    files = [name for name, member in members.items() if member.isfile()]
    assert not [name for name in files if name.startswith("var/log/")]
    assert {member.mtime for member in members.values()} == {1735689600}


def test_a_host_key_is_in_no_cache_and_no_log(project: Path) -> None:
    """sshd's package would make one: that is prevented, so that it is not in the artifact either."""
    plan = project / ".rootstream" / "plan"
    name = next(path.stem for path in (plan / "elements").glob("debian-*-configured.bst"))
    home = settings_from(os.environ).cache
    logs = list((home / "logs" / "rootstream" / name).glob("*-build.*.log"))
    assert logs
    assert not [path for path in logs if "SHA256:" in path.read_text() or "PRIVATE KEY" in path.read_text()]


def test_what_was_left_out_is_in_the_manifest(project: Path, members: dict[str, tarfile.TarInfo]) -> None:
    manifest = json.loads((project / "out/one/manifest.json").read_text())
    dropped = {each["pattern"]: each for each in manifest["dropped"]}
    for pattern in ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/bash-completion"):
        assert dropped[pattern]["files"] > 0
        assert dropped[pattern]["size"] > 0
    assert "usr/share/doc/sudo/copyright" in members
    assert "usr/share/doc/sudo/changelog.Debian.gz" not in members


def test_python_packages_are_installed_from_the_locked_wheels(
    project: Path, members: dict[str, tarfile.TarInfo]
) -> None:
    assert members["usr/local/bin/greet"].mode == 0o755
    site = "usr/local/lib/python3.13/dist-packages/greeting"
    assert f"{site}/__pycache__/__init__.cpython-313.pyc" in members
    lock = (project / "system.lock").read_text()
    assert '"file": "greeting-1.0-py3-none-any.whl"' in lock
    assert "://" not in lock


def test_a_folder_of_all_that_the_lock_names_is_enough(project: Path, run: Command, tmp_path: Path) -> None:
    folder, nothing = tmp_path / "folder", tmp_path / "nothing"
    nothing.mkdir()
    run("fetch", "one", "--to", str(folder), cwd=project, check=True)
    env = {
        "ROOTSTREAM_CACHE": str(tmp_path / "cache"),
        "ROOTSTREAM_FETCHED": str(folder),
        "ROOTSTREAM_DEBIAN_MIRRORS": nothing.as_uri(),
        "PIP_NO_INDEX": "1",
    }
    run("fetch", "one", cwd=project, env=env, check=True)
    lost = next(path for path in folder.rglob("*") if path.is_file())
    lost.unlink()
    env["ROOTSTREAM_CACHE"] = str(tmp_path / "other")
    done = run("fetch", "one", cwd=project, env=env)
    assert done.returncode == 2
    assert "ROOTSTREAM_FETCHED" in done.stderr or "No matching distribution" in done.stderr
