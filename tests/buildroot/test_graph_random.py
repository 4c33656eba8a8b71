"""Any configuration of Buildroot can be planned package by package; few packages need more than most of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.buildroot import test_graph
from tests.buildroot.conftest import Command

pytestmark = pytest.mark.buildroot

SYSTEM = """\
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
        graph: true
    images: [files]
"""
# Of Buildroot's utils/genrandconfig: what would ask for a compiler's path, or cannot be built package by package.
ALWAYS = """\
BR2_x86_64=y
# BR2_PER_PACKAGE_DIRECTORIES is not set
# BR2_COMPILER_PARANOID_UNSAFE_PATH is not set
"""


@pytest.mark.parametrize("seed", [7, 8])
def test_a_random_configuration(any_tree: Path, seed: int, tmp_path: Path, run: Command) -> None:
    (tmp_path / "all.config").write_text(ALWAYS)
    made = {"KCONFIG_ALLCONFIG": f"{tmp_path}/all.config", "KCONFIG_SEED": str(seed), "KCONFIG_PROBABILITY": "5"}
    words = ["make", "-s", "-C", str(any_tree), f"O={tmp_path / 'made'}"]
    box = tmp_path / "box"
    box.mkdir()
    for target in ("randconfig", f"BR2_DEFCONFIG={box / 'box_defconfig'}"):
        last = ["savedefconfig"] if target.startswith("BR2_") else []
        subprocess.run([*words, target, *last], env={**os.environ, **made}, check=True, capture_output=True)
    (box / "system.yaml").write_text(test_graph.DEBIAN + SYSTEM.format(tree=any_tree))
    run("update", cwd=box)
    run("fetch", cwd=box, check=False)  # planned first; not all downloads can be had everywhere
    state = box / ".rootstream" / "buildroot" / "box" / "state"
    packages = json.loads((state / "info.json").read_text())["packages"]
    needs = json.loads((state / "different.json").read_text())
    assert len(packages) > 50
    wider = [name for name, each in needs.items() if "wider" in each or "whole" in each]
    assert len(wider) <= len(packages) // 50, wider
    assert "package-toolchain.bst" in run("show", cwd=box).stdout
