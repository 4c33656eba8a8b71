"""What of a workspace of Buildroot has to be built again, and the reasons that are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rootstream.buildroot.build import keys, stale
from rootstream.buildroot.build.decision import Decision, explain
from rootstream.buildroot.build.notes import Known
from rootstream.buildroot.info import BuildrootPackage, Info, of_no_machine

CONFIG = {"BR2_x86_64": "y", "BR2_PACKAGE_TOOL_TLS": "y", "BR2_OPTIMIZE_2": "y"}
NAMES = {"package/tool": ("BR2_PACKAGE_TOOL_TLS",)}
# What each package depends on.
NEEDS = {
    "host-skeleton": (),
    "toolchain": ("host-skeleton",),
    "library": ("toolchain",),
    "tool": ("library", "toolchain"),
    "first": ("toolchain",),
    "second": ("toolchain",),
    "third": ("toolchain",),
}


def package(name: str, needs: tuple[str, ...], version: str = "1") -> BuildrootPackage:
    return BuildrootPackage(
        name=name,
        kind="host" if name.startswith("host-") else "target",
        version=version,
        folder=f"package/{name.removeprefix('host-')}",
        build=f"build/{name}-{version}",
        dependencies=needs,
        downloads=(),
        download_folder=name,
        hashes=(),
        patches=(),
        to_target=True,
    )


def told(**changed: BuildrootPackage) -> Info:
    packages = {name: package(name, needs) for name, needs in NEEDS.items()} | changed
    return Info(packages=packages, variables={name: {} for name in packages})


def computed(
    info: Info, config: Mapping[str, str] = CONFIG, files: Mapping[str, str] | None = None, core: str = "core"
) -> dict[str, keys.Key]:
    known = files or {}
    return keys.compute(
        info,
        config=config,
        core=core,
        files=lambda name: known.get(name, name),
        named=lambda folder: NAMES.get(folder, ()),
    )


BEFORE = told()
KNOWN = Known(keys=computed(BEFORE), builds={name: f"{name}-1" for name in BEFORE.packages}, inputs="inputs")
THERE = frozenset(KNOWN.builds.values())


def lines(info: Info, planned: dict[str, keys.Key], known: Known = KNOWN) -> tuple[str, ...]:
    return explain(stale.compare(planned, info, known, THERE, "inputs", left=True))


TARGET = "target/ and images/ are recreated from the packages: packages changed or were removed"


def test_nothing_is_stale_where_nothing_changed() -> None:
    assert lines(BEFORE, computed(BEFORE)) == ()


def test_an_option_is_named() -> None:
    config = {name: value for name, value in CONFIG.items() if name != "BR2_PACKAGE_TOOL_TLS"}
    assert lines(BEFORE, computed(BEFORE, config)) == (
        "tool is rebuilt: BR2_PACKAGE_TOOL_TLS changed",
        TARGET,
    )


def test_a_version_and_what_follows_from_it() -> None:
    info = told(library=package("library", NEEDS["library"], "2"))
    assert lines(info, computed(info)) == (
        "library is rebuilt: changed from library-1 to library-2",
        "tool is rebuilt: library changed",
        TARGET,
    )


def test_files_and_new_dependencies_are_named_together() -> None:
    info = told(tool=package("tool", ("first", "second")))
    (line, target) = lines(info, computed(info, files={"package/tool": "changed"}))
    assert line == (
        "tool is rebuilt: its make rules or files changed, it now needs first, second, "
        "it no longer needs library, toolchain"
    )
    assert target == TARGET


def test_a_build_from_clean_says_what_it_began_with() -> None:
    config = {**CONFIG, "BR2_OPTIMIZE_2": "n", "BR2_OPTIMIZE_S": "y"}
    (line,) = lines(BEFORE, computed(BEFORE, config))
    assert line == (
        "building from clean: the toolchain or its flags changed "
        "(toolchain: BR2_OPTIMIZE_2, BR2_OPTIMIZE_S changed)"
    )


def test_a_host_tool_that_everything_needs_all_at_once_is_named() -> None:
    needs = {name: (*known, "host-tar") for name, known in NEEDS.items()}
    packages = {name: package(name, known) for name, known in needs.items()}
    info = told(**packages, **{"host-tar": package("host-tar", ())})
    (line,) = lines(info, computed(info))
    assert line.endswith("changed (toolchain, host-skeleton: it now needs host-tar)")


def test_many_changes_are_counted_and_some_named() -> None:
    changed = {f"package/{name}": "changed" for name in ("library", "tool", "first", "second", "third")}
    (line,) = lines(BEFORE, computed(BEFORE, files=changed))
    assert line == (
        "building from clean: 5 of 7 packages changed "
        "(first, library, second and 2 more: its make rules or files changed)"
    )


def test_other_rules_of_buildroot_itself() -> None:
    (line,) = lines(BEFORE, computed(BEFORE, core="other"))
    assert line.endswith("(toolchain, host-skeleton: Buildroot's own rules changed)")


def test_a_note_without_parts_still_says_that_something_changed() -> None:
    bare = {name: replace(key, parts=keys.KeyParts()) for name, key in KNOWN.keys.items()}
    info = told(library=package("library", NEEDS["library"]))
    found = lines(info, computed(info, files={"package/library": "changed"}), replace(KNOWN, keys=bare))
    assert found[:2] == (
        "library is rebuilt: its make variables or files changed",
        "tool is rebuilt: library changed",
    )


def test_search_path_and_cores_of_a_machine_are_in_no_variable() -> None:
    text = 'PATH="/host/bin:/usr/local/bin:/usr/bin" /usr/bin/make -j3 O=out-j3 && ninja -j 4'
    assert of_no_machine(text, "/usr/local/bin:/usr/bin") == (
        'PATH="/host/bin:PATH" /usr/bin/make -j O=out-j3 && ninja -j'
    )
    assert of_no_machine(text, "") == text.replace("-j3 O", "-j O").replace("-j 4", "-j")


def test_what_is_not_wanted_any_more_goes() -> None:
    packages = {name: each for name, each in BEFORE.packages.items() if name != "tool"}
    info = Info(packages=packages, variables={name: {} for name in packages})
    assert lines(info, computed(info)) == ("tool is removed: it is no longer in the configuration", TARGET)


def test_a_host_name_or_shell_compiles_nothing() -> None:
    packages = {"skeleton-init-common": package("skeleton-init-common", ()), "skeleton": package("skeleton", ())}
    info = told(**packages)
    names = {"package/skeleton-init-common": ("BR2_TARGET_GENERIC_HOSTNAME", "BR2_SYSTEM_BIN_SH_NONE")}

    def keyed(hostname: str, staging: str) -> dict[str, keys.Key]:
        variables = {
            "SKELETON_INIT_COMMON_HOSTNAME": hostname,
            "SKELETON_INIT_COMMON_SET_HOSTNAME": f"echo {hostname}",
            "SKELETON_INIT_COMMON_INSTALL_STAGING_CMDS": staging,
        }
        return keys.compute(
            replace(info, variables={"skeleton-init-common": variables}),
            config={"BR2_TARGET_GENERIC_HOSTNAME": hostname},
            core="core",
            files=str,
            named=lambda folder: names.get(folder, ()),
        )

    assert keyed("first", "rsync") == keyed("second", "rsync")
    assert keyed("first", "rsync")["skeleton-init-common"] != keyed("first", "cp")["skeleton-init-common"]


def test_what_is_not_known_to_be_installed_cannot_be_taken_out() -> None:
    packages = {name: each for name, each in BEFORE.packages.items() if name != "tool"}
    info = Info(packages=packages, variables={name: {} for name in packages})
    found = stale.compare(
        computed(info), info, KNOWN, THERE, "inputs", left=True, unknown=frozenset({"tool-1", "first-1"})
    )
    assert found.clean is not None
    assert "what tool installed is unknown" in found.clean


def test_who_shares_a_file_with_what_goes_is_named() -> None:
    packages = {name: each for name, each in BEFORE.packages.items() if name != "tool"}
    info = Info(packages=packages, variables={name: {} for name in packages})
    claims = {"staging": {name: frozenset({"usr/include/a.h"}) for name in ("tool-1", "first-1")}}
    found = stale.compare(computed(info), info, KNOWN, THERE, "inputs", left=True, claims=claims)
    assert explain(found) == (
        "tool is removed: it is no longer in the configuration",
        "first is reinstalled: it shares files with tool",
        TARGET,
    )


def compared(
    known: Known | None, there: frozenset[str], inputs: str = "inputs", *, left: bool = False
) -> Decision:
    return stale.compare(computed(BEFORE), BEFORE, known, there, inputs, left=left)


def test_a_first_build_has_nothing_to_take_away() -> None:
    decision = compared(None, frozenset())
    assert (decision.first, decision.clean, decision.target, decision.packages) == (True, None, None, ())
    assert compared(KNOWN, frozenset(), "other").target is None


def test_an_interrupted_cleaning_goes_on() -> None:
    decision = compared(KNOWN, frozenset(), left=True)
    assert (decision.first, decision.clean) == (True, "an earlier cleanup was interrupted")


def test_an_output_folder_that_nobody_knows_is_cleaned() -> None:
    decision = compared(None, THERE)
    assert (decision.first, decision.clean) == (False, "the contents of the output folder are unknown")


def test_other_inputs_make_target_anew_and_rebuild_nothing() -> None:
    assert compared(KNOWN, THERE).target is None
    decision = compared(KNOWN, THERE, "other")
    assert decision.target == "the configuration or files of the project changed"
    assert (decision.clean, decision.packages) == (None, ())


def test_a_package_that_was_never_built_is_added_and_one_of_another_configuration_goes() -> None:
    known = replace(KNOWN, keys={name: key for name, key in KNOWN.keys.items() if name != "tool"})
    decision = compared(known, THERE - {"tool-1"})
    assert (decision.added, decision.packages) == (("tool",), ())
    decision = compared(known, THERE)
    assert [(each.name, each.action, each.reason) for each in decision.packages] == [
        ("tool", "scratch", "it was built with another configuration")
    ]
