"""What apt prints and is told: captured output, the order of versions, mirrors, private configuration."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from rootstream.fetch import mirrors
from rootstream.fetch.mirrors import Mirror
from rootstream.formats import apt_index, records
from rootstream.formats.faults import Fault
from rootstream_bst.debian import apt

TARGETS = """\
Debian|bookworm|http://mirror.example/debian/
Debian|bookworm-updates|http://mirror.example/debian/
Debian|bookworm-security|http://mirror.example/debian-security/
Node Source|nodistro|https://node.example/node_20.x/
$(ORIGIN)|trixie|file:/srv/mirror/
$(ORIGIN)|noble|http://other.example/ubuntu/
Debian|bookworm|cdrom://[Debian GNU/Linux 12]/
rubbish
"""
FETCHED = """\
Reading package lists...
Building dependency tree...
The following NEW packages will be installed:
  gcc gcc-14-base hello libc6 linux-libc-dev
0 upgraded, 5 newly installed, 0 to remove and 0 not upgraded.
Need to get 3004 kB of archives.
'http://mirror.example/debian/pool/main/g/gcc-14/gcc-14-base_14.2.0-19_amd64.deb' gcc-14-base_14.2.0-19_amd64.deb 49432 MD5Sum:8c82dcf89447f04e600379a1a1871f3b
'http://mirror.example/debian/pool/main/g/glibc/libc6_2.41-12%2bdeb13u4_amd64.deb' libc6_2.41-12+deb13u4_amd64.deb 2846580 MD5Sum:5559581916477ef1f57ea9f82cecf22e
'http://mirror.example/debian/pool/main/g/gcc-defaults/gcc_14.2.0-1_amd64.deb' gcc_4%3a14.2.0-1_amd64.deb 5136 SHA256:00
'file:/srv/mirror/pool/main/l/linux/linux-libc-dev_6.12.107-1_all.deb' linux-libc-dev_6.12.107-1_all.deb 2919204
'http://mirror.example/debian/pool/main/h/hello/hello_2.10-5_amd64.deb' hello_2.10-5_amd64.deb 53184 MD5Sum:00
"""  # noqa: E501  (as apt prints it)
SHOWN = """\
Package: hello
Version: 2.10-5
Installed-Size: 280
Architecture: amd64
Depends: libc6 (>= 2.38)
Description: example package based on GNU hello
 The GNU hello program produces a familiar, friendly greeting.
 .
 Filename: not a field
Filename: pool/main/h/hello/hello_2.10-5_amd64.deb
Size: 53184
MD5sum: 9a4d66ba3fd6ebe2f3d2bb0f1ba0b4f8
SHA256: {sha}

Package: libc6
Version: 2.41-12+deb13u4
Architecture: amd64
Filename: pool/main/g/glibc/libc6_2.41-12+deb13u4_amd64.deb
Size: 2846580
SHA256: 967aa62605721081c3eb2a17650611a792aa802d76a6511d1840242623d204c9
"""
SOURCE = """\
Package: busybox
Binary: busybox, busybox-static
Version: {version}
Format: 3.0 (quilt)
Files:
 0a8b8ba4c3f4d8a8ab6d5b6a1f8b5c2e 2312 busybox_{plain}.dsc
Checksums-Sha256:
 {sha} 2312 busybox_{plain}.dsc
 {sha} 65032 busybox_{plain}.debian.tar.xz
 {sha} 2565764 busybox_1.37.0.orig.tar.bz2
Directory: pool/main/b/busybox
Priority: source

"""
SHA = "ab" * 32


def test_targets_become_mirrors() -> None:
    assert mirrors.from_targets(apt_index.targets(TARGETS)) == (
        Mirror(url="http://mirror.example/debian", security=False),
        Mirror(url="http://mirror.example/debian-security", security=True),
        Mirror(url="file:/srv/mirror", security=False),
    )


def test_archive_with_both_kinds_of_suite() -> None:
    text = "Debian|trixie|http://all.example/debian/\nDebian|trixie-security|http://all.example/debian/\n"
    assert mirrors.from_targets(apt_index.targets(text)) == (Mirror(url="http://all.example/debian"),)


def test_which_mirrors() -> None:
    env = {mirrors.VARIABLE: " http://one.example/debian/  file:///two ", "PATH": "/nonexistent"}
    assert [mirror.url for mirror in mirrors.find([], env)] == ["http://one.example/debian", "file:///two"]
    assert [mirror.url for mirror in mirrors.find(["https://own.example/"], env)] == ["https://own.example"]


def test_no_mirror() -> None:
    with pytest.raises(Fault) as caught:
        mirrors.find([], {"PATH": "/nonexistent"})
    assert caught.value.reason == "no-mirror"
    assert mirrors.VARIABLE in (caught.value.detail or "")


def test_an_apt_that_does_not_answer_is_not_one_without_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "apt-get"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(mirrors, "HOST_TIMEOUT", 0.2)
    with pytest.raises(Fault) as caught:
        mirrors.find((), {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert caught.value.reason == "process-timeout"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "debian",
        "ftp://a.example",
        "http://",
        "http://a b/",
        "http://[a/",
        "http://a:port/",
        "http://a/?q",
        "http://a/#f",
    ],
)
def test_invalid_mirror(url: str) -> None:
    with pytest.raises(Fault) as caught:
        mirrors.checked(url, "mirrors")
    assert caught.value.reason == "invalid-mirror"


def test_mirror_of_a_suite() -> None:
    main, security = Mirror(url="http://m/d", security=False), Mirror(url="http://m/s", security=True)
    unknown = Mirror(url="http://m/u")

    def never(_url: str) -> bool:
        raise AssertionError

    assert mirrors.for_suite("trixie-updates", [main, security], never) == main
    assert mirrors.for_suite("trixie-security", [main, security], never) == security
    there = {"http://m/u/dists/trixie/InRelease"}
    assert mirrors.for_suite("trixie", [main, unknown], there.__contains__) == unknown
    for known in ([main], [main, unknown, unknown]):
        with pytest.raises(Fault) as caught:
            mirrors.for_suite("trixie-security", known, there.__contains__)
        assert caught.value.reason == "no-mirror"


def test_mirrors_of_a_path() -> None:
    main, security = Mirror(url="m", security=False), Mirror(url="s", security=True)
    assert mirrors.for_path("pool/main/a.deb", [security, main]) == ("m", "s")
    assert mirrors.for_path("pool/updates/main/a.deb", [main, security]) == ("s", "m")


def test_proxies() -> None:
    text = (
        'Acquire::http "";\nAcquire::http::Proxy "http://proxy.example:3142";\n'
        'Acquire::http::Proxy::near.example "DIRECT";\nAcquire::https::Proxy "";\nAcquire::http::Timeout "30";\n'
    )
    assert apt_index.proxies(text) == {"http": "http://proxy.example:3142", "http::near.example": "DIRECT"}


def test_resolved_set() -> None:
    assert apt_index.resolved(FETCHED) == (
        ("gcc", "4:14.2.0-1", "amd64"),
        ("gcc-14-base", "14.2.0-19", "amd64"),
        ("hello", "2.10-5", "amd64"),
        ("libc6", "2.41-12+deb13u4", "amd64"),
        ("linux-libc-dev", "6.12.107-1", "all"),
    )


def test_shown_packages() -> None:
    found = apt_index.packages(SHOWN.format(sha=SHA.upper()))
    package = found["hello", "2.10-5"]
    assert package.item == records.Item(path="pool/main/h/hello/hello_2.10-5_amd64.deb", size=53184, sha256=SHA)
    assert set(found) == {("hello", "2.10-5"), ("libc6", "2.41-12+deb13u4")}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Size: 53184", "Size: many"),
        ("Size: 53184\n", ""),
        ("pool/main/h", "../../h"),
        ("Version: 2.10-5", "Version: 1 2"),
        ("SHA256: {sha}", "SHA256: {sha}00"),
    ],
)
def test_index_that_lies(old: str, new: str) -> None:
    assert old in SHOWN
    with pytest.raises(Fault):
        apt_index.packages(SHOWN.replace(old, new).format(sha=SHA))


def test_sources() -> None:
    text = "".join(
        SOURCE.format(version=version, plain=version.split(":")[-1], sha=SHA)
        for version in ("1:1.37.0-6", "1:1.9-1")
    )
    found = apt_index.sources(text)
    assert [package.version for package in found] == ["1:1.37.0-6", "1:1.9-1"]
    assert [item.path for item in found[0].items] == [
        "pool/main/b/busybox/busybox_1.37.0-6.debian.tar.xz",
        "pool/main/b/busybox/busybox_1.37.0-6.dsc",
        "pool/main/b/busybox/busybox_1.37.0.orig.tar.bz2",
    ]
    assert max(found, key=lambda package: apt_index.version_key(package.version)).version == "1:1.37.0-6"
    with pytest.raises(Fault) as caught:
        apt_index.sources(text.replace("Directory", "Folder"))
    assert caught.value.reason == "invalid-index"


ORDERED = [
    "0.9~rc1-1", "0.9-1", "1.0~~", "1.0~", "1.0~rc1", "1.0", "1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.0-2", "1.0a",
    "1.0b1c", "1.0+dfsg-1", "1.0.0~1", "1.0.1", "1.2", "1.10", "2", "10", "1:0.1",
]  # fmt: skip


def test_order_of_versions() -> None:
    assert sorted(set(ORDERED), key=apt_index.version_key) == ORDERED
    for same in (("1.0", "1.00"), ("1.", "1.0"), ("0:1.0", "1.0"), ("1.0-0", "1.0")):
        assert apt_index.version_key(same[0]) == apt_index.version_key(same[1])


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
def test_order_of_versions_is_that_of_dpkg() -> None:
    for first, second in itertools.pairwise(ORDERED):
        subprocess.run(["dpkg", "--compare-versions", first, "lt", second], check=True)


def test_configuration_is_private(tmp_path: Path) -> None:
    text = apt.configuration(tmp_path, "riscv64", ['Acquire::http::Proxy "http://proxy.example";'])
    assert 'APT::Architectures { "riscv64"; };' in text
    assert 'APT::Sandbox::User "";' in text
    assert f'Dir::State::status "{tmp_path}/status";' in text
    assert "http://proxy.example" in text
    assert text.index("#clear APT::Architectures") < text.index("APT::Architectures {")
    with pytest.raises(Fault):
        apt.configuration(Path('/a"b'), "amd64")


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="apt is not installed")
def test_apt_reads_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "apt.conf"
    path.write_text(apt.configuration(tmp_path, "riscv64"))
    argv = ["apt-config", "dump", "--format", "%F=%v%n"]
    done = subprocess.run(argv, env={"PATH": "/usr/bin", "APT_CONFIG": str(path)}, capture_output=True, check=True)
    settings = [
        line for line in done.stdout.decode().splitlines() if line.startswith(("Dir::Etc::parts", "APT::Arch"))
    ]
    assert settings == [
        "APT::Architecture=riscv64",
        "APT::Architectures=",
        "APT::Architectures::=riscv64",
        "Dir::Etc::parts=/dev/null",
    ]


def test_sources_text() -> None:
    archive = apt.Archive(
        suites=("trixie", "trixie-security"),
        components=("main", "contrib"),
        architecture="arm64",
        mirrors=(),
        keyring="/keys.gpg",
    )
    chosen = [Mirror(url="http://m/debian"), Mirror(url="http://m/security")]
    assert apt.sources_text(archive, chosen) == (
        "Types: deb\nURIs: http://m/debian\nSuites: trixie\nComponents: main contrib\n"
        "Architectures: arm64\nSigned-By: /keys.gpg\n\n"
        "Types: deb\nURIs: http://m/security\nSuites: trixie-security\nComponents: main contrib\n"
        "Architectures: arm64\nSigned-By: /keys.gpg\n"
    )


def test_keyring(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    assert apt.keyring(str(tmp_path / "keys")) == str(tmp_path / "keys")
    with pytest.raises(Fault) as caught:
        apt.keyring(str(tmp_path / "none"))
    assert caught.value.reason == "no-keyring"
