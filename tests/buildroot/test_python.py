"""Layer `python` on real trees: wheels are resolved, pinned and laid out, and Buildroot knows the package."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.buildroot import smalltree, test_graph
from tests.buildroot.conftest import Command

from rootstream.buildroot.generate import python_layer

pytestmark = pytest.mark.buildroot

SYSTEM = """\
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
    images: [tar]
    layers:
      - python: {{version: "{version}", requirements: [requirements.txt], constraints: [limits.txt]}}
"""


def wheel(folder: Path, version: str) -> None:
    """Make a wheel of nothing but a console script (PEP 427)."""
    info = f"greeting-{version}.dist-info"
    with zipfile.ZipFile(folder / f"greeting-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("greeting/__init__.py", "def main():\n    print('hello')\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ngreeting = greeting:main\n")
        archive.writestr(f"{info}/RECORD", "")


def test_wheels_become_a_package(any_tree: Path, defconfig: str, tmp_path: Path, run: Command) -> None:
    index = tmp_path / "index"
    index.mkdir()
    for number in ("1.0", "1.10"):
        wheel(index, number)
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    box = tmp_path / "box"
    box.mkdir()
    version = python_layer.version(any_tree)
    assert version
    (box / "box_defconfig").write_text(defconfig)
    (box / "requirements.txt").write_text("greeting\n")
    (box / "limits.txt").write_text("greeting==1.0\n")
    (box / "system.yaml").write_text(SYSTEM.format(tree=any_tree, version="3.2"))
    done = run("config", "check", cwd=box, env=env, check=False)
    assert done.returncode == 2
    assert f'version: "{version}"' in done.stderr
    (box / "system.yaml").write_text(SYSTEM.format(tree=any_tree, version=version))
    run("update", cwd=box, env=env)
    assert "greeting-1.0-py3-none-any.whl" in (box / "system.lock").read_text()
    assert "installed again" in run("build", "--dry-run", cwd=box, env=env).stderr
    assert not (box / ".rootstream/buildroot/box").exists()
    run("fetch", cwd=box, env=env, check=False)  # what Buildroot itself downloads is not to be had everywhere
    folder = box / ".rootstream/buildroot/box/python/usr"
    assert (folder / f"lib/python{version}/site-packages/greeting/__init__.py").is_file()
    assert (folder / "bin/greeting").read_text().startswith("#!/usr/bin/python3\n")
    done = run("make", "-s", "printvars", "VARS=ROOTSTREAM_PYTHON_SITE ROOTSTREAM_PYTHON_DEPENDENCIES", cwd=box)
    assert f"ROOTSTREAM_PYTHON_SITE={folder.parent}\n" in done.stdout
    assert "ROOTSTREAM_PYTHON_DEPENDENCIES=python3" in done.stdout


PYTHON = """\
PYTHON3_VERSION_MAJOR = 3.13
PYTHON3_VERSION = 3.13
PYTHON3_SITE = $(TOPDIR)/package/python3/src
PYTHON3_SITE_METHOD = local
$(eval $(generic-package))
"""


def test_wheels_are_a_package_among_others_that_are_built_one_by_one(
    small_tree: Path, tmp_path: Path, run: Command
) -> None:
    tree = Path(shutil.copytree(small_tree, tmp_path / "tree", symlinks=True))
    (tree / "package" / "python3" / "src").mkdir(parents=True)
    (tree / "package" / "python3" / "src" / "README").write_text("a stand-in\n")
    (tree / "package" / "python3" / "python3.mk").write_text(PYTHON)
    (tree / "package" / "python3" / "Config.in").write_text('config BR2_PACKAGE_PYTHON3\n\tbool "python3"\n')
    with (tree / "package" / "Config.in").open("a") as menu:
        menu.write('source "package/python3/Config.in"\n')
    (tmp_path / "index").mkdir()
    wheel(tmp_path / "index", "1.0")
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index")}
    box = tmp_path / "box"
    box.mkdir()
    (box / "box_defconfig").write_text(smalltree.DEFCONFIG)
    (box / "requirements.txt").write_text("greeting\n")
    (box / "limits.txt").write_text("greeting==1.0\n")
    text = SYSTEM.format(tree=tree, version="3.13").replace("defconfig:", "graph: true\n        defconfig:")
    (box / "system.yaml").write_text(test_graph.DEBIAN + text)
    run("build", cwd=box, env=env)
    with tarfile.open(box / "out" / "box" / "rootfs.tar") as root:
        program = root.extractfile("./usr/bin/greeting")
        assert program is not None
        assert program.read().startswith(b"#!/usr/bin/python3\n")
        assert root.getmember("./usr/bin/greeting").mode == 0o755
        assert "./usr/lib/python3.13/site-packages/greeting/__init__.py" in root.getnames()
    assert "nothing to do" in run("build", cwd=box, env=env).stderr
    wheel(tmp_path / "index", "1.1")
    (box / "limits.txt").write_text("greeting==1.1\n")
    run("update", cwd=box, env=env)
    done = run("build", "-n", cwd=box, env=env)
    assert "the packages of `python:` would be installed again" in done.stderr
    run("build", cwd=box, env=env)
    with tarfile.open(box / "out" / "box" / "rootfs.tar") as root:
        assert "./usr/lib/python3.13/site-packages/greeting-1.1.dist-info/METADATA" in root.getnames()
        assert "./usr/lib/python3.13/site-packages/greeting-1.0.dist-info/METADATA" not in root.getnames()
