"""`rootstream config` on real trees: requests against results, changes saved where they belong, hand edits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from tests.buildroot.conftest import Base, Command
from tests.readonly import look

from rootstream.buildroot.sources import tree

pytestmark = pytest.mark.buildroot

SYSTEM = """\
# the systems of this project
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig  # all that matters
    images: [files]
    layers:
      - hostname: box
    variants:
      debug:
        description: with tools
"""
DEFCONFIG = """\
BR2_x86_64=y
# what people use
BR2_PACKAGE_BASH=y
BR2_PACKAGE_BUSYBOX_SHOW_OTHERS=y
"""
LEGACY = ("BR2_PACKAGE_OLD_DEPTH", "BR2_PACKAGE_WATCHDOGD_GENERIC_POLL")  # of the small tree, of real ones


def project(folder: Path, tree: Path) -> Path:
    (folder / "system.yaml").write_text(SYSTEM.format(tree=tree))
    (folder / "box_defconfig").write_text(DEFCONFIG)
    return folder


@pytest.fixture
def box(each_tree: Path, tmp_path: Path) -> Path:
    return project(tmp_path, each_tree)


@pytest.fixture
def real(any_tree: Path, tmp_path: Path) -> Path:
    """Return the project on trees with menus, defconfigs and help of their own only."""
    return project(tmp_path, any_tree)


def reasons(box: Path, run: Command) -> dict[str, tuple[str, int]]:
    done = run("config", "check", "--json", cwd=box, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == (2 if any(each["severity"] == "error" for each in told) else 0)
    return {each["symbol"]: (each["kind"], each["line"]) for each in told if each["severity"] == "error"}


def test_what_comes_out_as_asked_is_no_mistake(box: Path, run: Command) -> None:
    assert reasons(box, run) == {}
    assert run("config", "get", "BR2_PACKAGE_BASH", cwd=box).stdout == "BR2_PACKAGE_BASH=y\n"
    assert run("config", "get", "BR2_TARGET_GENERIC_HOSTNAME", cwd=box).stdout.endswith('="box"\n')


def test_every_kind_of_mistake_with_its_line(box: Path, run: Command) -> None:
    with (box / "box_defconfig").open("a") as file:
        file.write(
            "BR2_PACKAGE_BASHH=y\nBR2_PACKAGE_SYSTEMD=y\nBR2_TARGET_ROOTFS_EXT2_SIZE=7\nBR2_PACKAGE_AICCU=y\n"
        )
    found = reasons(box, run)
    assert found["BR2_PACKAGE_BASHH"] == ("symbol-unknown", 5)
    assert found["BR2_PACKAGE_SYSTEMD"] == ("symbol-dependency", 6)
    assert found["BR2_TARGET_ROOTFS_EXT2_SIZE"][1] == 7
    assert found["BR2_PACKAGE_AICCU"] == ("symbol-legacy", 8)


def test_a_build_stops_at_a_dropped_symbol(box: Path, run: Command) -> None:
    with (box / "box_defconfig").open("a") as file:
        file.write("BR2_PACKAGE_SYSTEMD=y\n")
    done = run("build", cwd=box, check=False)
    assert done.returncode == 2
    assert "box_defconfig:5" in done.stderr
    assert "BR2_INIT_SYSTEMD" in done.stderr
    assert not (box / "out" / "box").exists()


def test_what_is_set_is_saved_and_comments_stay(box: Path, run: Command) -> None:
    done = run("config", "set", "BR2_PACKAGE_TREE=y", cwd=box)
    assert "+BR2_PACKAGE_TREE=y" in done.stdout
    assert (box / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"
    run("config", "unset", "BR2_PACKAGE_TREE", cwd=box)
    assert (box / "box_defconfig").read_text() == DEFCONFIG


def test_what_does_not_come_out_is_taken_back(box: Path, run: Command) -> None:
    done = run("config", "set", "BR2_PACKAGE_SYSTEMD=y", cwd=box, check=False)
    assert done.returncode == 2
    assert (box / "box_defconfig").read_text() == DEFCONFIG
    assert reasons(box, run) == {}


def test_what_system_yaml_sets_is_changed_there(box: Path, run: Command) -> None:
    done = run("config", "set", "BR2_TARGET_GENERIC_HOSTNAME=other", cwd=box, check=False)
    assert done.returncode == 2
    assert "system.yaml" in done.stderr


def test_a_variant_keeps_its_changes_in_a_file_of_its_own(box: Path, run: Command) -> None:
    run("config", "set", "--variant", "debug", "BR2_PACKAGE_STRACE=y", cwd=box)
    assert (box / "box_defconfig").read_text() == DEFCONFIG
    assert (box / "configs" / "box-debug.config").read_text() == "BR2_PACKAGE_STRACE=y\n"
    text = (box / "system.yaml").read_text()
    assert "configs/box-debug.config" in text
    assert "# the systems of this project" in text
    assert "# all that matters" in text
    assert run("config", "get", "--system", "box@debug", "BR2_PACKAGE_STRACE", cwd=box).stdout.endswith("=y\n")
    assert run("config", "get", "--system", "box", "BR2_PACKAGE_STRACE", cwd=box).stdout.endswith("=n\n")
    assert (
        run("config", "diff", "--system", "box", "box@debug", cwd=box).stdout.split(":")[0] == "BR2_PACKAGE_STRACE"
    )


def edit_by_hand(box: Path, run: Command) -> None:
    run("config", "discard", cwd=box)  # makes the output folder's .config
    config = box / ".rootstream" / "buildroot" / "box" / "output" / ".config"
    text = config.read_text()
    config.write_text(text.replace("# BR2_PACKAGE_TREE is not set", "BR2_PACKAGE_TREE=y"))
    assert config.read_text() != text


def test_an_edit_in_the_output_folder_is_told_and_not_lost(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    done = run("build", cwd=box, check=False)
    assert done.returncode == 2
    assert "BR2_PACKAGE_TREE" in done.stderr
    assert "config save" in done.stderr
    assert run("config", "diff", cwd=box).stdout == "BR2_PACKAGE_TREE: n -> y\n"


READING = (
    ("config", "check"),
    ("config", "get", "BR2_PACKAGE_BASH"),
    ("config", "diff"),
    ("config", "diff", "box@debug", "--system", "box"),
    ("config", "explain", "BR2_PACKAGE_TREE"),
    ("build", "-n"),
    ("show",),
)


def test_what_only_reads_changes_nothing(box: Path, run: Command) -> None:
    for words in READING:
        look(box, *words)
    run("config", "discard", cwd=box)
    told = {words: look(box, *words) for words in READING}
    assert "new: nothing is built yet" in told["build", "-n"].stderr
    assert "bash" in told["show",].stdout
    assert "no log of busybox" in look(box, "log", "box:busybox", status=2).stderr


def test_a_check_names_an_edit_in_the_output_folder_and_leaves_it(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    for _ in range(2):
        told = json.loads(look(box, "config", "check", "--json", status=2).stdout)
        wrong = [(each["kind"], each["symbol"]) for each in told if each["severity"] == "error"]
        assert wrong == [("hand-edited", "BR2_PACKAGE_TREE")]
    assert "config save" in look(box, "config", "get", "BR2_PACKAGE_TREE", status=2).stderr
    assert "+BR2_PACKAGE_TREE=y" in run("config", "save", cwd=box).stdout


def test_without_a_tree_nothing_is_fetched(tmp_path: Path) -> None:
    tree = "{tar: {url: 'file:///nowhere/buildroot.tar', sha256: " + 64 * "0" + "}}"
    (tmp_path / "system.yaml").write_text(
        f"systems: {{box: {{root: {{buildroot: {{tree: {tree}}}}}, images: [files]}}}}"
    )
    words = (("config", "check"), ("build", "-n"), ("show",))
    for each in words:
        assert "`rootstream update`" in look(tmp_path, *each, status=2).stderr
    run_update = [sys.executable, "-m", "rootstream", "update"]
    subprocess.run(run_update, cwd=tmp_path, check=True, capture_output=True)
    for each in words:
        assert "`rootstream fetch`" in look(tmp_path, *each, status=2).stderr


def test_clean_does_not_lose_an_edit_in_the_output_folder(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    done = run("clean", cwd=box, check=False)
    assert done.returncode == 2
    assert "BR2_PACKAGE_TREE" in done.stderr
    assert (box / ".rootstream").is_dir()
    run("config", "save", cwd=box)
    run("clean", cwd=box)
    assert not (box / ".rootstream").exists()
    assert (box / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"


def test_an_edit_in_the_output_folder_is_saved(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    assert "+BR2_PACKAGE_TREE=y" in run("config", "save", cwd=box).stdout
    assert (box / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"
    assert reasons(box, run) == {}


def test_an_edit_in_the_output_folder_is_dropped(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    run("config", "discard", cwd=box)
    assert reasons(box, run) == {}
    assert (box / "box_defconfig").read_text() == DEFCONFIG


def test_a_whole_config_is_told_and_minimised(real: Path, run: Command) -> None:
    run("config", "discard", cwd=real)
    whole = (real / ".rootstream" / "buildroot" / "box" / "output" / ".config").read_text()
    (real / "box_defconfig").write_text(whole)
    assert "full .config" in run("config", "check", cwd=real, check=False).stdout
    run("config", "minimize", cwd=real)
    assert len((real / "box_defconfig").read_text().splitlines()) < 20
    assert run("config", "get", "BR2_PACKAGE_BASH", cwd=real).stdout == "BR2_PACKAGE_BASH=y\n"


def test_symbols_of_older_trees_in_a_whole_config_are_no_mistake(base: Base, tmp_path: Path, run: Command) -> None:
    (tmp_path / "system.yaml").write_text(SYSTEM.format(tree=base.tree))
    (tmp_path / "box_defconfig").write_text(base.defconfig)
    run("config", "discard", cwd=tmp_path)  # makes the .config
    whole = (tmp_path / ".rootstream" / "buildroot" / "box" / "output" / ".config").read_text()
    (tmp_path / "box_defconfig").write_text(whole)
    assert reasons(tmp_path, run) == {}
    # an int that is 0 unless somebody asks for it
    name = next(name for name in LEGACY if f"\n{name}=0\n" in whole)
    (tmp_path / "box_defconfig").write_text(whole.replace(f"\n{name}=0\n", f"\n{name}=3\n"))
    assert {symbol: kind for symbol, (kind, _) in reasons(tmp_path, run).items()} == {name: "symbol-legacy"}


def test_folders_that_are_not_used_are_told(base: Base, tmp_path: Path, run: Command) -> None:
    (tmp_path / "system.yaml").write_text(SYSTEM.format(tree=base.tree))
    (tmp_path / "box_defconfig").write_text(base.defconfig + 'BR2_DL_DIR="/srv/dl"\n')
    assert reasons(tmp_path, run) == {}
    told = json.loads(run("config", "check", "--json", cwd=tmp_path).stdout)
    line = len((tmp_path / "box_defconfig").read_text().splitlines())
    assert ("folder-given", "BR2_DL_DIR", line) in {(each["kind"], each["symbol"], each["line"]) for each in told}
    (tmp_path / "box_defconfig").write_text(base.defconfig + 'BR2_HOST_DIR="/opt/sdk"\n')
    assert reasons(tmp_path, run)["BR2_HOST_DIR"] == ("folder-given", line)


def test_a_path_that_is_refused_is_told_and_can_be_fixed(base: Base, tmp_path: Path, run: Command) -> None:
    (tmp_path / "home/.patches").mkdir(parents=True)
    (tmp_path / "home/patches").mkdir()
    (tmp_path / "box").mkdir()
    box, env = tmp_path / "box", {"HOME": str(tmp_path / "home")}
    (box / "system.yaml").write_text(SYSTEM.format(tree=base.tree))
    for name, status in ((".patches", 2), ("patches", 0)):
        line = f'BR2_GLOBAL_PATCH_DIR="$(HOME)/{name}"\n'
        (box / "box_defconfig").write_text(base.defconfig + line)
        run("config", "discard", cwd=box, env=env)
        for words in (("config", "check"), ("build", "-n")):
            done = run(*words, cwd=box, check=False, env=env)
            assert done.returncode == status, done.stderr
            place = f"box_defconfig:{len((base.defconfig + line).splitlines())}: BR2_GLOBAL_PATCH_DIR"
            assert (place in done.stdout + done.stderr) is bool(status)


def test_a_mistake_in_an_external_tree_is_told_at_its_line(base: Base, tmp_path: Path, run: Command) -> None:
    lines = SYSTEM.format(tree=base.tree).replace(
        "        defconfig:", "        external: [ext]\n        defconfig:"
    )
    (tmp_path / "system.yaml").write_text(lines)
    (tmp_path / "box_defconfig").write_text(base.defconfig)
    (tmp_path / "ext/package/one").mkdir(parents=True)
    # the tree lacks external.mk, so Buildroot is given another folder
    (tmp_path / "ext/external.desc").write_text("name: EXT\n")
    (tmp_path / "ext/Config.in").write_text("\nbogus bogus\n")  # told where it ends
    assert f"{tmp_path}/ext/Config.in:3: make" in run("config", "check", cwd=tmp_path, check=False).stderr
    (tmp_path / "ext/Config.in").write_text("")
    (tmp_path / "ext/package/one/one.mk").write_text("ONE_VERSION = 1\n$(eval $(generic-package)\n")
    told = run("build", "-n", cwd=tmp_path, check=False).stderr
    assert f"{tmp_path}/ext/package/one/one.mk:2: make" in told
    assert "rootstream-plan" not in told  # a folder that is gone by then


def test_what_an_external_tree_lacks_is_made_under_its_own_name(base: Base, tmp_path: Path, run: Command) -> None:
    text = SYSTEM.format(tree=base.tree)
    (tmp_path / "system.yaml").write_text(
        text.replace("        defconfig:", "        external: [vendor]\n        defconfig:")
    )
    (tmp_path / "box_defconfig").write_text(base.defconfig + "BR2_PACKAGE_ONE=y\n")
    (tmp_path / "vendor/package/one").mkdir(parents=True)
    (tmp_path / "vendor/external.desc").write_text("name: ACME\n")  # and no Config.in
    (tmp_path / "vendor/external.mk").write_text("include $(BR2_EXTERNAL_ACME_PATH)/package/one/one.mk\n")
    (tmp_path / "vendor/package/one/Config.in").write_text('config BR2_PACKAGE_ONE\n\tbool "one"\n')
    (tmp_path / "vendor/package/one/one.mk").write_text(
        "ONE_VERSION = 1\nONE_SOURCE =\n$(eval $(generic-package))\n"
    )
    assert reasons(tmp_path, run) == {}
    assert "one" in run("show", cwd=tmp_path).stdout


def test_a_tree_that_is_too_old_is_told_before_anything_is_made(
    small_tree: Path, tmp_path: Path, run: Command
) -> None:
    old, box = tmp_path / "old", tmp_path / "box"
    shutil.copytree(small_tree, old)
    makefile = (old / "Makefile").read_text()
    (old / "Makefile").write_text(makefile.replace("show-info", "show-nothing"))
    (box / "ext").mkdir(parents=True)
    (box / "system.yaml").write_text(
        SYSTEM.format(tree=old).replace("        defconfig:", "        external: [ext]\n        defconfig:")
    )
    (box / "box_defconfig").write_text("BR2_x86_64=y\n")
    # as the one tree of that time was named: no mistake there
    (box / "ext" / "external.mk").write_text("include $(BR2_EXTERNAL)/package/one/one.mk\n")
    for words in (("build",), ("build", "-n"), ("config", "check"), ("show",)):
        done = run(*words, cwd=box, check=False)
        assert done.returncode == 2
        assert f"{old}/Makefile: " in done.stderr
        assert tree.OLDEST in done.stderr
        assert not (box / ".rootstream" / "buildroot").exists()
    (old / "Makefile").write_text(makefile)
    assert "BR2_EXTERNAL_EXT_PATH" in run("config", "check", cwd=box, check=False).stderr


def test_the_short_form_of_a_whole_config_gives_the_same(box: Path, run: Command) -> None:
    config = box / ".rootstream" / "buildroot" / "box" / "output" / ".config"
    with (box / "box_defconfig").open("a") as file:
        file.write("BR2_TARGET_ENABLE_ROOT_LOGIN=y\n")
    run("config", "discard", cwd=box)  # makes the .config
    before = config.read_text()
    (box / "box_defconfig").write_text(before)
    run("config", "minimize", cwd=box)
    assert "BR2_TARGET_ENABLE_ROOT_LOGIN=y\n" in (box / "box_defconfig").read_text()
    run("config", "discard", cwd=box)
    assert config.read_text() == before


def test_a_password_of_the_defconfig_is_kept(box: Path, run: Command) -> None:
    with (box / "box_defconfig").open("a") as file:
        file.write('BR2_TARGET_GENERIC_ROOT_PASSWD="factory"\n')
    assert reasons(box, run) == {}
    assert run("config", "get", "BR2_TARGET_ENABLE_ROOT_LOGIN", cwd=box).stdout.endswith("=y\n")


def test_the_defconfig_is_named_as_by_buildroots_own_make(box: Path, run: Command) -> None:
    assert run("config", "get", "BR2_DEFCONFIG", cwd=box).stdout == f'BR2_DEFCONFIG="{box}/box_defconfig"\n'


def test_a_refused_save_loses_no_edit(box: Path, run: Command) -> None:
    (box / "more.config").write_text("")
    text = (box / "system.yaml").read_text()
    (box / "system.yaml").write_text(
        text.replace("        defconfig:", "        fragments: [more.config]\n        defconfig:")
    )
    run("config", "get", "BR2_ARCH", cwd=box)
    edit_by_hand(box, run)
    for words in (("save",), ("set", "BR2_PACKAGE_BASH=n", "--to", "more.config")):
        assert run("config", *words, cwd=box, check=False).returncode == 2
        assert run("config", "diff", cwd=box).stdout == "BR2_PACKAGE_TREE: n -> y\n"
    run("config", "save", "--to", "more.config", cwd=box)
    assert (box / "more.config").read_text() == "BR2_PACKAGE_TREE=y\n"


def test_menuconfig_saves_what_was_changed(real: Path) -> None:
    """Search for a package in the menu, choose it, leave and save: the defconfig has it and nothing else."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "rootstream", "config"],
        cwd=str(real),
        dimensions=(40, 120),
        timeout=60,
        env={**os.environ, "TERM": "xterm"},
    )
    child.expect("oad ")  # the last button of the menu; its first letter is in another colour
    # the tool draws only what changes on the screen, so that there is little text to wait for
    for keys in ("/", "PACKAGE_TREE\r", "1", "y", "\x1b\x1b", "\x1b\x1b", "\x1b\x1b", "\r"):
        child.expect(pexpect.TIMEOUT, timeout=2)
        child.send(keys)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (real / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"


def test_a_session_makes_a_variant_only_if_something_is_saved(real: Path) -> None:
    before = (real / "system.yaml").read_text()
    for keys, kept in (([], False), (["/", "PACKAGE_TREE\r", "1", "y", "\x1b\x1b", "\x1b\x1b"], True)):
        child = pexpect.spawn(
            sys.executable,
            ["-m", "rootstream", "config", "--create-variant", "leafy"],
            cwd=str(real),
            dimensions=(40, 120),
            timeout=60,
            env={**os.environ, "TERM": "xterm"},
        )
        child.expect("oad ")
        for key in (*keys, "\x1b\x1b", *(["\r"] if kept else [])):
            child.expect(pexpect.TIMEOUT, timeout=2)
            child.send(key)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        assert ("leafy" in (real / "system.yaml").read_text()) is kept
        assert kept or (real / "system.yaml").read_text() == before
    assert (real / "configs" / "box-leafy.config").read_text() == "BR2_PACKAGE_TREE=y\n"
    assert (real / "box_defconfig").read_text() == DEFCONFIG


def test_buildroot_has_its_own_help_and_lists_its_defconfigs(real: Path, run: Command) -> None:
    assert "menuconfig" in run("make", "help", cwd=real).stdout
    assert "qemu_x86_64_defconfig" in run("make", "list-defconfigs", cwd=real).stdout
    assert "Build bootable Linux images" in run("--help", cwd=real).stdout


@pytest.mark.parametrize("target", ["menuconfig", "linux-menuconfig", "savedefconfig", "qemu_x86_64_defconfig"])
def test_targets_that_change_a_configuration_are_not_passed_on(box: Path, run: Command, target: str) -> None:
    done = run("make", target, cwd=box, check=False)
    assert done.returncode == 2
    assert "rootstream config" in done.stderr


def test_hostile_values_arrive_as_meant_or_are_refused(box: Path, run: Command) -> None:
    run("config", "set", 'BR2_TARGET_GENERIC_ISSUE=a "b" \\c $$d é', cwd=box)
    value = run("config", "get", "BR2_TARGET_GENERIC_ISSUE", cwd=box).stdout.partition("=")[2].strip()
    assert value == '"a \\"b\\" \\\\c $$d é"'
    for word in (
        "BR2_TARGET_GENERIC_ISSUE=a\nb",
        "BR2_TARGET_GENERIC_ISSUE=make sees no more #than this",
        "BR2_TARGET_GENERIC_ISSUE=5 $ a day",
        "BR2 X=y",
        "=y",
        "BR2_X",
    ):
        assert run("config", "set", word, cwd=box, check=False).returncode == 2
    assert run("config", "check", cwd=box).returncode == 0


def test_a_symbol_that_busybox_drops_stops_the_build_before_it_is_compiled(
    toolchain: Path, defconfig: str, tmp_path: Path, run: Command
) -> None:
    older = os.environ.get("ROOTSTREAM_BUILDROOT_OLDER", "").split(":")[0]
    if not older:
        pytest.skip("ROOTSTREAM_BUILDROOT_OLDER names nothing: BusyBox's tarball of that time is in Debian's pool")
    assert toolchain.is_dir()
    own = [
        line for line in defconfig.splitlines() if not any(word in line for word in ("BUSYBOX", "INIT_", "SH_"))
    ]
    (tmp_path / "box_defconfig").write_text("\n".join([*own, ""]))
    root = f"{{buildroot: {{tree: {{local: {older}}}, defconfig: box_defconfig, configs: "
    text = f"systems:\n  box:\n    root: {root}{{busybox: {{fragments: [bb.config]}}}}}}}}\n    images: [files]\n"
    (tmp_path / "system.yaml").write_text(text)
    (tmp_path / "bb.config").write_text("# CONFIG_VI is not set\nCONFIG_FEATURE_VI_8BIT=y\nCONFIG_NOPE=y\n")
    for _ in range(2):  # the second time it is configured already
        done = run("build", cwd=tmp_path, check=False)
        assert done.returncode == 2
        assert "bb.config:2" in done.stderr
        assert "VI [=n]" in done.stderr
        assert "bb.config:3" in done.stderr
    assert not list((tmp_path / ".rootstream").glob("buildroot/box/output/build/busybox-*/busybox"))
