"""After a change of any kind, exactly what it concerns is built, and the images are those of a clean build."""

from __future__ import annotations

import json
import shutil
import tarfile
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from tests.buildroot import smalltree, test_graph, test_rebuild
from tests.buildroot.conftest import call
from tests.buildroot.test_rebuild import append

ALL = {
    *("aloader", "fetched", "hello", "host-bootenv", "library", "libhello", "modes", "other"),
    *("skeleton", "skeleton-init-common", "toolchain", "user"),
}
# ALL: a symbol or a file that Buildroot's rules for all packages name. CACHED: as it was before.
CACHED: set[str] = set()
PATCH = """\
--- a/text
+++ b/text
@@ -1 +1 @@
-{old}
+{new}
"""
MAIN = '#!/bin/sh\necho "$1" > "$1/{file}"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A project on a tree of its own; `folder` has both, and the mirror that its downloads are on."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    @property
    def defconfig(self) -> Path:
        return self.project / "box_defconfig"

    def package(self, name: str) -> Path:
        return self.project / "external" / "package" / name

    def symbol(self, text: str) -> None:
        append(self.defconfig, f"{text}\n")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        place = self.project / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def release(self, version: str) -> None:
        """Put a tarball of `fetched` on the mirror, and take it."""
        name = f"fetched-{version}"
        (self.folder / name).mkdir()
        (self.folder / name / "text").write_text(f"fetched {version}\n")
        tarball = self.folder / "mirror" / f"{name}.tar.gz"
        tarball.parent.mkdir(exist_ok=True)
        with tarfile.open(tarball, "w:gz") as archive:
            archive.add(self.folder / name, name)
        digest = sha256(tarball.read_bytes()).hexdigest()
        rules = test_rebuild.PACKAGE.format(name="FETCHED", version=version, lower="fetched", needs="")
        site = (self.folder / "mirror").as_uri()
        rules = rules.replace("$(BR2_EXTERNAL_TESTS_PATH)/package/fetched/source", site)
        rules = rules.replace("FETCHED_SITE_METHOD = local\n", f"FETCHED_SOURCE = {tarball.name}\n")
        folder = self.package("fetched")
        folder.mkdir(exist_ok=True)
        (folder / "fetched.mk").write_text(rules)
        (folder / "fetched.hash").write_text(f"sha256  {digest}  {tarball.name}\n")


def needs(box: Box, *names: str) -> None:
    """Have `user` depend on other packages."""
    words = {"name": "USER", "lower": "user", "version": "1", "needs": " ".join(names)}
    (box.package("user") / "user.mk").write_text(test_rebuild.PACKAGE.format(**words))


def override(box: Box) -> None:
    """Build `other` from a folder of the user's (Buildroot's local.mk)."""
    box.write("mine/text", "mine\n")
    box.write("local.mk", f"OTHER_OVERRIDE_SRCDIR = {box.project}/mine\n")
    box.symbol('BR2_PACKAGE_OVERRIDE_FILE="$(BR2_EXTERNAL_TESTS_PATH)/../local.mk"')


def agent(box: Box, text: str) -> None:
    box.write(
        "agent/Makefile",
        f"all:\ninstall:\n\tmkdir -p $(DESTDIR)/usr/bin\n\techo {text} > $(DESTDIR)/usr/bin/agent\n",
    )


def patched(box: Box, folder: str, old: str, new: str) -> None:
    box.write(f"{folder}/0001-change.patch", PATCH.format(old=old, new=new))


def steps(*several: Callable[[Box], object]) -> Callable[[Box], object]:
    """Return a change that is made of several."""
    return lambda box: [each(box) for each in several]


CHANGES: dict[str, tuple[Callable[[Box], object], set[str]]] = {
    "a script for images": (
        steps(
            lambda box: box.write("image.sh", '#!/bin/sh\necho one > "$1/made"\n', 0o755),
            lambda box: box.symbol('BR2_ROOTFS_POST_IMAGE_SCRIPT="$(BR2_EXTERNAL_TESTS_PATH)/../image.sh"'),
        ),
        set(),
    ),
    "the script's text": (lambda box: box.write("image.sh", '#!/bin/sh\necho two > "$1/made"\n', 0o755), set()),
    "a script for the root, as root": (
        steps(
            lambda box: box.write("root.sh", '#!/bin/sh\nchown 7:7 "$1/etc/first"\n', 0o755),
            lambda box: box.symbol('BR2_ROOTFS_POST_FAKEROOT_SCRIPT="$(BR2_EXTERNAL_TESTS_PATH)/../root.sh"'),
        ),
        set(),
    ),
    "words for the scripts": (lambda box: box.symbol('BR2_ROOTFS_POST_SCRIPT_ARGS="one two"'), set()),
    "a table of users": (
        steps(
            lambda box: box.write("users.txt", "ann -1 ann -1 * /home/ann /bin/sh - Ann\n"),
            lambda box: box.symbol('BR2_ROOTFS_USERS_TABLES="$(BR2_EXTERNAL_TESTS_PATH)/../users.txt"'),
        ),
        set(),
    ),
    "a user is renamed": (lambda box: box.write("users.txt", "bob -1 bob -1 * /home/bob /bin/sh - Bob\n"), set()),
    "a table of devices": (
        steps(
            lambda box: box.write("devices.txt", "/dev/console c 622 0 0 5 1 - - -\n"),
            lambda box: box.symbol('BR2_ROOTFS_STATIC_DEVICE_TABLE="$(BR2_EXTERNAL_TESTS_PATH)/../devices.txt"'),
        ),
        set(),
    ),
    "a mode in a table": (lambda box: box.write("devices.txt", "/dev/console c 600 0 0 5 1 - - -\n"), set()),
    "a file of the overlay becomes a link": (
        steps(
            lambda box: (box.project / "overlay" / "etc" / "second").unlink(),
            lambda box: (box.project / "overlay" / "etc" / "second").symlink_to("first"),
        ),
        set(),
    ),
    "a file of the overlay becomes a folder": (
        steps(
            lambda box: (box.project / "overlay" / "etc" / "second").unlink(),
            lambda box: box.write("overlay/etc/second/inner", "inner\n"),
        ),
        set(),
    ),
    "an overlay hides what a package installs": (lambda box: box.write("overlay/usr/bin/user", "mine\n"), set()),
    "and does not any more": (lambda box: (box.project / "overlay" / "usr" / "bin" / "user").unlink(), set()),
    "an overlay is left out": (lambda box: box.symbol('BR2_ROOTFS_OVERLAY=""'), set()),
    "the number of jobs": (lambda box: box.symbol("BR2_JLEVEL=3"), set()),
    "another image": (lambda box: box.symbol("BR2_TARGET_ROOTFS_CPIO=y"), set()),
    "a password": (lambda box: box.symbol('BR2_TARGET_GENERIC_ROOT_PASSWD="secret"'), set()),
    "no password": (
        lambda box: box.edit(box.defconfig, 'BR2_TARGET_GENERIC_ROOT_PASSWD="secret"\n', ""),
        set(),
    ),
    "a patch": (
        lambda box: patched(box, "external/package/fetched", "fetched 1", "patched"),
        {"fetched"},
    ),
    "the patch's text": (
        lambda box: patched(box, "external/package/fetched", "fetched 1", "patched again"),
        {"fetched"},
    ),
    "no patch": (lambda box: (box.package("fetched") / "0001-change.patch").unlink(), CACHED),
    "a patch from elsewhere": (
        steps(
            lambda box: patched(box, "patches/fetched", "fetched 1", "from elsewhere"),
            lambda box: box.symbol('BR2_GLOBAL_PATCH_DIR="$(BR2_EXTERNAL_TESTS_PATH)/../patches"'),
        ),
        {"fetched"},
    ),
    "a release of what is downloaded": (
        steps(lambda box: box.release("2"), lambda box: shutil.rmtree(box.project / "patches" / "fetched")),
        {"fetched"},
    ),
    "a package needs another one": (lambda box: needs(box, "library", "other"), {"user"}),
    "a package needs one less": (lambda box: needs(box, "library"), CACHED),
    "a symbol that has a default": (
        lambda box: append(box.package("other") / "Config.in", '\tdefault "a default"\n'),
        {"other"},
    ),
    "a package from a folder of one's own": (override, {"other"}),
    "a file of that folder": (lambda box: box.write("mine/text", "mine again\n"), {"other"}),
    "a new file of that folder": (lambda box: box.write("mine/more", "more\n"), {"other"}),
    "not from there any more": (lambda box: box.write("local.mk", "\n"), CACHED),
    "a package from a folder that the description names": (
        steps(
            lambda box: box.write("../elsewhere/text", "elsewhere\n"),
            lambda box: box.edit(
                box.project / "system.yaml",
                "graph: true\n",
                "graph: true\n        override: {other: ../elsewhere}\n",
            ),
            lambda box: box.edit(
                box.defconfig, 'BR2_PACKAGE_OVERRIDE_FILE="$(BR2_EXTERNAL_TESTS_PATH)/../local.mk"\n', ""
            ),
        ),
        {"other"},
    ),
    "a file of that folder elsewhere": (
        lambda box: box.write("../elsewhere/text", "elsewhere again\n"),
        {"other"},
    ),
    "the description does not name it any more": (
        lambda box: box.edit(box.project / "system.yaml", "        override: {other: ../elsewhere}\n", ""),
        CACHED,
    ),
    "a tool of the host": (
        lambda box: box.edit(box.package("bootenv") / "bootenv.mk", "bootdelay=1", "bootdelay=2"),
        {"host-bootenv"},
    ),
    "a program of the description": (
        steps(
            lambda box: agent(box, "one"),
            lambda box: append(
                box.project / "system.yaml", "      - packages: [{name: agent, source: agent, build: make}]\n"
            ),
        ),
        {"agent"},
    ),
    "the source of that program": (lambda box: agent(box, "two"), {"agent"}),
    "the program is left out": (
        lambda box: box.edit(
            box.project / "system.yaml", "      - packages: [{name: agent, source: agent, build: make}]\n", ""
        ),
        set(),
    ),
    "a source in the tree": (
        lambda box: box.edit(box.tree / "package" / "libhello" / "src" / "say.c", "{", "{ /* edited */"),
        {"hello", "libhello"},
    ),
    "the rules of a package of the tree": (
        lambda box: append(box.tree / "package" / "hello" / "hello.mk", "# edited\n"),
        {"hello"},
    ),
    "a package of the tree that is not chosen": (
        lambda box: append(box.tree / "package" / "strace" / "strace.mk", "# edited\n"),
        set(),
    ),
    "rules for images": (lambda box: append(box.tree / "fs" / "tar" / "tar.mk", "# edited\n"), set()),
    "the release of the tree": (
        lambda box: box.edit(box.tree / "Makefile", "BR2_VERSION := 2026.05", "BR2_VERSION := 2026.05.1"),
        set(),
    ),
    "rules for all packages": (lambda box: append(box.tree / "package" / "pkg-generic.mk", "# edited\n"), ALL),
    "the skeleton": (lambda box: append(box.tree / "system" / "skeleton" / "etc" / "group", "more:x:77:\n"), ALL),
    "a file for every package of the project": (
        lambda box: append(box.project / "external" / "external.mk", "# edited\n"),
        ALL,
    ),
}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Return the small packages, one that is downloaded, and a package of the tree, as a project."""
    made = Box(folder=tmp_path)
    made.project.mkdir()
    smalltree.make(made.tree)
    test_rebuild.project(made.project, made.tree, smalltree.DEFCONFIG)
    made.release("1")
    (made.package("fetched") / "Config.in").write_text(test_rebuild.CONFIG.format(name="FETCHED", lower="fetched"))
    append(
        made.project / "external" / "Config.in", 'source "$BR2_EXTERNAL_TESTS_PATH/package/fetched/Config.in"\n'
    )
    made.symbol("BR2_PACKAGE_FETCHED=y\nBR2_PACKAGE_HELLO=y")
    append(made.project / "external" / "external.mk", f"# {uuid.uuid4()}\n")
    text = (made.project / "system.yaml").read_text()
    (made.project / "system.yaml").write_text(
        test_graph.DEBIAN
        + text.replace("external:", "graph: true\n        external:").replace("[files]", "[files, tar]")
    )
    return made


def from_clean(box: Box) -> dict[str, tuple[str, str]]:
    """Return what make gives of the project in an empty workspace."""
    shutil.rmtree(box.project.with_name("by-make") / ".rootstream", ignore_errors=True)
    return test_graph.by_make(box.project, call)


def test_there_are_forty_kinds_of_changes() -> None:
    assert len(CHANGES) >= 40 - 14 + len({*CHANGES} & {*test_rebuild.CHANGES})


def test_each_change_builds_what_it_concerns_and_gives_what_a_build_from_clean_gives(
    box: Box,
) -> None:
    call("update", "--missing", cwd=box.project)
    assert test_graph.built(box.project, call) == ALL
    wrong: dict[str, object] = {}
    for name, (change, expected) in CHANGES.items():
        change(box)
        try:
            with ThreadPoolExecutor(1) as beside:
                clean = beside.submit(from_clean, box)
                built = test_graph.built(box.project, call)
            ours, theirs = test_graph.exported(box.project), clean.result()
        except AssertionError as error:
            wrong[name] = str(error)[-2000:]
            continue
        if built != expected:
            wrong[name] = {"built": sorted(built), "expected": sorted(expected)}
        # what is compiled, by the host's compiler there, by the base's here; an archive with times in it
        same = {path for path in ours.keys() & theirs.keys() if path.endswith(("/hello", "rootfs.cpio"))}
        paths = (ours.keys() | theirs.keys()) - same
        differing = sorted(path for path in paths if ours.get(path) != theirs.get(path))
        if differing:
            wrong[f"{name}: images"] = differing
    assert not wrong, json.dumps(wrong, indent=1)
