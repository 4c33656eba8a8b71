"""What layers become on a Buildroot root: symbols, tables, packages, and what the scripts at the end do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from rootstream.buildroot.generate import packages
from rootstream.buildroot.generate.draft import Generated, text
from rootstream.buildroot.generate.translate import generate, image_files
from rootstream.description import layers
from rootstream.description.load import load
from rootstream.description.model import Described
from rootstream.errors import UserError, Where
from tests.loading import system

ROOT = "root: {buildroot: {tree: {local: ../buildroot}}}\nkernel: null\n"
HASH = "$6$salt$hash"
HOSTILE = (
    "",
    " ",
    "two  words",
    "'",
    '"',
    "$HOME $(HOME) $$",
    "`id`",
    "#",
    "\\#",
    "\\\\#",
    "\\",
    "größe",
    "a=b;c&d|e",
)


def made(folder: Path, words: str, images: str = "[files]") -> Generated:
    found = system(folder, f"{ROOT}images: {images}\n{words}")
    described = Described(name="it", variant=None, system=found)
    return generate(described, folder, Path("/made"))


def test_a_system_that_reports_has_the_hook_of_busyboxs_dhcp_client(tmp_path: Path) -> None:
    machines = "machines: {{a: {{macs: ['52:54:00:00:00:01'], system: {system}, phone_home: true}}}}\n"
    text = f"systems:\n  it:\n    {ROOT.replace(chr(10), chr(10) + '    ')}images: [files]\n  other:\n"
    text += f"    {ROOT.replace(chr(10), chr(10) + '    ')}images: [files]\n"
    (tmp_path / "system.yaml").write_text(text + machines.format(system="it"))
    it, other = (generate(each, tmp_path, Path("/made")) for each in load(tmp_path / "system.yaml").systems)
    path = "overlay/usr/share/udhcpc/default.script.d/rootstream"
    assert it.files[path].mode == 0o755
    assert it.files[path].content.startswith(b"#!/bin/sh\n")
    assert symbols(it)["BR2_ROOTFS_OVERLAY"] == ['"/made/overlay"']
    assert path not in other.files


def symbols(generated: Generated) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in generated.settings:
        found.setdefault(each.symbol, []).append(each.value)
    return found


def data(generated: Generated, script: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(generated.files[f"scripts/{script}.json"].content)
    return found


def test_root_is_locked_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    (setting,) = made(tmp_path, "").settings
    assert (setting.symbol, setting.value, setting.weak) == ("BR2_TARGET_ENABLE_ROOT_LOGIN", "n", True)
    told = symbols(made(tmp_path, "layers: [root_login: {}]"))
    assert told["BR2_TARGET_ENABLE_ROOT_LOGIN"] == ["n"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("root_login: {}", "no"),
        (f'root_login: {{password: {{hash: "{HASH}"}}}}', "no"),
        ("root_login: {authorized_keys: [key.pub]}", "prohibit-password"),
        ("root_login: {authorized_keys: [key.pub]}}, {sshd: {passwords: false}", "prohibit-password"),
        ("sshd: {root: 'no'}}, {root_login: {authorized_keys: [key.pub]}", "no"),
        ("root_login: {authorized_keys: [key.pub]}}, {root_login: {}", "no"),
        ("sshd: {}", "no"),
        ("sshd: {root: 'yes'}", "yes"),
    ],
)
def test_root_logs_in_over_ssh_with_keys_only(tmp_path: Path, words: str, expected: str) -> None:
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample me\n")
    policy = data(made(tmp_path, f"layers: [{{{words}}}]"), "post_build")["sshd"]
    assert isinstance(policy, dict)
    assert policy["root"] == expected


def test_a_hash_is_in_no_symbol(tmp_path: Path) -> None:
    generated = made(tmp_path, f'layers: [root_login: {{password: {{hash: "{HASH}"}}}}]')
    assert not any(HASH in setting.value for setting in generated.settings)
    assert data(generated, "post_build")["password"] == HASH
    assert generated.files["scripts/post_build.json"].mode == 0o600


def test_users_as_buildroots_table_has_them(tmp_path: Path) -> None:
    words = f"""
layers:
- groups: [{{name: gpio, gid: 250}}]
- users:
  - {{name: admin, uid: 1500, groups: [gpio], password: {{hash: "{HASH}"}}, gecos: The Boss, sudo: nopasswd}}
  - {{name: web, system: true, group: www, home: /, gecos: "a # b"}}
"""
    generated = made(tmp_path, words)
    assert generated.files["tables/users"].content.decode().splitlines() == [
        "- -1 gpio 250 - - - - -",
        f"admin 1500 admin -2 {HASH} /home/admin /bin/sh gpio,wheel The Boss",
        "web -1 www -1 * - /bin/sh -",
    ]
    assert data(generated, "post_fakeroot")["comments"] == {"web": "a # b"}
    assert symbols(generated)["BR2_PACKAGE_SUDO"] == ["y"]
    sudoers = generated.files["overlay/etc/sudoers.d/admin"].content
    assert sudoers == b"admin ALL=(ALL:ALL) NOPASSWD: ALL\n"


@pytest.mark.parametrize(
    "words",
    [
        "users: [{name: toor, uid: 0}]",
        "users: [{name: a, home: /home/a b}]",
        "users: [{name: a, home: /größe}]",
        "devices: [{path: /dev/a b, type: fifo}]",
        "devices: [{path: /run/x, type: fifo}]",
        "devices: [{path: /tmp/a/x, type: fifo}]",
        "permissions: [{path: /bin/*, capabilities: cap_net_raw+ep}]",
        "services: [{name: a, command: x}, {name: a, command: y}]",
        "services: [" + ", ".join(f"{{name: s{number}, command: x}}" for number in range(40)) + "]",
        "packages: [{name: a, source: ., build: make}, {name: a, source: ., build: cmake}]",
    ],
)
def test_what_buildroot_cannot_do_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(UserError) as caught:
        made(tmp_path, f"layers: [{{{words}}}]")
    assert caught.value.reason == "not-possible"


@pytest.mark.parametrize("name", ["clean", "all", "host-zlib", "rootfs-x", "olddefconfig", "show-it"])
def test_names_that_are_targets_of_buildroot_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        made(tmp_path, f"layers: [packages: [{{name: {name}, source: ., build: make}}]]")
    assert caught.value.reason == "name-taken"


@pytest.mark.parametrize("name", ["a b", "a:b", "a$b", "a#b", "a'b", "größe"])
def test_paths_that_make_cannot_take_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    for words in (f'overlay: "{name}"', f'packages: [{{name: mine, source: "{name}", build: make}}]'):
        with pytest.raises(UserError) as caught:
            made(tmp_path, f"layers: [{{{words}}}]")
        assert caught.value.reason == "path-not-possible"


def test_a_private_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(UserError) as caught:
        made(tmp_path, "layers: [root_login: {authorized_keys: [key]}]")
    assert caught.value.reason == "not-a-public-key"


def test_capabilities_and_nodes_in_the_device_table(tmp_path: Path) -> None:
    words = """
layers:
- permissions: [{path: /bin/ping, capabilities: cap_net_raw+ep cap_kill+ep}]
- devices: [{path: /dev/tty9, type: char, major: 4, minor: 9, mode: 620}, {path: /srv/x/pipe, type: fifo}]
"""
    generated = made(tmp_path, words)
    assert generated.files["tables/devices"].content.decode().splitlines() == [
        "/bin/ping f -1 -1 -1 - - - - -",
        "|xattr cap_net_raw+ep",
        "|xattr cap_kill+ep",
        "/dev/tty9 c 620 0 0 4 9 - - -",
        "/srv/x/pipe p 600 0 0 0 0 - - -",
    ]
    assert data(generated, "post_build")["folders"] == ["/srv/x"]
    assert symbols(generated)["BR2_ROOTFS_DEVICE_TABLE_SUPPORTS_EXTENDED_ATTRIBUTES"] == ["y"]


def test_images(tmp_path: Path) -> None:
    images = "[kernel, initramfs: {compression: xz}, ext: {type: ext2, size: 8M, gzip: true}, squashfs, tar]"
    told = symbols(made(tmp_path, "", images))
    for symbol in ("LINUX_KERNEL", "CPIO_XZ", "EXT2_2r1", "EXT2_GZIP", "SQUASHFS4_ZSTD", "TAR_NONE"):
        assert told[f"BR2_{symbol}" if symbol == "LINUX_KERNEL" else f"BR2_TARGET_ROOTFS_{symbol}"] == ["y"]
    assert told["BR2_TARGET_ROOTFS_EXT2_SIZE"] == ['"8192K"']
    found = system(tmp_path, f"{ROOT}images: {images}")
    names = image_files(Described(name="it", variant=None, system=found))
    assert [each[1][0] for each in names] == [
        "bzImage",
        "rootfs.cpio.xz",
        "rootfs.ext2.gz",
        "rootfs.squashfs",
        "rootfs.tar",
    ]
    with pytest.raises(UserError):
        made(tmp_path, "", "[initramfs: {level: 9}]")


def test_text_for_kconfig() -> None:
    assert text('a "b" \\c') == '"a \\"b\\" \\\\c"'


@pytest.mark.parametrize("word", HOSTILE)
def test_an_option_reaches_the_program_as_it_is(tmp_path: Path, word: str) -> None:
    """Through make's reading of an assignment and of a recipe, and the shell's of a command."""
    lines = [f"{packages.HASH} := \\#", f"X = {packages.for_make(word)}", "all:", "\t@printf '<%s>' $(X)"]
    (tmp_path / "Makefile").write_text("\n".join(lines) + "\n")
    done = subprocess.run(["make", "-s"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == f"<{word}>"


MARKS = {
    "autotools": "configure",
    "cmake": "CMakeLists.txt",
    "meson": "meson.build",
    "make": "Makefile",
    "cargo": "Cargo.toml",
    "go": "main.go",
    "python": "setup.py",
}


@pytest.mark.parametrize("build", MARKS)
def test_packages_by_the_macros_of_buildroot(tmp_path: Path, build: str) -> None:
    (tmp_path / MARKS[build]).write_text("")
    words = (
        f"layers: [packages: [{{name: my-tool, source: ., build: {build}, depends: [zlib, host-pkgconf, linux]}}]]"
    )
    generated = made(tmp_path, words)
    rules = generated.files["package/my-tool/my-tool.mk"].content.decode()
    macro = {"make": "generic", "go": "golang"}.get(build, build)
    assert f"$(eval $({macro}-package))" in rules
    assert "MY_TOOL_DEPENDENCIES = zlib host-pkgconf linux\n" in rules
    assert f"MY_TOOL_SITE = {tmp_path.resolve()}\n" in rules
    kconfig = generated.files["package/my-tool/Config.in"].content.decode()
    assert "\tselect BR2_PACKAGE_ZLIB\n" in kconfig
    assert "\tdepends on BR2_LINUX_KERNEL\n" in kconfig
    assert "HOST_PKGCONF" not in kconfig
    assert symbols(generated)["BR2_PACKAGE_MY_TOOL"] == ["y"]


@pytest.mark.parametrize("build", MARKS)
def test_a_folder_that_is_not_built_in_that_way_is_refused(tmp_path: Path, build: str) -> None:
    with pytest.raises(UserError, match="but there is no"):
        made(tmp_path, f"layers: [packages: [{{name: my-tool, source: ., build: {build}}}]]")


def test_buildroot_makes_a_configure_that_is_not_there(tmp_path: Path) -> None:
    words = "layers: [packages: [{name: a, source: ., build: autotools}]]"
    (tmp_path / "configure.ac").write_text("")
    assert b"A_AUTORECONF = YES" in made(tmp_path, words).files["package/a/a.mk"].content
    (tmp_path / "configure").write_text("")
    assert b"AUTORECONF" not in made(tmp_path, words).files["package/a/a.mk"].content


@pytest.mark.parametrize(
    ("content", "module"),
    [
        ("module example.org/agent\n\ngo 1.19\n", "example.org/agent"),
        ('// the agent\nmodule "example.org/v2" // said so\n', "example.org/v2"),
        ("module\texample.org/tab\r\n", "example.org/tab"),
        ("module (\n\texample.org/block\n)\n", "my-agent"),
        ("// module example.org/comment\n", "my-agent"),
        ("module example.org/$(shell id)\n", "my-agent"),
        (None, "my-agent"),
    ],
)
def test_a_go_package_is_called_as_its_own_file_says(tmp_path: Path, content: str | None, module: str) -> None:
    (tmp_path / "main.go").write_text("package main\n")
    if content is not None:
        (tmp_path / "go.mod").write_text(content)
    words = "layers: [packages: [{name: my-agent, source: ., build: go}]]"
    files = made(tmp_path, words).files
    assert f"MY_AGENT_GOMOD = {module}\n" in files["package/my-agent/my-agent.mk"].content.decode()
    assert b"select BR2_PACKAGE_HOST_GO\n" in files["package/my-agent/Config.in"].content


def test_the_description_has_the_last_word_on_a_module(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.org/agent\n")
    words = "layers: [packages: [{name: a, source: ., build: go, module: example.org/other}]]"
    assert b"A_GOMOD = example.org/other\n" in made(tmp_path, words).files["package/a/a.mk"].content


@pytest.mark.parametrize("module", ["$(shell id)", "a b", "a'b", "-x", ""])
def test_a_module_is_a_plain_name(module: str) -> None:
    with pytest.raises(ValueError, match="module"):
        layers.SourcePackage(name="a", source="x", build="go", module=module)


def test_settings_know_the_line_that_makes_them(tmp_path: Path) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(
        "systems:\n  it:\n    root: {buildroot: {tree: {local: /br}}}\n    images:\n      - files\n"
        "      - ext: {gzip: true}\n    layers:\n      - hostname: here\n"
        "      - services: [{name: a, command: b}, {name: a, command: c}]\n"
        "    variants:\n      other:\n        layers:\n          - hostname: there\n"
    )
    own, other = load(path).systems
    with pytest.raises(UserError, match="two services have the name 'a'") as caught:
        generate(own, tmp_path, Path("/made"))
    assert caught.value.where == Where(path=path, line=9)
    lines = {each.symbol: each.line for each in generate(other, tmp_path, Path("/made")).settings}
    assert lines["BR2_TARGET_GENERIC_HOSTNAME"] == 13
    assert lines["BR2_TARGET_ROOTFS_EXT2_GZIP"] == 6


@pytest.mark.parametrize(("module", "expected"), [("", "setuptools"), (", module: flit", "flit")])
def test_how_a_python_package_is_built(tmp_path: Path, module: str, expected: str) -> None:
    (tmp_path / MARKS["python"]).write_text("")
    words = f"layers: [packages: [{{name: a, source: ., build: python{module}}}]]"
    assert f"\nA_SETUP_TYPE = {expected}\n" in made(tmp_path, words).files["package/a/a.mk"].content.decode()


@pytest.mark.parametrize(
    ("words", "number"), [("gid: 7", 7), ("gid: 0", 0), ("system: true", -1), ("system: false", -2)]
)
def test_groups_get_a_number_of_their_kind(tmp_path: Path, words: str, number: int) -> None:
    generated = made(tmp_path, f"layers: [groups: [{{name: g, {words}}}]]")
    assert generated.files["tables/users"].content.decode() == f"- -1 g {number} - - - - -\n"


def test_packages_that_a_tree_has_and_lacks(tmp_path: Path) -> None:
    for path in (
        "tree/package/zlib/zlib.mk",
        "tree/boot/uboot/uboot.mk",
        "ext/package/x/deep/deep.mk",
        "ext/linux/linux.mk",
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    words = [
        {"name": "one", "source": ".", "build": "make", "depends": ("zlib", "host-uboot", "linux", "two", "gone")},
        {"name": "two", "source": ".", "build": "make", "depends": ("deep", "host-gone")},
        {"name": "zlib", "source": ".", "build": "make"},
    ]
    layer = layers.PackagesLayer.model_validate({"packages": tuple(words)})
    found = packages.against((layer,), (tmp_path / "tree", tmp_path / "ext"), tmp_path / "system.yaml")
    assert [(each.reason, each.message.partition(": ")[2]) for each in found] == [
        ("unknown-package", "one: depends: there is no package 'gone' in Buildroot"),
        ("unknown-package", "two: depends: there is no package 'gone' in Buildroot"),
        ("name-taken", "Buildroot or an external tree already has a package 'zlib'"),
    ]


def test_overlays_and_scripts_are_added_to_the_users_own(tmp_path: Path) -> None:
    login = f"{{root_login: {{password: {{hash: '{HASH}'}}}}}}"
    generated = made(tmp_path, f"layers: [{login}, {{users: [{{name: a, sudo: true, gecos: 'b # c'}}]}}]")
    scripts = {
        name: file for name, file in generated.files.items() if file.content.startswith(b"#!/bin/sh\nexec ")
    }
    assert scripts
    assert {file.mode for file in scripts.values()} == {0o755}
    lists = ("BR2_ROOTFS_OVERLAY", "BR2_ROOTFS_POST_BUILD_SCRIPT", "BR2_ROOTFS_POST_FAKEROOT_SCRIPT")
    found = [each for each in generated.settings if each.symbol in lists]
    assert {each.symbol for each in found} == set(lists)
    assert all(each.append for each in found)
