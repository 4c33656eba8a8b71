"""Builds that read what lies outside of the project: shown to them from the first time on, and looked at again."""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from pathlib import Path

import pytest
from tests.buildroot.conftest import Base, Command

pytestmark = pytest.mark.buildroot

SYSTEM = """\
systems:
  box:
    root:
      buildroot:
        tree: {{local: "{tree}"}}
        external: [ext]
        defconfig: box_defconfig
    images: [tar]
"""
SCRIPT = """\
#!/bin/sh
cat "$2/word" > "$1/etc/script"
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def package(box: Path, name: str, *rules: str) -> None:
    """Have a package in the external tree that installs the file `word` of its source."""
    upper = name.upper()
    lines = [
        *(f"{upper}_{rule}" for rule in ("VERSION = 1", *rules)),
        f"define {upper}_INSTALL_TARGET_CMDS",
        "\tmkdir -p $(TARGET_DIR)/etc",
        f"\tcp $(@D)/word $(TARGET_DIR)/etc/{name}",
        "endef",
        "$(eval $(generic-package))",
    ]
    write(box / f"ext/package/{name}/{name}.mk", "\n".join([*lines, ""]))
    write(box / f"ext/package/{name}/Config.in", f'config BR2_PACKAGE_{upper}\n\tbool "{name}"\n')


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    for name in ("local", "remote", "keys"):
        write(tmp_path / "outer" / name / "word", "one\n")
    write(tmp_path / "outer/post.sh", SCRIPT)
    (tmp_path / "outer/post.sh").chmod(0o755)
    return tmp_path / "outer"


@pytest.fixture
def box(base: Base, outer: Path, tmp_path: Path) -> Path:
    box, given = tmp_path / "box", os.environ.get("ROOTSTREAM_BUILDROOT_LOCAL_MK")
    write(box / "system.yaml", SYSTEM.format(tree=base.tree))
    write(box / "ext/external.desc", "name: EXT\n")
    # one comes from a folder by its own rules, the other by local.mk, with a variable that only make knows
    package(box, "local", f"SITE = {outer}/local", "SITE_METHOD = local")
    package(box, "remote", "SITE = http://nowhere.invalid")
    overrides = Path(given).read_text() if given else ""
    write(box / "local.mk", f"{overrides}\nOUTER = {outer}\nREMOTE_OVERRIDE_SRCDIR = $(OUTER)/remote\n")
    lines = [line for line in base.defconfig.splitlines() if "OVERRIDE_FILE" not in line]
    lines += ["BR2_PACKAGE_LOCAL=y", "BR2_PACKAGE_REMOTE=y", f'BR2_PACKAGE_OVERRIDE_FILE="{box}/local.mk"']
    lines += [f'BR2_ROOTFS_POST_BUILD_SCRIPT="{outer}/post.sh"', f'BR2_ROOTFS_POST_SCRIPT_ARGS="{outer}/keys"']
    write(box / "box_defconfig", "\n".join([*lines, ""]))
    return box


def test_scripts_of_layers_run_wherever_rootstream_is_installed(box: Path, run: Command) -> None:
    with (box / "system.yaml").open("a") as file:
        file.write('    layers: [issue: "it is $here\\n"]\n')
    search = [word for word in os.environ["PATH"].split(":") if word != str(Path(sys.executable).parent)]
    run("build", cwd=box, env={"PATH": ":".join(search)})
    with tarfile.open(box / "out/box/rootfs.tar") as archive:
        issue = archive.extractfile("./etc/issue")
        assert issue
        assert issue.read() == b"it is $here\n"


@pytest.mark.parametrize("layout", ["mirror/packed", "mirror", "downloads"])
def test_what_is_found_by_its_hash_is_built(
    layout: str, base: Base, box: Path, tmp_path: Path, run: Command
) -> None:
    archive = tmp_path / layout / "packed-1.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "outer/local", "packed-1")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    package(box, "packed", "SITE = http://127.0.0.1:9")
    write(box / "ext/package/packed/packed.hash", f"sha256  {digest}  packed-1.tar.gz\n")
    lines = [line for line in base.defconfig.splitlines() if "OVERRIDE_FILE" not in line]
    lines += ["BR2_PACKAGE_PACKED=y", f'BR2_PACKAGE_OVERRIDE_FILE="{box}/local.mk"']
    write(box / "box_defconfig", "\n".join([*lines, ""]))
    more = f"\n        mirrors: ['file://{tmp_path}/mirror']" if "mirror" in layout else ""
    write(box / "system.yaml", SYSTEM.format(tree=base.tree).replace("[ext]", f"[ext]{more}"))
    run("build", cwd=box, env={"BR2_DL_DIR": str(tmp_path / "downloads")})
    with tarfile.open(box / "out/box/rootfs.tar") as file:
        packed = file.extractfile("./etc/packed")
        assert packed
        assert packed.read() == b"one\n"


def words(box: Path) -> list[bytes]:
    with tarfile.open(box / "out/box/rootfs.tar") as archive:
        files = [archive.extractfile(f"./etc/{name}") for name in ("local", "remote", "script")]
        return [file.read() for file in files if file]


def test_what_is_read_elsewhere_is_shown_and_looked_at_again(box: Path, outer: Path, run: Command) -> None:
    run("build", cwd=box)
    assert words(box) == [b"one\n"] * 3
    assert "nothing to do" in run("build", cwd=box).stderr
    for number, name in enumerate(("local", "remote", "keys")):
        (outer / name / "word").write_text("two\n")
        run("build", cwd=box)
        assert words(box) == [b"two\n"] * (number + 1) + [b"one\n"] * (2 - number)
