"""What packages have installed: kept, put back, and taken out without harm to others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from rootstream.buildroot.build import installed, notes, removal
from rootstream.buildroot.build.decision import Decision, Stale
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.description.model import Described
from rootstream.project.project import find

TEXT = "systems:\n  box:\n    root: {buildroot: {tree: {local: /nowhere}}}\n    images: [files]\n"
STAMPS = ("configured", "built", "staging_installed", "target_installed", "installed")


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    (tmp_path / "system.yaml").write_text(TEXT)
    where = find(tmp_path)
    described: Described = load(where.description).systems[0]
    made = workspace(where, described, tmp_path, {})
    for name in ("host", "staging", "target", "images", "build"):
        (made.output / name).mkdir(parents=True)
    return made


def build(
    space: Workspace, name: str, files: Mapping[str, tuple[str, ...]], stamps: tuple[str, ...] = STAMPS
) -> Path:
    folder = space.output / "build" / name
    folder.mkdir()
    for number, stamp in enumerate(stamps):
        (folder / f".stamp_{stamp}").touch()
        os.utime(folder / f".stamp_{stamp}", ns=(0, number))
    for place, suffix in installed.PLACES.items():
        paths = files.get(place, ())
        (folder / f".files-list{suffix}.txt").write_text("".join(f"{name},./{path}\n" for path in paths))
        for path in paths:
            file = space.output / place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
    return folder


def decision(*stale: Stale, target: str | None = "packages changed or were removed") -> Decision:
    return Decision(
        clean=None, target=target, packages=stale, added=(), planned={}, built={}, inputs="", first=False
    )


def goes(name: str) -> Stale:
    return Stale(name=name, action="remove", reason="")


def apply(space: Workspace, made: Decision, builds: Mapping[str, str]) -> None:
    notes.write(space, notes.Known(builds=dict(builds)))
    removal.apply(space, made)


def test_lists_outlive_another_installation(space: Workspace) -> None:
    folder = build(space, "lib-1", {"staging": ("usr/include/lib.h",), "target": ("usr/lib/lib.so",)})
    installed.keep(space)
    for suffix in installed.PLACES.values():  # what Buildroot makes of them when a package only installs again
        (folder / f".files-list{suffix}.txt").write_text("")
    assert installed.claims(space)["staging"] == {"lib-1": frozenset({"usr/include/lib.h"})}
    installed.keep(space)
    assert (folder / ".files-list.txt").read_text() == "lib-1,./usr/lib/lib.so\n"
    assert installed.unknown(space) == frozenset()


def test_what_is_joined_of_all_lists_has_them_again(space: Workspace, tmp_path: Path) -> None:
    build(space, "lib-1", {"target": ("usr/lib/lib.so",), "staging": ("usr/include/lib.h",)})
    build(space, "lib", {"target": ("usr/lib/a",)})
    installed.keep(space)
    joined = space.output / "build" / "packages-file-list.txt"
    assert not joined.exists()  # Buildroot makes it at the end of a build
    for path in (space.output / "build").glob("*/.files-list.txt"):
        path.write_text("")
    (tmp_path / "other").write_text("mine\n")
    joined.symlink_to(tmp_path / "other")
    (space.output / "build" / "packages-file-list-staging.txt").write_text("")
    installed.keep(space)
    assert joined.read_text() == "lib-1,./usr/lib/lib.so\nlib,./usr/lib/a\n"
    assert (space.output / "build" / "packages-file-list-staging.txt").read_text() == "lib-1,./usr/include/lib.h\n"
    assert (tmp_path / "other").read_text() == "mine\n"


def test_lists_that_were_lost_before_they_were_kept_are_unknown(space: Workspace) -> None:
    build(space, "lib-1", {})
    build(space, "tool-1", {}, ("configured", "built", "target_installed", "installed"))
    assert installed.unknown(space) == {"lib-1"}


def test_what_is_built_while_another_waits_is_not_of_that(space: Workspace) -> None:
    early = build(space, "linux-6", {"staging": ("usr/include/lib.h", "usr/include/linux.h")})
    build(space, "lib-1", {"staging": ("usr/include/lib.h",)})
    os.utime(early / ".stamp_built", ns=(0, 10))
    os.utime(space.output / "build/lib-1/.stamp_configured", ns=(0, 5))
    installed.keep(space)
    assert installed.claims(space)["staging"]["linux-6"] == {"usr/include/linux.h"}


def test_who_shares_a_file_installs_again_and_who_shares_with_that() -> None:
    claims = {
        "staging": {name: frozenset(files) for name, files in {"a": "xy", "b": "yz", "c": "z", "d": "w"}.items()},
        "host": {"a": frozenset({"share/info/dir"}), "d": frozenset({"share/info/dir"})},
    }
    assert installed.sharing(claims, ["a"]) == {"b": "a", "c": "b"}
    assert installed.sharing(claims, ["d"]) == {}


def test_what_goes_leaves_staging_and_images_stay_a_folder(space: Workspace) -> None:
    build(space, "lib-1", {"staging": ("usr/include/lib.h",)})
    tool = build(space, "tool-1", {"staging": ("usr/include/tool.h",), "images": ("tool.bin",)})
    apply(space, decision(goes("lib")), {"lib": "lib-1", "tool": "tool-1"})
    there = [path.name for path in (space.output / "staging").rglob("*.h")]
    assert there == ["tool.h"]
    assert space.images.is_dir()
    assert not list(space.images.iterdir())
    assert (tool / ".stamp_staging_installed").exists()
    assert not (tool / ".stamp_target_installed").exists()


def test_host_packages_that_write_images_install_them_again(space: Workspace) -> None:
    host = ("configured", "built", "host_installed", "installed")
    env = build(space, "host-env-1", {"host": ("bin/env",), "images": ("env.bin",)}, host)
    other = build(space, "host-other-1", {"host": ("bin/other",)}, host)
    apply(space, decision(target="files changed"), {})
    assert not (env / ".stamp_host_installed").exists()
    assert (other / ".stamp_host_installed").exists()


def test_what_a_cleaned_package_had_installed_goes(space: Workspace) -> None:
    folder = build(space, "lib-1", {"staging": ("usr/include/lib.h", "usr/include/both.h")})
    tool = build(space, "tool-1", {"staging": ("usr/include/tool.h", "usr/include/both.h")})
    before = installed.claims(space)
    shutil.rmtree(folder)
    removal.take_out_vanished(space, before)
    assert [path.name for path in (space.output / "staging").rglob("*.h")] == ["tool.h"]
    assert not (tool / ".stamp_staging_installed").exists()
