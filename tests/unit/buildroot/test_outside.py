"""What a build reads beside what the description names: by symbols, by rules of packages, by scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.archives import digests
from rootstream.buildroot import info, outside
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.project.project import find

TEXT = """\
systems:
  box:
    root: {{buildroot: {{tree: {{local: {tree}}}, external: [ext]}}}}
    images: [files]
"""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    tree = tmp_path / "buildroot"
    (tree / "board" / "pc").mkdir(parents=True)
    (tree / "board/pc/linux.config").write_text("")
    project = tmp_path / "project"
    for name in ("ext/board", "overlay/etc", "patches"):
        (project / name).mkdir(parents=True)
    (project / "ext/board/my.dts").write_text("one\n")
    (project / "overlay/etc/word").write_text("one\n")
    (project / "post.sh").write_text("cat VERSION\n")
    (project / "system.yaml").write_text(TEXT.format(tree=tree))
    where = find(project)
    made = workspace(where, load(where.description).systems[0], tree, {"HOME": str(tmp_path / "home")})
    made.output.mkdir(parents=True)
    made.config.write_text("")
    return made


def values(space: Workspace) -> dict[str, str]:
    ext = f"{space.project}/ext"
    return {
        "BR2_ROOTFS_OVERLAY": f'"{ext}/../overlay {space.generated}/overlay"',
        "BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE": '"board/pc/linux.config"',
        "BR2_GLOBAL_PATCH_DIR": f'"{space.project}/patches"',
        "BR2_LINUX_KERNEL_CUSTOM_DTS_PATH": f'"{ext}/board/*.dts"',
        "BR2_ROOTFS_POST_SCRIPT_ARGS": f'"-c {ext}/../genimage.cfg -t /etc"',
        "BR2_DL_DIR": f'"{space.tree}/dl"',
        "BR2_SYSTEM_DEFAULT_PATH": '"/usr/bin:/usr/sbin"',
        "BR2_PACKAGE_THING_HOME": '"/usr"',
    }


def test_symbols_that_name_files_wherever_they_are(space: Workspace) -> None:
    found = outside.of_configuration(space, values(space))
    assert found == {
        "BR2_ROOTFS_OVERLAY": (space.project / "overlay",),
        "BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE": (space.tree / "board/pc/linux.config",),
        "BR2_GLOBAL_PATCH_DIR": (space.project / "patches",),
        "BR2_LINUX_KERNEL_CUSTOM_DTS_PATH": (space.project / "ext/board/my.dts",),
    }


def test_folders_outside_that_scripts_and_packages_are_given(space: Workspace, tmp_path: Path) -> None:
    for name in ("keys", "source", "home/.hidden"):
        (tmp_path / name).mkdir(parents=True)
    told = {
        "BR2_ROOTFS_POST_SCRIPT_ARGS": f'"{tmp_path}/keys {tmp_path}/home {tmp_path}/home/.hidden {tmp_path}/no"'
    }
    of_package = {"ONE_SITE": f"{tmp_path}/source", "ONE_OVERRIDE_SRCDIR": f' "{tmp_path}/source"'}
    assert outside.paths(space, told, [of_package])[0] == (tmp_path / "keys", tmp_path / "source")
    (space.project / "ext/local.mk").write_text("ONE_OVERRIDE_SRCDIR ?= $(BR2_EXTERNAL_EXT_PATH)/../../source\n")
    space.config.write_text(f'BR2_PACKAGE_OVERRIDE_FILE="{space.project}/ext/local.mk"\n')
    assert outside.named(space) == (tmp_path / "source",)


def test_what_is_outside_of_the_tree_is_looked_at_again(space: Workspace) -> None:
    paths, project = outside.paths(space, values(space), [])
    assert space.tree / "board/pc/linux.config" not in paths  # the identity of the tree has it
    assert not project
    before = outside.digest(space, paths, project=project)
    assert outside.digest(space, paths, project=project) == before
    (space.project / "overlay/etc/word").write_text("two\n")
    changed = outside.digest(space, paths, project=project)
    assert changed != before
    (space.project / "patches/0001.patch").write_text("")
    assert outside.digest(space, paths, project=project) != changed


def test_a_script_may_read_anything_of_the_project(space: Workspace) -> None:
    told = {
        "BR2_ROOTFS_POST_BUILD_SCRIPT": f'"{space.project}/ext/../post.sh {space.generated}/scripts/post_build"'
    }
    assert outside.scripts(space, told) == ("post.sh",)
    paths, project = outside.paths(space, told, [])
    assert project
    before = outside.digest(space, paths, project=project)
    (space.project / "out").mkdir()
    (space.project / "out/image").write_text("")
    assert outside.digest(space, paths, project=project) == before
    (space.project / "VERSION").write_text("2\n")
    assert outside.digest(space, paths, project=project) != before


def test_generated_scripts_read_what_is_generated(space: Workspace) -> None:
    told = {"BR2_ROOTFS_POST_BUILD_SCRIPT": f'"{space.generated}/scripts/post_build"'}
    assert outside.project_digest(space, told) == ""


def test_rules_name_files_of_the_project_and_of_boards(space: Workspace) -> None:
    variables = {
        "UBOOT_BUILD_CMDS": f"\tcp -f {space.project}/ext/board/my.dts {space.output}/build/uboot-1/arch/",
        "UBOOT_MAKE": f'PATH="{space.output}/host/bin:/usr/bin" make CFG=board/pc/linux.config /etc/passwd',
        "UBOOT_OPTS": f"--prefix=/usr --sysconfdir=/etc --with={space.project}",
    }
    assert outside.of_rules(space, variables) == (
        space.tree / "board/pc/linux.config",
        space.project / "ext/board/my.dts",
    )


@pytest.mark.parametrize(
    ("rules", "asks"),
    [
        ("include $(sort $(wildcard $(BR2_EXTERNAL_EXT_PATH)/package/*/*.mk))\n", False),
        ("VERSION = $(shell cat $(BR2_EXTERNAL_EXT_PATH)/../VERSION)\n", True),
    ],
)
def test_make_files_that_read_by_themselves(space: Workspace, rules: str, asks: bool) -> None:
    (space.project / "ext/external.mk").write_text(rules)
    assert outside.asks_shell(space) is asks


def test_make_files_from_elsewhere_and_patches_decide_what_buildroot_says(space: Workspace) -> None:
    common = space.project / "common.mk"
    common.write_text("A = 1\n")
    told = {
        outside.MAKEFILES: f" Makefile package/pkg-generic.mk {space.project}/ext/../common.mk",
        **values(space),
    }
    before = outside.asked_digest(space, told)
    (space.project / "overlay/etc/word").write_text("two\n")
    assert outside.asked_digest(space, told) == before
    common.write_text("A = 2\n")
    changed = outside.asked_digest(space, told)
    assert changed != before
    (space.project / "patches/0001.patch").write_text("")
    assert outside.asked_digest(space, told) != changed


def test_symbols_and_make_files_are_read_from_the_answer() -> None:
    answer = "{}\nBR2_ROOTFS_OVERLAY='\"/p/overlay\"'\nROOTSTREAM_MAKEFILES=' Makefile /p/a.mk'\n"
    _, variables = info.answer_of(answer)
    assert variables[info.NO_PACKAGE] == {
        "BR2_ROOTFS_OVERLAY": '"/p/overlay"',
        outside.MAKEFILES: " Makefile /p/a.mk",
    }


def test_a_project_that_cannot_be_read_is_never_unchanged(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"BR2_ROOTFS_POST_BUILD_SCRIPT": f'"{space.project}/post.sh"'}
    before = outside.project_digest(space, told)
    assert outside.project_digest(space, told) == before

    def refused(*_words: object, **_named: object) -> dict[str, str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(digests, "listing", refused)  # root may read everything
    assert outside.project_digest(space, told) != outside.project_digest(space, told)
