"""Folders of sources of systems that Buildroot builds: a package is built from one alone, without a network."""

from __future__ import annotations

import json
import os
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
    (project / "box_defconfig").write_text(DEFCONFIG)
    environment = {**os.environ, "ROOTSTREAM_BUILDROOT_CACHE": str(tmp_path / "cache")}
    folder = tmp_path / "sources"
    done = run("sources", str(folder), cwd=project, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "legal-info is left out: this tree has no such target" in done.stderr
    told = json.loads((folder / "sources.json").read_text())
    assert told["sources"][0] == {"name": "buildroot", "kind": "buildroot", "folder": "tree"}
    assert b"notreallyahash" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

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
