"""Packages of Buildroot as elements: places in the sandbox, what is staged, the project that is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.buildroot.graph import elements, linking, staging
from rootstream.buildroot.graph.draft import GraphDraft, GraphInputs, Requests
from rootstream.buildroot.graph.places import EXTERNAL, OUTPUT, TREE, SandboxPlaces
from rootstream.buildroot.info import BuildrootPackage
from rootstream.host.content import chunks
from rootstream.plan import text
from rootstream.plan.model import Plan
from rootstream.sandbox.buildroot.inventory import Package

CONFIG = """\
#
# Automatically generated file; DO NOT EDIT.
#
BR2_HAVE_DOT_CONFIG=y
BR2_EXTERNAL_NAMES="ROOTSTREAM"
BR2_x86_64=y
BR2_JLEVEL=2
BR2_PACKAGE_APP=y
# BR2_PACKAGE_APP_TLS is not set
BR2_PACKAGE_LIB=y
BR2_PACKAGE_LIB_LEVEL=3
BR2_PACKAGE_OTHER=y
BR2_TARGET_GENERIC_HOSTNAME="box"
BR2_TARGET_GENERIC_GETTY_PORT="console"
"""


def package(name: str, *dependencies: str, folder: str = "") -> BuildrootPackage:
    return BuildrootPackage(
        name=name,
        kind="target",
        version="1.0",
        folder=folder or f"package/{name}",
        build=f"build/{name}-1.0",
        dependencies=dependencies,
        downloads=(),
        download_folder=name,
        hashes=(),
        patches=(),
        to_target=True,
    )


def write(place: Path, content: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)


@pytest.fixture
def trees(tmp_path: Path) -> staging.Trees:
    tree, external = tmp_path / "tree", tmp_path / "external"
    write(tree / "Makefile", "X := $(BR2_x86_64) $(BR2_JLEVEL) $(BR2_TARGET_GENERIC_HOSTNAME)\n")
    write(tree / "Config.in", "config BR2_PACKAGE_OTHER\n")
    write(tree / "package" / "pkg-generic.mk", "")
    write(tree / "package" / "app" / "app.mk", "ifeq ($(BR2_PACKAGE_APP_TLS),y)\n")
    write(tree / "package" / "app" / "Config.in", "depends on BR2_PACKAGE_OTHER\n")
    write(tree / "package" / "lib" / "lib.mk", "LEVEL = $(BR2_PACKAGE_LIB_LEVEL)\n")
    write(tree / "package" / "other" / "other.mk", "P = $(BR2_TARGET_GENERIC_GETTY_PORT)\n")
    write(external / "external.mk", "include $(sort $(wildcard $(BR2_EXTERNAL_X_PATH)/package/*/*.mk))\n")
    write(external / "package" / "own" / "own.mk", "")
    write(external / "board" / "linux.config", "")
    return staging.Trees(digest="1", tree=tree, externals={f"{EXTERNAL}/0": external})


PACKAGES = {
    "app": package("app", "lib"),
    "lib": package("lib"),
    "other": package("other"),
    "own": package("own", "app", folder=f"{EXTERNAL}/0/package/own"),
}


def levels(trees: staging.Trees, name: str, config: str = CONFIG) -> staging.Levels:
    return staging.of_packages(trees, PACKAGES, staging.lines(config))[name]


def staged(trees: staging.Trees, name: str, config: str = CONFIG) -> staging.Staged:
    return levels(trees, name, config).fewest


def test_paths_are_those_of_the_sandbox() -> None:
    places = SandboxPlaces(pairs=(("/srv/box", "/buildroot/project"), ("/srv/box/out", "/buildroot/output")))
    text = "-L/srv/box/out/lib /srv/boxes /srv/box.old '/srv/box' /srv/box/out"
    inside = "-L/buildroot/output/lib /srv/boxes /srv/box.old '/buildroot/project' /buildroot/output"
    assert places.inside(text) == inside
    assert places.here(inside) == text


def test_a_package_sees_itself_and_what_it_is_built_with(trees: staging.Trees) -> None:
    tree, external = trees.paths(staged(trees, "app"))
    assert {"package/pkg-generic.mk", "package/app", "package/lib"} <= set(tree)
    assert "package/other" not in tree
    assert external == (f"{EXTERNAL}/0/external.mk",)
    assert staged(trees, "own").outer == (f"{EXTERNAL}/0/package/own",)
    assert "package/app" in staged(trees, "own").folders


def test_rules_for_kernels_and_images_are_there_only_for_whom_they_concern(trees: staging.Trees) -> None:
    for path in ("linux/linux.mk", "fs/common.mk", "fs/ext2/ext2.mk"):
        write(trees.tree / path, "X = $(BR2_LINUX_KERNEL) $(BR2_TARGET_ROOTFS_EXT2)\n")
    for path in ("support/testing/run", "support/download/dl"):
        write(trees.tree / path, "")
    assert "support/download" in trees.rules()
    assert not {"linux", "fs", "support/testing"} & {*trees.rules(), *staged(trees, "app").folders}
    assert {"linux/linux.mk", "fs/common.mk"} <= set(staged(trees, "app").instead)
    config = CONFIG + "BR2_LINUX_KERNEL=y\n"
    assert "KERNEL" not in staged(trees, "app", config).config
    fuller = levels(trees, "app", config).fuller
    assert ({"linux", "fs"} <= set(fuller.folders), "KERNEL" in fuller.config) == (True, True)
    packages = {"linux": package("linux", folder="linux"), "module": package("module", "linux")}
    for name in packages:
        found = staging.of_packages(trees, packages, staging.lines(config))[name].fewest
        assert ("linux" in found.folders, "fs" in found.folders) == (True, False)
        assert "KERNEL" in found.config
    plan, draft = planned(trees)
    assert {"instead-linux-linux.mk.bst", "instead-fs-common.mk.bst"} <= at_root(plan, "package-app.bst")
    assert {"tree-linux.bst", "tree-fs.bst"} <= at_root(plan, elements.IMAGES)
    assert "instead-linux-linux.mk.bst" not in at_root(plan, elements.IMAGES)
    assert draft.written["files/instead-fs-common.mk/fs/common.mk"] == b""


MAKEFILE = "export BR2_VERSION := 2026.05.1\nBR2_VERSION_EPOCH = 1784143900\nX := $(BR2_VERSION)\n"


def test_the_release_is_there_for_whom_it_concerns(trees: staging.Trees) -> None:
    write(trees.tree / "Makefile", MAKEFILE)
    for name in ("scripts/pkg-stats", "scripts/apply-patches.sh", "scripts/genimage.sh"):
        write(trees.tree / "support" / name, "")
    neutral = b"export BR2_VERSION := 0\nBR2_VERSION_EPOCH = 0\nX := $(BR2_VERSION)\n"
    assert staged(trees, "app").instead["Makefile"] == neutral
    assert "support/scripts/apply-patches.sh" in trees.rules()
    assert not {"support/scripts", "support/scripts/pkg-stats"} & {*trees.rules()}
    plan, draft = planned(trees)
    assert "instead-Makefile.bst" in at_root(plan, "package-app.bst")
    assert {"tree-Makefile.bst", "scripts.bst"} <= at_root(plan, elements.IMAGES)
    assert f"{TREE}/support/scripts/genimage.sh" in draft.from_here["scripts.bst"].files
    assert draft.written["files/instead-Makefile/Makefile"] == neutral
    reproducible = staged(trees, "app", CONFIG + "BR2_REPRODUCIBLE=y\n")
    assert ("Makefile" in reproducible.folders, "Makefile" in reproducible.instead) == (True, False)
    write(trees.tree / "package" / "app" / "start.sh", "echo $BR2_VERSION_FULL\n")
    staging.symbols.cache_clear()
    assert "Makefile" in staged(trees, "app").folders
    assert "Makefile" in staged(trees, "lib").instead
    assert levels(trees, "app").released is None
    released = levels(trees, "lib").released
    assert released is not None
    assert ("Makefile" in released.folders, "Makefile" in released.instead) == (True, False)
    write(trees.tree / "package" / "group" / "group.mk", "X = $(BR2_VERSION_FULL)\n")
    staging.symbols.cache_clear()
    inner = {"inner": package("inner", folder="package/group/inner")}
    assert "Makefile" in staging.of_packages(trees, inner, {})["inner"].fewest.folders


def test_a_provider_has_the_symbol_that_chooses_it(trees: staging.Trees) -> None:
    write(trees.tree / "package" / "app" / "app.mk", "APP_PROVIDES = udev\nHOST_APP_PROVIDES += host-udev\n")
    chosen = 'BR2_PACKAGE_PROVIDES_UDEV="app"\nBR2_PACKAGE_PROVIDES_HOST_UDEV="host-app"\n'
    config = staged(trees, "app", CONFIG + chosen).config
    assert chosen in config
    assert "UDEV" not in staged(trees, "lib", CONFIG + chosen).config


def test_files_of_kconfig_are_no_rules(trees: staging.Trees) -> None:
    _, draft = planned(trees)
    linked = {path.partition("/buildroot/")[2] for path in draft.all_linked()}
    assert "tree/package/app/app.mk" in linked
    assert not [path for path in linked if path.endswith("Config.in")]


def test_a_package_has_the_symbols_that_its_rules_name(trees: staging.Trees) -> None:
    assert set(staging.lines(staged(trees, "app").config)) == {
        *("BR2_HAVE_DOT_CONFIG", "BR2_EXTERNAL_NAMES", "BR2_x86_64", "BR2_PACKAGE_APP", "BR2_PACKAGE_APP_TLS"),
        *("BR2_PACKAGE_LIB", "BR2_PACKAGE_LIB_LEVEL"),
    }
    assert "# BR2_PACKAGE_APP_TLS is not set\n" in staged(trees, "app").config
    assert "GETTY" not in staged(trees, "other").config
    assert "GETTY" in levels(trees, "other").fuller.config  # its rules name it
    assert "HOSTNAME" in levels(trees, "lib").fuller.config  # and so do Buildroot's own


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("BR2_PACKAGE_LIB_LEVEL=3", "BR2_PACKAGE_LIB_LEVEL=4", {"lib", "app", "own"}),
        ("# BR2_PACKAGE_APP_TLS is not set", "BR2_PACKAGE_APP_TLS=y", {"app", "own"}),
        ("BR2_JLEVEL=2", "BR2_JLEVEL=8", set()),
        ('HOSTNAME="box"', 'HOSTNAME="other"', set()),
        ("BR2_x86_64=y", "BR2_x86_64=n", {"lib", "app", "own", "other"}),
    ],
)
def test_a_symbol_changes_whom_it_concerns(trees: staging.Trees, old: str, new: str, changes: set[str]) -> None:
    changed = CONFIG.replace(old, new)
    assert {
        name for name in PACKAGES if staged(trees, name, changed).config != staged(trees, name).config
    } == changes


def test_what_is_built_first_comes_first() -> None:
    assert staging.closure(PACKAGES, "own") == ("lib", "app")
    ring = {"one": package("one", "two"), "two": package("two", "one", "missing")}
    assert staging.closure(ring, "one") == ("two",)


def inputs_of(trees: staging.Trees) -> GraphInputs:
    return GraphInputs(
        trees=trees,
        config=CONFIG,
        packages=PACKAGES,
        different={},
        files={},
        downloads={},
        downloaded=Path("/downloads"),
        kept={},
        for_images={},
        toolchain={},
        override={},
        patched={},
        requests={},
        parts={},
        overlays={"overlay files": "/buildroot/project/files"},
    )


def planned(trees: staging.Trees, **changes: object) -> tuple[Plan, GraphDraft]:
    draft = GraphDraft()
    changed = replace(inputs_of(trees), **changes)  # type: ignore[arg-type]
    parts = {name: Package(build=each.build, licenses=("COPY ING",)) for name, each in changed.packages.items()}
    elements.system(draft, replace(changed, parts=parts))
    return draft.plan({}), draft


def at_output(plan: Plan, element: str) -> list[str]:
    return [each.element for each in plan.elements[element].builds_with if each.location == OUTPUT]


def at_root(plan: Plan, element: str) -> set[str]:
    return {each.element for each in plan.elements[element].builds_with if each.location != OUTPUT}


def test_elements_are_built_with_exactly_what_their_packages_need(trees: staging.Trees) -> None:
    plan, _ = planned(trees)
    assert at_output(plan, "package-own.bst") == ["package-lib.bst", "package-app.bst"]
    assert at_output(plan, "package-lib.bst") == []
    assert set(at_output(plan, elements.IMAGES)) == {f"package-{name}.bst" for name in PACKAGES}
    assert "tree-package-other.bst" not in at_root(plan, "package-own.bst")
    assert "tree-package-other.bst" in at_root(plan, elements.IMAGES)


def test_whoever_needs_the_whole_tree_has_it_with_the_whole_configuration(trees: staging.Trees) -> None:
    plan, draft = planned(trees, different={"other": {"whole": ["OTHER_X"]}, "lib": {"fuller": ["LIB_X"]}})
    assert elements.WHOLE in at_root(plan, "package-other.bst")
    assert elements.WHOLE not in at_root(plan, "package-lib.bst")
    assert draft.written["files/package-other/config"] == CONFIG.encode()
    assert draft.written["files/package-lib/config"] == levels(trees, "lib").fuller.config.encode()


def test_files_are_staged_once(trees: staging.Trees, tmp_path: Path) -> None:
    files = {f"{TREE}/package/app/patches": trees.tree / "package/app", "/buildroot/project/x": tmp_path}
    _, draft = planned(trees, files={"app": files})
    assert [*draft.from_here["files-app.bst"].files] == ["/buildroot/project/x"]


def config_of(draft: GraphDraft, name: str) -> str:
    return b"".join(chunks(draft.written[f"files/package-{name}/config"])).decode()


def test_folders_with_patches_are_there_for_those_that_they_have_patches_for(
    trees: staging.Trees, tmp_path: Path
) -> None:
    place = "/buildroot/project/patches"
    symbol = f'BR2_GLOBAL_PATCH_DIR="{place}"\n'
    write(trees.tree / "package" / "pkg-utils.mk", "X = $(BR2_GLOBAL_PATCH_DIR)\n")
    write(trees.tree / "package" / "other" / "other.mk", "P = $(BR2_GLOBAL_PATCH_DIR)\n")
    write(tmp_path / "patches" / "lib" / "one.patch", "one\n")
    several = PACKAGES | {"host-lib": package("host-lib")}
    patched = {place: tmp_path / "patches"}
    plan, draft = planned(trees, config=CONFIG + symbol, packages=several, patched=patched)
    assert draft.written[f"files/patch-folders{place}/.rootstream"] == b""
    concerned = {name for name in several if symbol in config_of(draft, name)}
    assert concerned == {"lib", "host-lib", "other"}  # `app` is built with lib; other's own rules look there
    assert concerned == {name for name in several if "patch-folders.bst" in at_root(plan, f"package-{name}.bst")}
    assert symbol.encode() in b"".join(chunks(draft.written["files/buildroot-images/config"]))
    more = {"app": {"fuller": ["APP_X"]}}
    plan, draft = planned(trees, config=CONFIG + symbol, patched=patched, different=more)
    assert symbol in config_of(draft, "app")
    assert "patch-folders.bst" in at_root(plan, "package-app.bst")


def test_a_file_that_overrides_some_packages_does_not_exist_for_others(trees: staging.Trees) -> None:
    place = "/buildroot/project/local.mk"
    symbol = f'BR2_PACKAGE_OVERRIDE_FILE="{place}"\n'
    write(trees.tree / "Makefile", "-include $(BR2_PACKAGE_OVERRIDE_FILE)\n")
    plan, draft = planned(trees, config=CONFIG + symbol, override={place: b"APP_OVERRIDE_SRCDIR = /app\n"})
    concerned = {name for name in PACKAGES if symbol in config_of(draft, name)}
    assert concerned == {"app", "own"}
    has = {name for name in PACKAGES if any("override-" in each for each in at_root(plan, f"package-{name}.bst"))}
    assert has == concerned


def test_menus_of_external_trees_are_there_but_empty(trees: staging.Trees) -> None:
    write(trees.externals[f"{EXTERNAL}/0"] / "Config.in", "config BR2_PACKAGE_OWN\n")
    _, draft = planned(trees)
    assert f"{EXTERNAL}/0/Config.in" not in draft.from_here["external-rules.bst"].files
    assert draft.written[f"files/external-rules{EXTERNAL}/0/Config.in"] == b""


def test_a_folder_without_files_is_there(tmp_path: Path) -> None:
    (tmp_path / "patches" / "inner").mkdir(parents=True)
    draft = GraphDraft()
    draft.link("asked.bst", "asked", {"/buildroot/project/patches": tmp_path / "patches"})
    assert [each.words["path"] for each in draft.elements["asked.bst"].sources] == ["files/asked"]
    assert draft.written == {"files/asked/buildroot/project/patches/.rootstream": b""}
    write(tmp_path / "patches" / "one.patch", "one\n")
    again = GraphDraft()
    again.link("asked.bst", "asked", {"/buildroot/project/patches": tmp_path / "patches"})
    assert [each.words["path"] for each in again.elements["asked.bst"].sources] == ["linked/asked"]
    assert again.written == {}


def test_one_file_under_two_names_is_staged_once(trees: staging.Trees, tmp_path: Path) -> None:
    write(tmp_path / "project" / "one.patch", "one\n")
    here = tmp_path / "project"
    names = {
        "/buildroot/project/external/../one.patch": here / "external/../one.patch",
        "/buildroot/project/one.patch": here / "one.patch",
    }
    (here / "external").mkdir()
    plan, draft = planned(trees, files={"app": names})
    assert {*draft.from_here["files-app.bst"].files} == {"/buildroot/project/one.patch"}
    linking.sync(tmp_path / "plan", text.render(plan), draft.all_linked())
    linking.sync(tmp_path / "plan", text.render(plan), draft.all_linked())


def test_a_toolchain_is_there_for_whoever_is_built_with_it(trees: staging.Trees, tmp_path: Path) -> None:
    more = {"toolchain": package("toolchain"), "app": package("app", "toolchain"), "lib": package("lib")}
    plan, _ = planned(trees, packages=more, toolchain={"/buildroot/outside/0/tc": tmp_path})
    assert "toolchain.bst" in at_root(plan, "package-app.bst") & at_root(plan, elements.IMAGES)
    assert "toolchain.bst" not in at_root(plan, "package-lib.bst")


def test_names_from_buildroot_are_words_of_the_shell(trees: staging.Trees) -> None:
    odd = replace(package("odd"), build="build/odd; touch x")
    plan, _ = planned(trees, packages={"odd": odd})
    assert "--build 'build/odd; touch x'" in plan.elements["package-odd.bst"].commands[-1]
    assert text.render(plan)


def test_what_is_known_by_its_digest_need_not_be_there(trees: staging.Trees, tmp_path: Path) -> None:
    own = tmp_path / "own.tar"
    own.write_bytes(b"tar")
    downloads = {"app": {"app/own.tar": own, "app/a b.tar": "sha512:00"}}
    plan, draft = planned(trees, downloads=downloads, downloaded=tmp_path / "d l")
    sources = [each for each in plan.elements["package-app.bst"].sources if each.directory]
    assert [(each.kind, each.directory) for each in sources] == [("local", "dl"), ("buildroot_download", "dl")]
    assert sources[1].words == {"path": "app/a b.tar", "digest": "sha512:00"}
    assert sources[1].free == {"folder": str(tmp_path / "d l")}
    assert draft.linked == {"downloads-app/app/own.tar": own}


def test_a_package_has_the_overrides_that_concern_it(trees: staging.Trees) -> None:
    text = "# mine\nAPP_OVERRIDE_SRCDIR = /app\nLIB_OVERRIDE_SRCDIR = /lib\nOTHER_X = NO\n"
    place = "/buildroot/project/local.mk"
    plan, draft = planned(trees, override={place: text.encode()})
    found = {
        name: b"".join(chunks(draft.written[f"files/{each.removesuffix('.bst')}{place}"])).decode()
        for name in ("app", "lib", "other")
        for each in at_root(plan, f"package-{name}.bst")
        if each.startswith("override-")
    }
    assert found == {
        "app": "APP_OVERRIDE_SRCDIR = /app\nLIB_OVERRIDE_SRCDIR = /lib\n",
        "lib": "LIB_OVERRIDE_SRCDIR = /lib\n",
        "other": "OTHER_X = NO\n",
    }
    assert elements.OVERRIDE in at_root(plan, elements.IMAGES)
    for more in ("ifeq ($(X),)\n", "include other.mk\n", "APP_X = one \\\n", "define APP_Y\n"):
        assert staging.overrides(text + more, {"LIB_"}) == text + more


def test_a_project_holds_links_and_no_more(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "plan"
    write(source / "deep" / "file", "1")
    write(source / ".git" / "HEAD", "x")
    (source / "link").symlink_to("deep/file")
    linking.sync(folder, {"project.conf": b"x"}, {"a/buildroot/tree": source, "b": source / "deep" / "file"})
    top = folder / "linked"
    assert (top / "a/buildroot/tree/deep/file").read_text() == "1"
    assert (top / "a/buildroot/tree/link").readlink() == Path("deep/file")
    assert not (top / "a/buildroot/tree/.git").exists()
    assert (top / "b").samefile(source / "deep" / "file")
    write(source / "deep" / "other", "2")
    (source / "deep" / "file").unlink()
    linking.sync(folder, {"project.conf": b"x"}, {"a/buildroot/tree": source})
    found = {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}
    assert found == {"a/buildroot/tree/deep/other", "a/buildroot/tree/link"}


def test_a_file_that_was_replaced_is_another(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_text("1")
    linking.sync(tmp_path / "plan", {}, {"file": source})
    source.unlink()
    source.write_text("2")
    linking.sync(tmp_path / "plan", {}, {"file": source})
    assert (tmp_path / "plan" / "linked" / "file").read_text() == "2"


def test_a_package_with_requests_is_compared_before_it_is_built(trees: staging.Trees) -> None:
    requests = Requests(
        kind="linux",
        fragments={"board/linux.config": b"CONFIG_X=y\n"},
        optional=["Y"],
        make_words=["ARCH=arm"],
    )
    plan, draft = planned(trees, requests={"app": requests})
    configure, compare, build = plan.elements["package-app.bst"].commands[2:5]
    ends = [elements.without_notes(each).split()[-1] for each in (configure, build)]
    assert ends == ["app-configure", "app"]
    assert "buildroot.requests /buildroot/output/build/app-1.0 /buildroot/source/requests.json" in compare
    told = json.loads(b"".join(chunks(draft.written["files/package-app/requests.json"])))
    assert told["fragments"] == [["board/linux.config", "/buildroot/source/0.fragment"]]
    assert draft.written["files/package-app/0.fragment"] == b"CONFIG_X=y\n"
    assert "programs-requests.bst" in {each.element for each in plan.elements["package-app.bst"].builds_with}
    assert "programs-requests.bst" not in {each.element for each in plan.elements["package-lib.bst"].builds_with}


def test_who_names_the_variables_of_a_package_is_found(trees: staging.Trees) -> None:
    for name, rules in {
        "module": "$(eval $(kernel-module))\n",
        "tool": "define TOOL_LINUX_CONFIG_FIXUPS\n",
        "reader": "X = $(LINUX_DIR)\n",
        "stranger": "Y = $(LINUXX_DIR) $(OTHER_LINUX)\n",
    }.items():
        write(trees.tree / "package" / name / f"{name}.mk", rules)
    write(trees.tree / "package" / "module" / "Config.in", "config BR2_PACKAGE_MODULE\n")
    packages = {name: package(name) for name in ("module", "tool", "reader", "stranger")}
    packages["linux"] = package("linux", folder="linux")
    found = staging.of_packages(trees, packages, staging.lines("BR2_PACKAGE_MODULE=y\nBR2_PACKAGE_STRANGER=y\n"))
    wider = found["linux"].wider
    assert wider is not None
    assert {*wider.folders} - {*found["linux"].fuller.folders} == {
        *("Makefile", "package/module", "package/tool", "package/reader")
    }
    assert (found["linux"].fewest.config, wider.config) == ("", "BR2_PACKAGE_MODULE=y\n")
    assert found["stranger"].wider is None
    plan, _ = planned(trees, packages=packages, different={"linux": {"wider": ["LINUX_X"]}})
    staged_for = {each.element for each in plan.elements["package-linux.bst"].builds_with}
    assert {"tree-package-module.bst", "tree-package-tool.bst", "rules.bst"} <= staged_for
    assert "tree-package-stranger.bst" not in staged_for


def test_packages_whose_variables_a_package_names_may_be_needed(trees: staging.Trees) -> None:
    write(
        trees.tree / "package" / "rust-bin" / "rust-bin.mk", "RUST_BIN_SOURCE = rust-$(RUSTC_HOST_NAME).tar.xz\n"
    )
    write(trees.tree / "package" / "rustc" / "rustc.mk", "RUSTC_HOST_NAME = x86_64\n")
    packages = {"host-rust-bin": package("host-rust-bin", folder="package/rust-bin")}
    packages["host-rustc"] = package("host-rustc", "host-rust-bin", folder="package/rustc")
    found = staging.of_packages(trees, packages, {})["host-rust-bin"]
    assert "package/rustc" not in found.fuller.folders
    assert found.wider is not None
    assert "package/rustc" in found.wider.folders


def test_what_the_rules_of_lower_packages_name_is_there(trees: staging.Trees, tmp_path: Path) -> None:
    write(tmp_path / "lib.config", "")
    plan, _ = planned(trees, files={"lib": {"/buildroot/project/lib.config": tmp_path / "lib.config"}})
    for name in ("lib", "app", "own"):
        assert "files-lib.bst" in {each.element for each in plan.elements[f"package-{name}.bst"].builds_with}
    assert "files-lib.bst" not in {each.element for each in plan.elements["package-other.bst"].builds_with}


def test_what_is_staged_is_found_out_again_by_another_rootstream() -> None:
    ours = staging.rules_of_ours()
    assert {"staging.py", "elements.py", "inputs.py"} <= ours.keys()
    assert ours["staging.py"] == Path(staging.__file__).read_bytes()


def test_files_that_change_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "same", "1")
    write(tmp_path / "grown", "1")
    write(tmp_path / "gone", "1")
    before = linking.stamps(tmp_path / name for name in ("same", "grown", "gone", "new"))
    write(tmp_path / "grown", "12")
    (tmp_path / "gone").unlink()
    write(tmp_path / "new", "1")
    changed = {path.name for path, stamp in linking.stamps(before).items() if stamp != before[path]}
    assert changed == {"grown", "gone", "new"}
