"""Packages that are built one by one give what make gives; after a change, only what it concerns is built."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests.buildroot import smalltree, test_rebuild
from tests.buildroot.conftest import Command

from rootstream.engine import Engine
from rootstream.project.project import find
from rootstream.report import timeline

pytestmark = pytest.mark.buildroot

# Buildroot brings these as packages of its own, the small tree does not.
DEBIAN = "debian: {packages: [fakeroot]}\n"


@pytest.fixture(scope="module")
def project(small_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small packages of test_rebuild.py as a project that is built package by package."""
    folder = small_packages(tmp_path_factory.mktemp("graph"), small_tree)
    # another one in each run: the cache, which others use, too, has the packages of the last one
    test_rebuild.append(folder / "external" / "external.mk", f"# {uuid.uuid4()}\n")
    return folder


def small_packages(folder: Path, tree: Path) -> Path:
    """Write the project of the small packages, to be built one by one, and return it."""
    test_rebuild.project(folder, tree, smalltree.DEFCONFIG)
    text = (folder / "system.yaml").read_text()
    (folder / "system.yaml").write_text(
        DEBIAN + text.replace("external:", "graph: true\n        external:").replace("[files]", "[files, tar]")
    )
    return folder


def built(project: Path, run: Command) -> set[str]:
    """Build and return the packages that were built."""
    done = run("build", "--json", cwd=project)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    names = {
        event["element"] for event in told if event["type"] == "element-finished" and event["action"] == "build"
    }
    return {name.removeprefix("package-").removesuffix(".bst") for name in names if name.startswith("package-")}


def exported(project: Path) -> dict[str, tuple[str, str]]:
    """Return what is in the images: files beside one, and all that is in the archive of the root."""
    found = test_rebuild.contents(project / "out" / "box") | archived(project / "out" / "box" / "rootfs.tar")
    left_out = ("manifest.json", "SHA256SUMS", "sbom.cdx.json", "inventory.jsonl", "rootfs.tar")
    # there are times in the archive, and digests of it in what describes the images
    return {name: value for name, value in found.items() if name not in left_out}


def archived(root: Path) -> dict[str, tuple[str, str]]:
    """Return what is in the archive of a root, without times."""
    found = {}
    with tarfile.open(root) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            words = f"{member.mode:o} {member.uid}:{member.gid} {member.linkname}"
            found[f"/{member.name}"] = (words, file.read().hex() if file else "")
    return found


def by_make(project: Path, run: Command) -> dict[str, tuple[str, str]]:
    """Return what make gives of the same project, in a workspace that goes on from one call to the next."""
    other = project.with_name("by-make")
    argv = ["rsync", "-a", "--delete", "--exclude=/.rootstream", "--exclude=/out", f"{project}/", str(other)]
    subprocess.run(argv, check=True)
    (other / "system.yaml").write_text(
        (project / "system.yaml").read_text().replace("graph: true", "graph: false")
    )
    run("build", cwd=other)
    return exported(other)


def test_each_change_builds_what_it_concerns_and_gives_what_make_gives(project: Path, run: Command) -> None:
    assert built(project, run) >= {"library", "user", "other", "aloader", "host-bootenv"}
    assert exported(project) == by_make(project, run)
    assert built(project, run) == set()
    changes: dict[str, tuple[Callable[[Path], object], set[str]]] = test_rebuild.CHANGES
    for name, (change, expected) in changes.items():
        change(project)
        assert built(project, run) == expected, name
        assert exported(project) == by_make(project, run), name


def test_a_fresh_clone_builds_nothing_again(project: Path, run: Command) -> None:
    built(project, run)
    before = exported(project)
    clone = project.with_name("clone")
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns("out", ".rootstream"))
    assert built(clone, run) == set()
    assert exported(clone) == before


def test_a_file_that_changes_while_it_is_built_is_told(project: Path, run: Command) -> None:
    log = project / "overlay" / "etc" / "build.log"
    with log.open("w") as file:
        argv = [sys.executable, "-m", "rootstream", "build", "--json"]
        done = subprocess.run(argv, cwd=project, stdout=file, stderr=subprocess.STDOUT, check=False)
    said = log.read_text()
    assert done.returncode == 0, said
    assert "overlay/etc/build.log changed while it was built: build again to have what is there now" in said
    run("build", cwd=project)
    assert exported(project)["/./etc/build.log"][1] == said.encode().hex()
    assert "nothing to do" in run("build", cwd=project).stderr
    log.unlink()


def test_its_elements_can_be_looked_at(project: Path, run: Command) -> None:
    built(project, run)
    assert "cached" in run("show", "box", cwd=project).stdout
    assert "package-aloader.bst" in run("show", "box", cwd=project).stdout
    for name in ("aloader", "box:aloader", "package-aloader.bst"):
        assert ">>> aloader 1 " in run("log", name, cwd=project).stdout
    command = ("cat", "target/etc/passwd")
    assert "root:" in run("shell", "box:aloader", "--", *command, cwd=project).stdout
    assert "to continue: make --no-print-directory" in run("shell", "box", "--", "true", cwd=project).stderr
    assert run("shell", "box:nothing", cwd=project, check=False).returncode == 2


def test_its_last_build_has_a_critical_path(project: Path, run: Command) -> None:
    defconfig = project / "box_defconfig"
    before = defconfig.read_text()
    test_rebuild.append(defconfig, "BR2_PACKAGE_LIBRARY=y\n")
    built(project, run)
    test_rebuild.write_package(project, "library", version="critical")
    assert "library" in built(project, run)
    defconfig.write_text(before)
    record = timeline.read(find(project), "box")
    assert record is not None
    path = timeline.critical_path(record.elements, record.actions)
    assert path[-1] == "buildroot-images.bst"
    assert "package-library.bst" in path
    assert all(lower in record.elements[name] for lower, name in itertools.pairwise(path))
    assert len(record.elements) > len({each.element for each in record.actions})  # those that were cached


def test_what_has_no_effect_is_a_warning_with_its_line(project: Path, run: Command) -> None:
    place = project / "system.yaml"
    before = place.read_text()
    place.write_text(before.replace("graph: true", "graph: true\n        jobs: 3"))
    done = run("build", "-n", cwd=project)
    place.write_text(before)
    assert "system.yaml:4: box: `jobs` has no effect with `graph: true`" in done.stderr


def test_a_package_of_several_systems_is_not_guessed(project: Path, run: Command) -> None:
    built(project, run)
    place = project / "system.yaml"
    before = place.read_text()
    place.write_text(before + "    variants:\n      again: {layers: [{hostname: again}]}\n")
    run("build", "box@again", cwd=project)
    done = run("log", "aloader", cwd=project, check=False)
    told = run("log", "box@again:aloader", cwd=project)
    place.write_text(before)
    assert (done.returncode, ">>> aloader 1 " in told.stdout) == (2, True)
    assert "several systems have aloader" in done.stderr
    assert "`box:aloader` or `box@again:aloader`" in done.stderr


def test_a_dry_run_says_what_would_be_built(project: Path, run: Command) -> None:
    built(project, run)
    assert "nothing to do" in run("build", "-n", cwd=project).stderr
    (project / "overlay" / "etc" / "first").write_text("for a dry run\n")
    done = run("build", "-n", cwd=project)
    assert "would be built: only the images; all" in done.stderr
    test_rebuild.append(project / "box_defconfig", 'BR2_TARGET_GENERIC_ISSUE="for a dry run"\n')
    assert "would be built: only the images; all" in run("build", "-n", cwd=project).stderr
    before = (project / "box_defconfig").read_text()
    test_rebuild.append(project / "box_defconfig", 'BR2_PACKAGE_OTHER=y\nBR2_PACKAGE_OTHER_WORD="for a dry run"\n')
    done = run("build", "-n", cwd=project)
    (project / "box_defconfig").write_text(before)
    assert "Buildroot has to be queried for its packages first" in done.stderr


def test_what_two_packages_write_differently_is_an_error(project: Path, run: Command) -> None:
    rules = project / "external" / "package" / "other" / "other.mk"
    before = rules.read_text()
    test_rebuild.append(
        project / "box_defconfig", "BR2_PACKAGE_OTHER=y\nBR2_PACKAGE_USER=y\nBR2_PACKAGE_LIBRARY=y\n"
    )
    rules.write_text(before.replace("$(TARGET_DIR)/usr/bin/other", "$(TARGET_DIR)/usr/bin/user"))
    done = run("build", cwd=project, check=False)
    rules.write_text(before)
    assert done.returncode == 2
    assert "both install target/usr/bin/user, not the same, and neither depends on the other" in done.stderr


def test_deleting_what_another_installed_is_an_error(project: Path, run: Command) -> None:
    rules = project / "external" / "package" / "user" / "user.mk"
    before = rules.read_text()
    rules.write_text(
        before.replace(
            "$(TARGET_DIR)/usr/bin/user", "$(TARGET_DIR)/usr/bin/user\n\trm $(TARGET_DIR)/usr/bin/library"
        )
    )
    done = run("build", cwd=project, check=False)
    rules.write_text(before)
    assert done.returncode == 2
    assert "user deletes target/usr/bin/library, which other packages installed" in done.stderr


def test_what_changed_since_the_last_build_is_told(project: Path, run: Command) -> None:
    built(project, run)
    assert (
        run("show", "--why", "box", cwd=project).stdout == "box: nothing of it has changed since its last build\n"
    )
    (project / "overlay" / "etc" / "told").write_text("new\n")
    test_rebuild.append(project / "external" / "package" / "library" / "library.mk", "# told\n")
    told = run("show", "--why", "box", cwd=project).stdout
    assert "  overlay/etc/told: is new\n" in told
    assert re.search(r"box: library:\n  external/package/library/library.mk: \w{12} -> \w{12}\n", told)
    assert "box: user:\n" in told
    assert "  library, which it is built with, is built again\n" in told
    assert "box: other:\n" not in told
    assert run("show", "--why", "box:other", cwd=project).stdout.startswith("box: nothing of it has changed")
    assert run("show", "--why", "nothing", cwd=project, check=False).returncode == 2
    built(project, run)
    test_rebuild.append(project / "box_defconfig", 'BR2_PACKAGE_OTHER_WORD="told"\n')
    told = run("show", "--why", "other", cwd=project).stdout
    assert (
        told
        == 'box: other:\n  BR2_PACKAGE_OTHER_WORD: BR2_PACKAGE_OTHER_WORD="" -> BR2_PACKAGE_OTHER_WORD="told"\n'
    )


def test_what_make_alone_gives_is_compared_file_by_file(project: Path, run: Command) -> None:
    defconfig = project / "box_defconfig"
    seeker = "BR2_PACKAGE_SEEKER"
    test_rebuild.append(defconfig, f"BR2_PACKAGE_OTHER=y\nBR2_PACKAGE_MODES=y\n# {seeker} is not set\n")
    before = defconfig.read_text()
    same = run("verify", "--against-make", cwd=project)
    assert re.search(r"box: \d+ files, folders and links \(.*\d+ in target/.*\), 0 differ\n", same.stdout)
    # looks for files of a package that it does not depend on: make happens to build that one before
    test_rebuild.append(defconfig, f"{seeker}=y\n")
    done = run("verify", "--against-make", cwd=project, check=False)
    defconfig.write_text(before)
    assert (done.returncode, ", 2 differ\n" in done.stdout) == (1, True)
    assert "  images/rootfs.tar\n" in done.stdout
    assert "target/etc/seen\n    by packages: missing\n    by make:     -rw-r--r-- 0 bytes" in done.stdout


def test_a_file_that_is_looked_for_without_being_named_is_found(project: Path, run: Command) -> None:
    rules = project / "external" / "package" / "other" / "other.mk"
    place = "$(BR2_EXTERNAL_TESTS_PATH)/board/$$each"
    looks = f"\tfor each in one two; do test ! -f {place} || cat {place} >> $(@D)/text; done\n"
    before = rules.read_text()
    rules.write_text(before.replace("define OTHER_BUILD_CMDS\n", f"define OTHER_BUILD_CMDS\n{looks}"))
    assert "other" in built(project, run)
    (project / "external" / "board" / "two").write_text("two\n")
    done = run("build", cwd=project)
    assert "other looks for " in done.stderr
    assert "external/board/two, which was not in its sandbox: it is built again with it" in done.stderr
    assert "two" in (project / "out" / "box" / "other").read_text().splitlines()
    run("verify", "--against-make", cwd=project)  # a workspace would not notice the new file
    assert built(project, run) == set()
    (project / "external" / "board" / "two").unlink()
    assert built(project, run) == set()  # what was built before is in the cache
    assert "two" not in (project / "out" / "box" / "other").read_text().splitlines()
    rules.write_text(before)


def test_files_of_a_root_are_traced_to_what_brought_them(project: Path, run: Command) -> None:
    rules = project / "external" / "package" / "user" / "user.mk"
    before = rules.read_text()
    rules.write_text(
        before.replace("USER_VERSION", "USER_LICENSE = MIT\nUSER_LICENSE_FILES = text\nUSER_VERSION", 1)
    )
    test_rebuild.append(project / "box_defconfig", "BR2_PACKAGE_USER=y\nBR2_PACKAGE_LIBRARY=y\n")
    built(project, run)
    lines = (project / "out" / "box" / "inventory.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    owned = {row["path"]: row.get("packages", [row["layer"]]) for row in rows if row["record"] == "file"}
    assert owned["usr/bin/user"] == ["user"]
    assert owned["etc/first"] == ["overlay overlay"]
    assert {row["tree"] for row in rows if row["record"] == "config"} == {"buildroot"}
    assert [row["component"] for row in rows if row["record"] == "text"] == ["user"]
    told = run("why", "/usr/bin/user", cwd=project).stdout
    assert "component  user" in told
    run("build", cwd=project)
    by_make(project, run)
    same = (project.with_name("by-make") / "out" / "box" / "inventory.jsonl").read_text().splitlines()
    assert [each for each in rows if each["record"] != "config"] == [
        row for line in same if (row := json.loads(line))["record"] != "config"
    ]
    rules.write_text(before)


def test_what_fails_for_want_of_a_file_that_is_there_is_built_with_it(project: Path, run: Command) -> None:
    rules = project / "external" / "package" / "other" / "other.mk"
    before = rules.read_text()
    place = "$(BR2_EXTERNAL_TESTS_PATH)/board/$$each"
    runs = f"define OTHER_BUILD_CMDS\n\tfor each in tool; do sh {place}.sh >> $(@D)/text || exit 1; done\n"
    rules.write_text(before.replace("define OTHER_BUILD_CMDS\n", runs))
    done = run("build", cwd=project, check=False)
    assert (done.returncode, "board/tool.sh" in done.stderr) == (2, True)
    assert "rootstream: note" not in done.stderr
    (project / "external" / "board" / "tool.sh").write_text("echo of a tool\n")
    done = run("build", cwd=project)
    assert "external/board/tool.sh, which was not in its sandbox: it is built again with it" in done.stderr
    assert "of a tool" in (project / "out" / "box" / "other").read_text()
    rules.write_text(before)


def test_a_release_of_buildroot_builds_again_what_it_concerns(
    project: Path, run: Command, small_tree: Path
) -> None:
    built(project, run)
    makefile = small_tree / "Makefile"
    before = makefile.read_text()
    makefile.write_text(before.replace("BR2_VERSION := 2026.05", "BR2_VERSION := 2026.05.1"))
    done = run("build", cwd=project)
    assert "buildroot-images.bst" in done.stderr
    assert "package-" not in "".join(line for line in done.stderr.splitlines() if "build" in line)
    assert exported(project) == by_make(project, run)
    makefile.write_text(before)


def test_a_download_is_fetched_only_to_be_built(project: Path, run: Command, tmp_path: Path) -> None:
    mirror, word = tmp_path / "mirror", uuid.uuid4().hex
    mirror.mkdir()
    tarball = mirror / "fetched-1.tar.gz"
    (tmp_path / "fetched-1").mkdir()
    (tmp_path / "fetched-1" / "text").write_text(f"{word}\n")
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(tmp_path / "fetched-1", "fetched-1")
    folder = project / "external" / "package" / "fetched"
    folder.mkdir()
    (folder / "Config.in").write_text(test_rebuild.CONFIG.format(name="FETCHED", lower="fetched"))
    (folder / "fetched.hash").write_text(f"sha256  {sha256(tarball.read_bytes()).hexdigest()}  {tarball.name}\n")
    rules = test_rebuild.PACKAGE.format(name="FETCHED", version=1, lower="fetched", needs="")
    rules = rules.replace("$(BR2_EXTERNAL_TESTS_PATH)/package/fetched/source", mirror.as_uri())
    rules = rules.replace("FETCHED_SITE_METHOD = local\n", "FETCHED_SOURCE = fetched-1.tar.gz\n")
    (folder / "fetched.mk").write_text(rules)
    external = project / "external" / "Config.in"
    place = "$BR2_EXTERNAL_TESTS_PATH/package/fetched/Config.in"
    test_rebuild.append(external, f'source "{place}"\n')
    defconfig = project / "box_defconfig"
    without = defconfig.read_text()
    test_rebuild.append(defconfig, "BR2_PACKAGE_FETCHED=y\n")
    assert "fetched" in built(project, run)
    assert word in (project / "out" / "box" / "fetched").read_text()
    clone, nowhere = tmp_path / "clone", {"BR2_DL_DIR": str(tmp_path / "empty")}
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns("out", ".rootstream"))
    mirror.rename(tmp_path / "gone")
    done = run("build", cwd=clone, env=nowhere)
    assert word in (clone / "out" / "box" / "fetched").read_text()
    assert not [*(tmp_path / "empty").rglob("*.tar.gz")]
    assert "fetching" not in done.stderr
    test_rebuild.append(folder / "fetched.mk", "# built again\n")
    done = run("build", cwd=project, check=False, env=nowhere)
    assert done.returncode == 2
    assert "the sources of these packages were not found: fetched" in done.stderr
    (tmp_path / "gone").rename(mirror)
    assert "fetched" in built(project, run)
    told = run("show", "--why", "fetched", cwd=project).stdout
    assert told.startswith("box: nothing of it has changed")
    defconfig.write_text(without)
    shutil.rmtree(folder)
    external.write_text(external.read_text().replace(f'source "{place}"\n', ""))


def test_a_file_elsewhere_that_rules_name_is_there(project: Path, run: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "word"
    elsewhere.write_text("of elsewhere\n")
    rules = project / "external" / "package" / "other" / "other.mk"
    before = rules.read_text()
    takes = f"define OTHER_BUILD_CMDS\n\tcat {elsewhere} >> $(@D)/text\n"
    rules.write_text(before.replace("define OTHER_BUILD_CMDS\n", takes))
    built(project, run)
    assert "of elsewhere" in (project / "out" / "box" / "other").read_text()
    elsewhere.write_text("another word\n")
    assert built(project, run) == {"other"}
    assert "another word" in (project / "out" / "box" / "other").read_text()
    rules.write_text(before)


def test_passwords_are_in_the_images_and_in_no_cache(project: Path, run: Command) -> None:
    began = time.time()
    salts = uuid.uuid4().hex[:16], uuid.uuid4().hex[:16]
    mine, of_defconfig = f"$6${salts[0]}${'x' * 86}", f"$$6$${salts[1]}$${'y' * 86}"
    description, defconfig = project / "system.yaml", project / "box_defconfig"
    before = description.read_text(), defconfig.read_text()
    users = f'- users: [{{name: joe, password: {{hash: "{mine}"}}}}]'
    description.write_text(before[0].replace("  - overlay", f"  {users}\n      - overlay"))
    test_rebuild.append(defconfig, f'BR2_TARGET_GENERIC_ROOT_PASSWD="{of_defconfig}"\n')
    done = run("build", cwd=project)
    shadow, again = exported(project)["/./etc/shadow"][1], built(project, run)
    by_hand = by_make(project, run)["/./etc/shadow"][1]
    description.write_text(before[0])
    defconfig.write_text(before[1])
    assert "making the images of box, which no cache keeps" in done.stderr
    assert shadow == by_hand
    assert f"joe:{mine}:" in bytes.fromhex(shadow).decode()
    assert again == set()
    cache = Engine.of(os.environ).settings.cache
    looked, found = 0, []
    for path in (*cache.rglob("*"), *project.rglob("graph/**/*")):
        with contextlib.suppress(OSError):  # others use the cache, too
            if path.is_file() and path.stat().st_mtime >= began:
                looked += 1
                found += [path for salt in salts if salt.encode() in path.read_bytes()]
    assert looked
    assert found == []


def test_what_cannot_be_kept_is_an_error_with_its_line(project: Path, run: Command) -> None:
    place = project / "system.yaml"
    before = place.read_text()
    place.write_text(before.replace("graph: true", "graph: true\n        network: build"))
    done = run("build", cwd=project, check=False)
    place.write_text(before)
    assert done.returncode == 2
    assert "system.yaml:4: box: `graph: true`: `network: build` cannot be kept" in done.stderr
