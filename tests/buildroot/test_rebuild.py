"""A build after a change gives what a build from clean gives: content, modes and links of target/ are compared.

The system is made of small packages of the project that depend on one another, so that a round takes seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.buildroot.conftest import Base, Command

pytestmark = pytest.mark.buildroot

SYSTEM = """\
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
        external: [external]
    images: [files]
    layers:
      - overlay: overlay
"""
# Each package installs a file that tells what it was made from; `user` also tells what it found of `library`.
PACKAGE = """\
{name}_VERSION = {version}
{name}_SITE = $(BR2_EXTERNAL_TESTS_PATH)/package/{lower}/source
{name}_SITE_METHOD = local
{name}_INSTALL_STAGING = YES
{name}_INSTALL_IMAGES = YES
{name}_DEPENDENCIES = {needs}
define {name}_BUILD_CMDS
\tcat $(@D)/text > $(@D)/built
\techo "$(BR2_PACKAGE_{name}_WORD)" >> $(@D)/built
\tfor each in {needs}; do cat $(STAGING_DIR)/usr/share/tests/$$each >> $(@D)/built; done
endef
define {name}_INSTALL_STAGING_CMDS
\t$(INSTALL) -D -m 644 $(@D)/built $(STAGING_DIR)/usr/share/tests/{lower}
endef
define {name}_INSTALL_TARGET_CMDS
\t$(INSTALL) -D -m 755 $(@D)/built $(TARGET_DIR)/usr/bin/{lower}
endef
define {name}_INSTALL_IMAGES_CMDS
\t$(INSTALL) -D -m 644 $(@D)/built $(BINARIES_DIR)/{lower}
endef
$(eval $(generic-package))
"""
CONFIG = """\
config BR2_PACKAGE_{name}
\tbool "{lower}"
config BR2_PACKAGE_{name}_WORD
\tstring "word"
\tdepends on BR2_PACKAGE_{name}
"""
NAMES = {"library": "", "user": "library", "other": ""}
# A boot loader that counts on images/ being there and takes a file of the board, a host tool that writes an image,
# a package that looks for the files of others in staging/.
SPECIAL = {
    "aloader": """\
ALOADER_VERSION = 1
ALOADER_SOURCE =
ALOADER_INSTALL_TARGET = NO
ALOADER_INSTALL_IMAGES = YES
define ALOADER_BUILD_CMDS
\tcp $(BR2_EXTERNAL_TESTS_PATH)/board/loader.dts $(@D)/loader.bin
endef
define ALOADER_INSTALL_IMAGES_CMDS
\tcp -dpf $(@D)/loader.bin $(BINARIES_DIR)/
endef
$(eval $(generic-package))
""",
    "bootenv": """\
HOST_BOOTENV_VERSION = 1
HOST_BOOTENV_SOURCE =
define HOST_BOOTENV_INSTALL_CMDS
\techo bootdelay=1 > $(BINARIES_DIR)/env.bin
endef
$(eval $(host-generic-package))
""",
    "modes": """\
MODES_VERSION = 1
MODES_SOURCE =
define MODES_INSTALL_TARGET_CMDS
\t$(INSTALL) -d -m 700 $(TARGET_DIR)/etc/modes
\techo rules > $(TARGET_DIR)/etc/modes/rules
\tchmod 440 $(TARGET_DIR)/etc/modes/rules
\tmkdir -p $(TARGET_DIR)/usr/bin
\techo one > $(TARGET_DIR)/usr/bin/one
\tchmod 4755 $(TARGET_DIR)/usr/bin/one
\tln -f $(TARGET_DIR)/usr/bin/one $(TARGET_DIR)/usr/bin/two
endef
$(eval $(generic-package))
""",
    "seeker": """\
SEEKER_VERSION = 1
SEEKER_SOURCE =
define SEEKER_INSTALL_TARGET_CMDS
\tmkdir -p $(TARGET_DIR)/etc
\ttest ! -e $(STAGING_DIR)/usr/share/tests/other || touch $(TARGET_DIR)/etc/seen
endef
$(eval $(generic-package))
""",
}
SYMBOLS = {
    "aloader": "BR2_PACKAGE_ALOADER",
    "bootenv": "BR2_PACKAGE_HOST_BOOTENV",
    "modes": "BR2_PACKAGE_MODES",
    "seeker": "BR2_PACKAGE_SEEKER",
}


def write_package(box: Path, lower: str, *, version: str = "1") -> None:
    folder = box / "external" / "package" / lower
    (folder / "source").mkdir(parents=True, exist_ok=True)
    (folder / "source" / "text").write_text(f"{lower}\n")
    words = {"name": lower.upper(), "lower": lower, "version": version, "needs": NAMES[lower]}
    (folder / "Config.in").write_text(CONFIG.format(**words))
    (folder / f"{lower}.mk").write_text(PACKAGE.format(**words))


def write_special(box: Path) -> None:
    for name, rules in SPECIAL.items():
        folder = box / "external" / "package" / name
        folder.mkdir()
        default = "" if name == "seeker" else "\tdefault y\n"
        (folder / "Config.in").write_text(f'config {SYMBOLS[name]}\n\tbool "{name}"\n{default}')
        (folder / f"{name}.mk").write_text(rules)


# What only the defconfig names: an overlay, and a script that reads another file of the project.
BESIDE = """\
BR2_ROOTFS_OVERLAY="$(BR2_EXTERNAL_TESTS_PATH)/../beside"
BR2_ROOTFS_POST_BUILD_SCRIPT="$(BR2_EXTERNAL_TESTS_PATH)/../post.sh"
"""
POST = '#!/bin/sh\ncp "$(dirname "$0")/VERSION" "$1/etc/version"\n'


@pytest.fixture
def box(base: Base, tmp_path: Path) -> Path:
    return project(tmp_path, base.tree, base.defconfig)


def project(tmp_path: Path, tree: Path, defconfig: str) -> Path:
    """Write the project of the small packages and return it."""
    (tmp_path / "system.yaml").write_text(SYSTEM.format(tree=tree))
    chosen = "".join(f"BR2_PACKAGE_{name.upper()}=y\n" for name in NAMES)
    (tmp_path / "box_defconfig").write_text(defconfig + chosen + BESIDE)
    external = tmp_path / "external"
    (external / "board").mkdir(parents=True)
    (external / "board" / "loader.dts").write_text("one\n")
    (tmp_path / "beside" / "etc").mkdir(parents=True)
    (tmp_path / "beside" / "etc" / "word").write_text("one\n")
    (tmp_path / "post.sh").write_text(POST)
    (tmp_path / "post.sh").chmod(0o755)
    (tmp_path / "VERSION").write_text("1\n")
    (external / "external.desc").write_text("name: TESTS\n")
    lines = (f'source "$BR2_EXTERNAL_TESTS_PATH/package/{name}/Config.in"\n' for name in (*NAMES, *SPECIAL))
    (external / "Config.in").write_text("".join(lines))
    (external / "external.mk").write_text(
        "include $(sort $(wildcard $(BR2_EXTERNAL_TESTS_PATH)/package/*/*.mk))\n"
    )
    for name in NAMES:
        write_package(tmp_path, name)
    write_special(tmp_path)
    (tmp_path / "overlay" / "etc").mkdir(parents=True)
    (tmp_path / "overlay" / "etc" / "first").write_text("first\n")
    (tmp_path / "overlay" / "etc" / "second").write_text("second\n")
    return tmp_path


def output(box: Path) -> Path:
    return box / ".rootstream" / "buildroot" / "box" / "output"


def contents(folder: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            content = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        found[str(path.relative_to(folder))] = (stat.filemode(status.st_mode), content)
    return found


def result(box: Path) -> dict[str, dict[str, tuple[str, str]]]:
    return {
        "target": contents(output(box) / "target"),
        "images": contents(output(box) / "images"),
        "host": {  # with staging/; folders that nothing is in any more stay there
            name: value for name, value in contents(output(box) / "host").items() if value[1]
        },
        "out": {name: value for name, value in contents(box / "out" / "box").items() if name != "manifest.json"},
        "lists": lists(box),
    }


def lists(box: Path) -> dict[str, tuple[str, str]]:
    """Return which package each file is of, as `make graph-size` reads it."""
    found: dict[str, tuple[str, str]] = {}
    for path in (output(box) / "build").glob("packages-file-list*.txt"):
        for line in path.read_text().splitlines():
            package, _, name = line.partition(",")
            found[f"{path.name}:{name}:{package}"] = (package, name)
    return found


def _is_build(event: dict[str, str]) -> bool:
    return event["type"] == "element-finished" and event["action"] == "build"


def built(box: Path, run: Command) -> list[str]:
    """Build and return the packages that were built, Buildroot's own among them."""
    done = run("build", "--json", cwd=box)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [event["element"] for event in told if _is_build(event)]


def word(box: Path, name: str, value: str) -> None:
    with (box / "box_defconfig").open("a") as file:
        file.write(f'BR2_PACKAGE_{name.upper()}_WORD="{value}"\n')


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def seek(box: Path) -> None:
    append(box / "box_defconfig", "BR2_PACKAGE_SEEKER=y\n")


def drop(box: Path, name: str) -> Path:
    path = box / "box_defconfig"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if f"BR2_PACKAGE_{name.upper()}" not in line))
    return box


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a file of the overlay changes": (lambda box: (box / "overlay" / "etc" / "first").write_text("new\n"), set()),
    "the host name": (lambda box: append(box / "system.yaml", "      - hostname: other\n"), set()),
    "a package is removed, one is added that looks into staging": (
        lambda box: seek(drop(box, "other")),
        {"seeker"},
    ),
    "the issue": (
        lambda box: append(box / "box_defconfig", 'BR2_TARGET_GENERIC_ISSUE="other"\n'),
        set(),
    ),
    "an overlay that only the defconfig names": (
        lambda box: (box / "beside" / "etc" / "word").write_text("two\n"),
        set(),
    ),
    "a file that a script reads": (lambda box: (box / "VERSION").write_text("2\n"), set()),
    "a device tree that a rule names": (
        lambda box: (box / "external" / "board" / "loader.dts").write_text("two\n"),
        {"aloader"},
    ),
    "a symbol of a package": (lambda box: word(box, "user", "changed"), {"user"}),
    "a library and its user": (lambda box: word(box, "library", "changed"), {"library", "user"}),
    "a library's version": (lambda box: write_package(box, "library", version="2"), {"library", "user"}),
    "a source file": (
        lambda box: (box / "external" / "package" / "user" / "source" / "text").write_text("edited\n"),
        {"user"},
    ),
    "a file of the overlay is removed": (lambda box: (box / "overlay" / "etc" / "second").unlink(), set()),
    "a file of the overlay becomes executable": (
        lambda box: (box / "overlay" / "etc" / "first").chmod(0o755),
        set(),
    ),
    "a library and its user are removed": (lambda box: drop(drop(box, "user"), "library"), set()),
}


def test_a_build_after_a_change_is_a_build_from_clean(box: Path, run: Command) -> None:
    assert set(built(box, run)) > set(NAMES)
    assert built(box, run) == []
    for name, (change, expected) in CHANGES.items():
        change(box)
        assert set(built(box, run)) == expected, name
        after = result(box)
        shutil.rmtree(box / ".rootstream")
        built(box, run)
        assert result(box) == after, name


def test_what_was_put_into_target_by_hand_is_named_and_kept(box: Path, run: Command) -> None:
    built(box, run)
    (output(box) / "target" / "usr" / "bin" / "mine").write_text("#!/bin/sh\n")
    done = run("build", cwd=box)
    assert "/usr/bin/mine" in done.stderr
    kept = list((box / ".rootstream" / "buildroot" / "box" / "found").rglob("mine"))
    assert [path.read_text() for path in kept] in ([], ["#!/bin/sh\n"])
    (box / "overlay" / "etc" / "first").write_text("again\n")
    done = run("build", cwd=box)
    assert not (output(box) / "target" / "usr" / "bin" / "mine").exists()
    assert [path.read_text() for path in (box / ".rootstream" / "buildroot" / "box" / "found").rglob("mine")]


def test_a_dry_run_says_what_and_why_and_builds_nothing(box: Path, run: Command) -> None:
    built(box, run)
    before = result(box)
    word(box, "library", "changed")
    done = run("build", "--dry-run", cwd=box)
    assert "library is rebuilt: BR2_PACKAGE_LIBRARY_WORD changed" in done.stderr
    assert "user is rebuilt: library changed" in done.stderr
    assert result(box) == before


def test_another_search_path_builds_no_package_again(box: Path, run: Command) -> None:
    built(box, run)
    env = {"PATH": f"{box / 'bin'}:{os.environ['PATH']}"}
    (box / "overlay" / "etc" / "first").write_text("changed\n")
    done = run("build", "--dry-run", cwd=box, env=env)
    assert "target/ and images/ are recreated from the packages: the configuration or files" in done.stderr
    word(box, "other", "changed")  # now Buildroot has to be asked again, too
    done = run("build", "--dry-run", cwd=box, env=env)
    assert "other is rebuilt: BR2_PACKAGE_OTHER_WORD changed" in done.stderr
    assert done.stderr.count("is rebuilt") == 1
    assert "from clean" not in done.stderr


def test_what_comes_by_git_is_fetched_and_then_built_without_it(box: Path, run: Command) -> None:
    repository = box / "repository"
    shutil.copytree(box / "external" / "package" / "other" / "source", repository)
    (repository / "text").write_text(f"{box}\n")
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    rules = box / "external" / "package" / "other" / "other.mk"
    lines = [line for line in rules.read_text().splitlines() if "_SITE" not in line and "_VERSION" not in line]
    head = f"OTHER_VERSION = {commit}\nOTHER_SITE = file://{repository}\nOTHER_SITE_METHOD = git\n"
    rules.write_text(head + "\n".join(lines) + "\n")
    run("fetch", cwd=box)
    assert not (output(box) / "build").exists()
    repository.rename(box / "gone")
    assert "other" in built(box, run)
    assert (output(box) / "target" / "usr" / "bin" / "other").read_text().startswith(f"{box}\n")
    shutil.rmtree(box / ".rootstream")
    done = run("fetch", cwd=box)
    assert "other" not in done.stderr


def test_what_nobody_has_is_named(box: Path, run: Command) -> None:
    rules = box / "external" / "package" / "other" / "other.mk"
    site = f"OTHER_SITE = file://{box}/nowhere\nOTHER_SITE_METHOD = git\n"
    lines = [line for line in rules.read_text().splitlines() if "_SITE" not in line]
    rules.write_text(site + "\n".join(lines) + "\n")
    done = run("fetch", cwd=box, check=False)
    assert done.returncode == 2
    assert "box: the sources of these packages were not found: other\n" in done.stderr
    assert not (box / ".rootstream" / "buildroot" / "box" / "fetching").exists()


def test_a_failure_names_the_package_its_log_and_the_shell(box: Path, run: Command) -> None:
    (box / "external" / "package" / "other" / "source" / "text").unlink()
    done = run("build", cwd=box, check=False)
    assert done.returncode == 2
    assert "box: other failed" in done.stderr
    assert "rootstream shell box:other" in done.stderr
    assert "text: No such file" in run("log", "box:other", cwd=box).stdout
    assert run("shell", "box:other", "--", "pwd", cwd=box).stdout.strip().endswith("/build/other-1")
    assert not (box / "out" / "box").exists()
    (box / "external" / "package" / "other" / "source" / "text").write_text("other\n")
    assert "other" in built(box, run)
