"""Whether a package needs more of the tree or the configuration than its part, by make itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What Buildroot's make does for this, and no more: rules with parts of names, packages, a target that prints.
MAKEFILE = """\
include $(O)/.config
-include local.mk
include $(sort $(wildcard package/*/*.mk))
RULE = $($(PKG)_BUILD_CMDS) $(1)_SITE
rootstream-variables:
	$(foreach each,$(sort $(filter APP_% OTHER_%,$(.VARIABLES))),$(info $(each)='$($(each))'))
	$(info ROOTSTREAM_HOOKS='$(TARGET_FINALIZE_HOOKS)')
"""
APP = """\
APP_PKGDIR = package/app/
APP_SITE = $(HELPER)
APP_NAME = $(HOST_NAME)
{more}
"""
TREE = {
    "tree/Makefile": MAKEFILE,
    "tree/package/pkg-generic.mk": "x := $($(PKG)_BUILD_CMDS) $(2)_SITE $(2)_CONF_OPTS $(2)_TARGET_FINALIZE_HOOKS",
    "tree/package/helper/helper.mk": "HELPER = http://example.org\n",
    "tree/package/app-tools/app-tools.mk": "APP_TOOLS_PKGDIR = package/app-tools/\nAPP_TOOLS_SITE = x\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in TREE.items():
        place = tmp_path / "root" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return tmp_path / "root"


def needs(root: Path, more: str, *, helper: bool = True, others: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return what the package `app` needs beyond its part, which lacks the host name, and maybe the helper.

    `others` are the packages that name its variables.
    """
    app = root / "tree" / "package" / "app" / "app.mk"
    app.parent.mkdir()
    app.write_text(APP.format(more=more))
    work = root.with_name("work")
    (work / "whole").mkdir(parents=True)
    (work / "whole" / ".config").write_text("HOST_NAME=box\n")
    (work / "config").write_text("")
    argv = ["make", "-s", "-C", str(root / "tree")]
    told = subprocess.run(
        [*argv, f"O={work / 'whole'}", "rootstream-variables"], capture_output=True, text=True, check=True
    )
    (work / "answer").write_text(told.stdout)
    nothing = work / "nothing"
    nothing.touch()
    folders = ["Makefile", "package/pkg-generic.mk", "package/app", *(["package/helper"] if helper else [])]
    fewest: dict[str, Any] = {
        "paths": [f"{root}/tree/{each}" for each in folders],
        "instead": {f"{root}/tree/local.mk": str(nothing)},
        "config": str(work / "config"),
    }
    text = (root / "tree" / "Makefile").read_text()
    if "VERSION := 7" in text:
        (work / "Makefile").write_text(text.replace("VERSION := 7", "VERSION := 0"))
        released = {**fewest, "paths": [*fewest["paths"], f"{root}/tree/Makefile"]}
        fewest["instead"] = {**fewest["instead"], f"{root}/tree/Makefile": str(work / "Makefile")}
    whole = str(work / "whole" / ".config")
    staged = {"fewest": fewest, "fuller": {**fewest, "config": whole}}
    if "VERSION := 7" in text:
        staged = {"fewest": fewest, "released": released, "fuller": {**released, "config": whole}}
    if others:
        more_paths = [f"{root}/tree/package/{each}" for each in others]
        staged["wider"] = {**staged["fuller"], "paths": [*fewest["paths"], *more_paths]}
    (work / "staged.json").write_text(json.dumps({"app": staged}))
    words = [str(root), str(work / "answer"), str(work / "staged.json"), str(work / "result"), "--"]
    program = [sys.executable, "-m", "rootstream.sandbox.buildroot.variables", *words]
    subprocess.run([*program, *argv, f"O={root}/output"], check=True)
    found: dict[str, dict[str, list[str]]] = json.loads((work / "result").read_text())
    return found.get("app", {})


def test_a_part_can_be_enough(root: Path) -> None:
    assert needs(root, "APP_BUILD_CMDS = echo $(APP_SITE)") == {}


def test_what_is_missing_in_the_tree(root: Path) -> None:
    found = needs(root, "APP_BUILD_CMDS = echo $(APP_SITE)", helper=False)
    assert found == {"whole": ["APP_BUILD_CMDS", "APP_SITE"]}


def test_packages_that_name_its_variables_can_be_enough(root: Path) -> None:
    found = needs(root, "APP_BUILD_CMDS = echo $(APP_SITE)", helper=False, others=("helper",))
    assert found == {"wider": ["APP_BUILD_CMDS", "APP_SITE"]}
    (root / "tree" / "package" / "app" / "app.mk").unlink()
    (root / "tree" / "package" / "app").rmdir()
    shutil.rmtree(root.with_name("work"))
    found = needs(root, "APP_BUILD_CMDS = echo $(APP_SITE)", helper=False, others=("app-tools",))
    assert found == {"whole": ["APP_BUILD_CMDS", "APP_SITE"]}


@pytest.mark.parametrize(("name", "expected"), [("none", {}), ("app", {"fuller": ["APP_HASH_FILES"]})])
def test_files_with_hashes_elsewhere_count_where_they_are(
    root: Path, name: str, expected: dict[str, list[str]]
) -> None:
    there = root / "box" / f"{name}.hash"
    there.parent.mkdir()
    there.touch()
    rules = root / "tree" / "package" / "pkg-generic.mk"
    rules.write_text(f"{rules.read_text()} $(2)_HASH_FILES")
    several = f"package/app//app.hash $(if $(HOST_NAME),{root}/$(HOST_NAME)/app.hash)"
    assert needs(root, f"APP_HASH_FILES = {several}") == expected


def test_a_symbol_of_images_that_the_build_uses(root: Path) -> None:
    assert needs(root, "APP_BUILD_CMDS = echo $(APP_NAME)") == {"fuller": ["APP_BUILD_CMDS"]}


@pytest.mark.parametrize(
    ("hooks", "expected"),
    [
        ("APP_TARGET_FINALIZE_HOOKS = APP_SET\nTARGET_FINALIZE_HOOKS = $(APP_TARGET_FINALIZE_HOOKS)", {}),
        ("APP_TARGET_FINALIZE_HOOKS = $(if $(HOST_NAME),APP_SET)\nTARGET_FINALIZE_HOOKS = APP_SET", {}),
        ("APP_POST_BUILD_HOOKS = APP_SET", {"fuller": ["APP_SET"]}),
        (
            "APP_POST_BUILD_HOOKS = APP_SET\nAPP_TARGET_FINALIZE_HOOKS = APP_SET\nTARGET_FINALIZE_HOOKS = APP_SET",
            {"fuller": ["APP_SET"]},
        ),
    ],
)
def test_a_symbol_of_images_in_a_hook(root: Path, hooks: str, expected: dict[str, list[str]]) -> None:
    assert needs(root, f"APP_SET = echo $(APP_NAME)\n{hooks}") == expected


def test_the_release_and_symbols_of_images(root: Path) -> None:
    (root / "tree" / "Makefile").write_text("VERSION := 7\n" + (root / "tree" / "Makefile").read_text())
    assert needs(root, "APP_BUILD_CMDS = echo $(VERSION)") == {"released": ["APP_BUILD_CMDS"]}
    shutil.rmtree(root.with_name("work"))
    shutil.rmtree(root / "tree" / "package" / "app")
    hook = "APP_SET = $(APP_NAME)\nAPP_TARGET_FINALIZE_HOOKS = APP_SET\nTARGET_FINALIZE_HOOKS = APP_SET"
    assert needs(root, f"APP_BUILD_CMDS = echo $(VERSION)\n{hook}") == {"released": ["APP_BUILD_CMDS"]}


def test_a_part_that_make_cannot_read(root: Path) -> None:
    found = needs(root, "APP_SOURCE = $(if $(HELPER),x,$(error no helper))", helper=False)
    assert "no helper" in found["whole"][0]
