"""Folders of sources of systems that Buildroot builds: a package is built from one alone, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.buildroot.conftest import Command

pytestmark = pytest.mark.buildroot

SYSTEM = """\
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
    images: [files]
    layers:
      - root_login: {{password: {{hash: "$6$salt$notreallyahash"}}}}
"""
DEFCONFIG = "BR2_x86_64=y\nBR2_PACKAGE_HELLO=y\n"


def test_a_package_is_built_from_the_folder_alone(small_tree: Path, tmp_path: Path, run: Command) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "system.yaml").write_text(SYSTEM.format(tree=small_tree))
    overlay = f'BR2_ROOTFS_OVERLAY="{project}/overlay"\n'
    patches = f'BR2_GLOBAL_PATCH_DIR="{project}/board/../patches"\n'
    (project / "box_defconfig").write_text(DEFCONFIG + overlay + patches)
    (project / "overlay").mkdir()
    (project / "overlay" / "of-mine").write_text("private\n")
    (project / "board").mkdir()
    (project / "patches" / "hello").mkdir(parents=True)
    (project / "patches" / "hello" / "word.patch").write_text("for those that are unpacked\n")
    environment = {**os.environ, "ROOTSTREAM_BUILDROOT_CACHE": str(tmp_path / "cache")}
    folder = tmp_path / "sources"
    done = run("sources", str(folder), cwd=project, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "legal-info is left out: this tree has no such target" in done.stderr
    told = json.loads((folder / "sources.json").read_text())
    assert told["sources"][0] == {"name": "buildroot", "version": "2026.05", "kind": "buildroot", "folder": "tree"}
    assert "HELLO_LICENSE = GPL-2.0+\n" in (folder / "tree/package/hello/hello.mk").read_text()
    assert b"notreallyahash" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert 'BR2_GLOBAL_PATCH_DIR="$(TOPDIR)/../project/patches"\n' in (folder / "config").read_text()
    assert (folder / "project" / "patches" / "hello" / "word.patch").is_file()
    assert not list(folder.rglob("of-mine"))

    project.rename(tmp_path / "away")
    output = folder / "output"
    output.mkdir()
    (output / ".config").write_bytes((folder / "config").read_bytes())
    for target in ("olddefconfig", "hello"):
        words = ["make", "-C", "tree", f"O={output}", f"BR2_DL_DIR={folder / 'dl'}", "BR2_EXTERNAL=", target]
        offline = ["unshare", "--net", "--"] if os.geteuid() == 0 else []
        made = subprocess.run([*offline, *words], cwd=folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
    assert (output / "target" / "usr" / "bin" / "hello").stat().st_size > 1000


EXTERNAL = {
    "external.desc": "name: OWN\n",
    "Config.in": 'source "$BR2_EXTERNAL_OWN_PATH/package/little/Config.in"\n',
    "external.mk": "include $(BR2_EXTERNAL_OWN_PATH)/package/little/little.mk\n",
    "package/little/Config.in": 'config BR2_PACKAGE_LITTLE\n\tbool "little"\n',
    "package/little/little.mk": """\
LITTLE_VERSION = 1
LITTLE_SITE = $(BR2_EXTERNAL_OWN_PATH)/little
LITTLE_SITE_METHOD = local
LITTLE_LICENSE = GPL-2.0+
LITTLE_LICENSE_FILES = COPYING
define LITTLE_BUILD_CMDS
\t$(TARGET_CC) -o $(@D)/little $(@D)/little.c
endef
define LITTLE_INSTALL_TARGET_CMDS
\tinstall -D -m 755 $(@D)/little $(TARGET_DIR)/usr/bin/little
endef
$(eval $(generic-package))
""",
    "little/COPYING": "terms of the little program\n",
    "little/little.c": "int main(void) { return 0; }\n",
}


# What Buildroot's target does, as far as `sources` takes part in it; the small tree has none.
LEGAL = """
%-legal-source: %-source ;
legal-info:
\tmkdir -p $(BASE_DIR)/legal-info/licenses/little-1
\tprintf '"PACKAGE","VERSION","LICENSE","LICENSE FILES"\\n"little","1","%s","%s"\\n' \
\t\t'$(LITTLE_LICENSE)' '$(LITTLE_LICENSE_FILES)' > $(BASE_DIR)/legal-info/manifest.csv
\tcp $(LITTLE_SITE)/$(LITTLE_LICENSE_FILES) $(BASE_DIR)/legal-info/licenses/little-1
"""


@pytest.fixture(params=["small", "real"])
def legal(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """Return a tree that has the target, and the symbols of a system: the small one with it, then the real one."""
    if request.param == "real":
        return request.getfixturevalue("tree"), request.getfixturevalue("defconfig")
    tree = tmp_path / "tree"
    shutil.copytree(request.getfixturevalue("small_tree"), tree, symlinks=True)
    with (tree / "Makefile").open("a") as file:
        file.write(LEGAL)
    return tree, "BR2_x86_64=y\n"


@pytest.mark.parametrize("way", ["make", "graph"])
def test_buildroots_own_list_of_licenses_is_there(
    legal: tuple[Path, str], way: str, tmp_path: Path, run: Command
) -> None:
    tree, defconfig = legal
    project = tmp_path / "project"
    for name, text in EXTERNAL.items():
        (project / "external" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "external" / name).write_text(text)
    system = SYSTEM.format(tree=tree).replace("defconfig:", "external: [external]\n        defconfig:")
    graph = "graph: true\n        external:" if way == "graph" else "external:"
    (project / "system.yaml").write_text(system.replace("external:", graph))
    (project / "box_defconfig").write_text(defconfig + "BR2_PACKAGE_LITTLE=y\n")
    folder = tmp_path / "sources"
    env = {"ROOTSTREAM_BUILDROOT_CACHE": str(tmp_path / "cache")}
    run("update", cwd=project, env=env)
    done = run("sources", str(folder), cwd=project, env=env)
    assert "legal-info is left out" not in done.stderr
    made = folder / "legal-info"
    assert '"little","1","GPL-2.0+","COPYING"' in (made / "manifest.csv").read_text()
    (terms,) = made.glob("licenses/little-*/COPYING")
    assert terms.read_text() == EXTERNAL["little/COPYING"]
    assert b"notreallyahash" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert (folder / "external-1/little/little.c").is_file()
    told = json.loads((folder / "sources.json").read_text())
    assert ("little", "external-1/little") in [(each["name"], each["folder"]) for each in told["sources"]]
    assert told["missing"] == []
