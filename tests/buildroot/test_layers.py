"""Layers on a real Buildroot: its own scripts read what is generated, and an image has it as it was meant.

The last tests build; they need a toolchain.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.buildroot.conftest import Command

from rootstream.buildroot.generate import draft, packages, translate
from rootstream.description import layers
from rootstream.description.load import load

pytestmark = pytest.mark.buildroot

LONG = 1800.0
HASH = "$6$salt.$/a.b$c"
NAMES = ("with space", "quo'te", 'dou"ble', "$HOME `id`", "new\nline", "#hash", "größe", "-dash", "back\\slash")
COMMENT = 'O\'Neil "$HOME" `id` # größe \\n 100%s'
OPTION = "two  words '$HOME' `id` \"#\\# \\"
SYSTEM = """\
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
        jobs: 2
    images: [tar]
    layers:
      - overlay: overlay
      - hostname: box-1.example.org
      - issue: "a $HOME `id` 'b' \\"c\\" # größe \\\\l\\n\\nlast"
      - groups:
          - {{name: gpio, gid: 250}}
          - {{name: kept, system: true}}
      - users:
          - name: admin
            uid: 1500
            gecos: {comment}
            groups: [gpio, dialout]
            password: {{hash: {hash}}}
            authorized_keys: [key.pub]
          - {{name: web, system: true, home: /srv/www, shell: /bin/false, gecos: Web server}}
          - {{name: open, password: empty}}
          - {{name: nobody-home, home: /}}
      - root_login: {{password: {{hash: {hash}}}, console: false, authorized_keys: [key.pub]}}
      - sshd: {{passwords: false, ports: [22, 2222]}}
      - permissions:
          - {{path: "/srv/www/with space", owner: admin, group: gpio, mode: 4750}}
          - {{path: /opt/tree, owner: web, mode: 700, recursive: true}}
      - devices:
          - {{path: /dev/console, type: char, major: 5, minor: 1, mode: 0620, owner: admin, group: gpio}}
          - {{path: /srv/pipes/one, type: fifo, mode: 0660}}
      - device_table: table
      - services:
          - {{name: first, command: "echo '$HOME' \\"#\\" && exec sleep 1000", user: web}}
          - {{name: second, command: größe, after: [first], restart: "no"}}
          - {{name: third, command: "true", enabled: false}}
      - packages:
          - {{name: greet, source: greet, build: make, options: [{option}]}}
          - {{name: told, source: told, build: autotools, depends: [greet], options: [{told}]}}
"""
# A package of which only the words matter that it is configured with.
CONFIGURE = """\
#!/bin/sh
for word; do
    case $word in --word=*) printf %s "${word#--word=}" > told ;; esac
done
"""
TOLD = "all:\n\ninstall:\n\tinstall -D -m 644 told $(DESTDIR)/usr/share/told\n"
MAKEFILE = """\
export WORD
all:

install:
\tmkdir -p $(DESTDIR)/usr/share
\tprintf %s "$$WORD" > $(DESTDIR)/usr/share/word
.PHONY: all install
"""


def quoted(text: str) -> str:
    """Return a text in YAML's double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def project(folder: Path, tree: Path, defconfig: str) -> Path:
    for path in (
        "overlay/etc/ssh",
        "overlay/etc/default",
        "overlay/usr/sbin",
        "overlay/.git",
        "overlay/opt/tree/in",
    ):
        (folder / path).mkdir(parents=True)
    for path in ("overlay/srv/www", "greet", "told"):
        (folder / path).mkdir(parents=True)
    words = {
        "comment": quoted(COMMENT),
        "hash": quoted(HASH),
        "option": quoted("WORD=" + OPTION.replace("$", "$$")),  # the package's own make expands it, too
        "told": quoted(f"--word={OPTION}"),
    }
    (folder / "system.yaml").write_text(SYSTEM.format(tree=tree, **words))
    (folder / "box_defconfig").write_text(defconfig)
    (folder / "key.pub").write_text("# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5 'a' $b #c\n")
    (folder / "table").write_text("/etc/motd f 640 0 0 - - - - -\n")
    (folder / "greet" / "Makefile").write_text(MAKEFILE)
    (folder / "told" / "Makefile").write_text(TOLD)
    (folder / "told" / "configure").write_text(CONFIGURE)
    (folder / "told" / "configure").chmod(0o755)
    overlay = folder / "overlay"
    for name in NAMES:
        (overlay / "srv" / "www" / name).write_text(name)
    (overlay / "etc" / "motd").write_text("hello\n")
    (overlay / "etc" / "ssh" / "sshd_config").write_text("Port 99\nPermitRootLogin yes\nUseDNS no\n")
    (overlay / "etc" / "default" / "dropbear").write_text("DROPBEAR_ARGS='-K 30'\n")
    (overlay / "usr" / "sbin" / "dropbear").write_text("")
    (overlay / "opt" / "tree" / "in" / "file~").write_text("left out")
    (overlay / "opt" / "tree" / "in" / "file").write_text("")
    (overlay / "opt" / "tree" / "link").symlink_to("/nowhere/at all")
    (overlay / ".git" / "config").write_text("left out")
    return folder


@pytest.fixture
def box(any_tree: Path, tmp_path: Path) -> Path:
    return project(tmp_path, any_tree, "BR2_x86_64=y\n")


def generated(folder: Path) -> draft.Generated:
    (described,) = load(folder / "system.yaml").systems
    return translate.generate(described, folder, folder / "external")


def test_buildroots_own_script_makes_the_users(box: Path, any_tree: Path, tmp_path: Path) -> None:
    etc = tmp_path / "target" / "etc"
    shutil.copytree(any_tree / "system" / "skeleton" / "etc", etc, symlinks=True)
    (tmp_path / "users").write_bytes(generated(box).files["tables/users"].content)
    (tmp_path / ".config").write_text('BR2_TARGET_GENERIC_PASSWD_METHOD="sha-512"\n')
    subprocess.run(
        [any_tree / "support" / "scripts" / "mkusers", tmp_path / "users", tmp_path / "target"],
        env={"PATH": os.environ["PATH"], "BR2_CONFIG": str(tmp_path / ".config")},
        check=True,
        capture_output=True,
    )
    users = lines_of((etc / "passwd").read_text())
    shadow = lines_of((etc / "shadow").read_text())
    assert users["admin"][:4] == ["admin", "x", "1500", users["admin"][3]]
    assert users["admin"][5:] == ["/home/admin", "/bin/sh"]
    assert users["web"][4:] == ["Web server", "/srv/www", "/bin/false"]
    assert users["nobody-home"][5] == "/"
    assert 100 <= int(users["web"][2]) < 1000
    assert (shadow["admin"][1], shadow["web"][1], shadow["open"][1]) == (HASH, "*", "")
    groups = lines_of((etc / "group").read_text())
    assert groups["gpio"][2:] == ["250", "admin"]
    assert 100 <= int(groups["kept"][2]) < 1000


def lines_of(text: str) -> dict[str, list[str]]:
    return {line.split(":")[0]: line.split(":") for line in text.splitlines()}


def test_make_reads_the_symbols_as_they_are_meant(box: Path, run: Command) -> None:
    told = run(
        "make",
        "printvars",
        "VARS=BR2_TARGET_GENERIC_% BR2_ROOTFS_% BR2_TARGET_ENABLE_% BR2_PACKAGE_GREET",
        cwd=box,
    )
    values = dict(re.findall(r"^(BR2_\w+)=(.*)$", told.stdout, re.MULTILINE))
    assert values["BR2_TARGET_GENERIC_HOSTNAME"] == '"box-1.example.org"'
    assert values["BR2_TARGET_ENABLE_ROOT_LOGIN"] == "y"
    assert values["BR2_PACKAGE_GREET"] == "y"
    overlays = values["BR2_ROOTFS_OVERLAY"].strip('"').split(" ")
    assert overlays[0] == str(box / "overlay")
    assert [Path(path).is_dir() for path in overlays] == [True, True]
    assert (Path(overlays[1]) / "home/admin/.ssh/authorized_keys").is_file()


def test_packages_are_checked_against_the_tree(any_tree: Path) -> None:
    names = ("zlib", "mine", "openssl")
    needs = ("zlib", "host-pkgconf", "mine", "linux", "zlibb")
    found = [
        layers.SourcePackage(name=name, source="x", build="make", depends=needs if name == "mine" else ())
        for name in names
    ]
    layer = layers.PackagesLayer(packages=tuple(found))
    problems = packages.against((layer,), (any_tree,), Path("system.yaml"))
    assert [problem.reason for problem in problems] == ["name-taken", "unknown-package", "name-taken"]


def test_a_project_whose_path_make_cannot_take_is_refused(tree: Path, tmp_path: Path, run: Command) -> None:
    for name in ("a b", "a:b", "a$b", "a#b"):
        folder = project(tmp_path / name, tree, "BR2_x86_64=y\n")
        done = run("config", "check", cwd=folder, check=False)
        assert done.returncode == 2
        assert "Buildroot's make does not support" in done.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member of the image."""

    mode: int
    owner: tuple[int, int]
    link: str
    content: bytes
    device: tuple[int, int]


def image(folder: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    with tarfile.open(folder / "out" / "box" / "rootfs.tar") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            found[member.name.removeprefix("./")] = Entry(
                mode=member.mode,
                owner=(member.uid, member.gid),
                link=member.linkname,
                content=file.read() if file else b"",
                device=(member.devmajor, member.devminor),
            )
    return found


def build(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rootstream", "build", "box", "--plain"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def built(tree: Path, defconfig: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("layers") / "box", tree, defconfig)
    build(folder)
    return folder


@pytest.fixture(scope="module")
def files(built: Path) -> Mapping[str, Entry]:
    return image(built)


def test_the_overlay_arrives_as_it_is(files: Mapping[str, Entry]) -> None:
    assert {name for name in NAMES if files[f"srv/www/{name}"].content == name.encode()} == set(NAMES)
    assert files["opt/tree/link"].link == "/nowhere/at all"
    assert "opt/tree/in/file~" not in files
    assert not [name for name in files if ".git" in name]


def test_accounts_arrive_with_their_passwords_and_keys(files: Mapping[str, Entry]) -> None:
    users = lines_of(files["etc/passwd"].content.decode())
    shadow = lines_of(files["etc/shadow"].content.decode())
    assert users["admin"][4] == COMMENT
    assert (shadow["root"][1], shadow["admin"][1], shadow["open"][1]) == (HASH, HASH, "")
    admin = (1500, int(users["admin"][3]))
    keys = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 'a' $b #c\n"
    for home, owner in (("home/admin", admin), ("root", (0, 0))):
        assert (files[f"{home}/.ssh"].mode, files[f"{home}/.ssh"].owner) == (0o700, owner)
        found = files[f"{home}/.ssh/authorized_keys"]
        assert (found.mode, found.owner, found.content) == (0o600, owner, keys)
    assert files["etc/securetty"].content.startswith(b"#")


def test_texts_arrive_as_they_are(files: Mapping[str, Entry]) -> None:
    assert files["etc/hostname"].content == b"box-1.example.org\n"
    assert files["etc/issue"].content.decode() == "a $HOME `id` 'b' \"c\" # größe \\l\n\nlast\n"
    assert files["usr/share/word"].content.decode() == OPTION
    assert files["usr/share/told"].content.decode() == OPTION


def test_owners_modes_and_nodes(files: Mapping[str, Entry]) -> None:
    users = lines_of(files["etc/passwd"].content.decode())
    web = int(users["web"][2])
    assert (files["srv/www/with space"].mode, files["srv/www/with space"].owner) == (0o4750, (1500, 250))
    assert (files["srv/www/#hash"].owner[0], files["srv/www/#hash"].mode) == (web, 0o644)
    assert {files[f"opt/tree{each}"].owner[0] for each in ("", "/in", "/in/file", "/link")} == {web}
    assert {files[f"opt/tree{each}"].mode for each in ("", "/in", "/in/file")} == {0o700}
    console = files["dev/console"]
    assert (console.device, console.mode, console.owner) == ((5, 1), 0o620, (1500, 250))
    assert files["srv/pipes/one"].mode == 0o660
    assert files["etc/motd"].mode == 0o640


def test_the_policy_of_the_ssh_servers(files: Mapping[str, Entry]) -> None:
    lines = files["etc/ssh/sshd_config"].content.decode().splitlines()
    says = [line for line in lines if line and not line.startswith("#")]
    assert says == [
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "Port 22",
        "Port 2222",
        "UseDNS no",
    ]
    assert b'\nDROPBEAR_ARGS="-K 30 -g -s -p 22 -p 2222"\n' in files["etc/default/dropbear"].content


def test_services_have_scripts_of_the_init_that_is_there(files: Mapping[str, Entry]) -> None:
    names = sorted(name for name in files if name.startswith("etc/init.d/") and "rcS" not in name)
    assert names == ["etc/init.d/S60first", "etc/init.d/S61second", "etc/init.d/third"]
    command = files["usr/libexec/services/first"]
    assert command.mode == 0o755
    assert command.content == b"#!/bin/sh\necho '$HOME' \"#\" && exec sleep 1000\n"


def test_secrets_are_in_no_log_and_no_configuration(built: Path, files: Mapping[str, Entry]) -> None:
    assert files["etc/shadow"].mode in (0o600, 0o640)
    space = built / ".rootstream" / "buildroot" / "box"
    assert HASH not in (space / "output" / ".config").read_text()
    for log in (space / "logs").rglob("*"):
        assert not log.is_file() or HASH not in log.read_text("utf-8", "replace")
    assert (space / "external").stat().st_mode & 0o077 == 0


def test_the_cross_environment_compiles(built: Path, run: Command, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int main(void) { return 0; }\n")
    exports = run("env", cwd=built).stdout
    script = f'{exports}\nset -e\n$CC -o x x.c\n"$READELF" -h x\ntest -d "$STAGING_DIR/usr/include"\n'
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "X86-64" in done.stdout


def test_there_is_no_cross_environment_before_a_build(box: Path, run: Command) -> None:
    run("update", cwd=box)
    done = run("env", cwd=box, check=False)
    assert done.returncode == 2
    assert "has no toolchain yet" in done.stderr


def test_what_leaves_a_layer_leaves_the_image(built: Path, files: Mapping[str, Entry]) -> None:
    """A service, an account's keys and ports go; the configuration of Buildroot stays what it was."""
    description = built / "system.yaml"
    text = description.read_text()
    config = (built / ".rootstream/buildroot/box/output/.config").read_bytes()
    changed = re.sub(r".*name: second.*\n", "", text).replace(", ports: [22, 2222]", "")
    changed = changed.replace("            authorized_keys: [key.pub]\n", "")
    assert changed != text
    description.write_text(changed)
    build(built)
    description.write_text(text)
    assert (built / ".rootstream/buildroot/box/output/.config").read_bytes() == config
    found = image(built)
    gone = {
        "usr/libexec/services/second",
        "etc/init.d/S61second",
        "home/admin/.ssh",
        "home/admin/.ssh/authorized_keys",
    }
    assert files.keys() - found.keys() == gone
    says = found["etc/ssh/sshd_config"].content.splitlines()
    assert b"Port 99" in says  # the overlay's own
    assert b"Port 22" not in says
