"""The documents: every description in them loads, the templates are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.verbs.templates import TEMPLATES

ROOT = Path(__file__).parents[2]


def test_the_systems_in_the_guide_to_buildroot_load(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"```yaml\n(systems:.*?)```", (ROOT / "docs/how-to/buildroot.md").read_text(), flags=re.DOTALL
    )
    (tmp_path / "external").mkdir()
    for name in ("node_defconfig", "debug.config", "linux_defconfig", "usb.config", "busybox.config"):
        (tmp_path / name).touch()
    (tmp_path / "system.yaml").write_text(block)
    assert load(tmp_path / "system.yaml").names() == ("node", "node@debug")


def test_the_variant_in_the_tutorial_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), flags=re.DOTALL)
    variants = next(block for block in blocks if "variants:" in block)
    for name in ("linux.config", "debug.config"):
        (tmp_path / name).touch()
    system = (
        "systems:\n  hello:\n    root: busybox\n    kernel: {fragments: [linux.config]}\n    images: [kernel]\n"
    )
    (tmp_path / "system.yaml").write_text(system + variants)
    both = load(tmp_path / "system.yaml").systems
    assert [each.target for each in both] == ["hello", "hello@debug"]
    assert both[1].system.kernel
    assert both[1].system.kernel.fragments == ("linux.config", "debug.config")


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_templates_are_there(template: str) -> None:
    folder = ROOT / "examples" / TEMPLATES[template][0]
    assert (folder / "system.yaml").exists() or (folder / "project.conf").exists()


def test_the_machines_in_the_guide_to_netboot_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/how-to/netboot.md").read_text(), flags=re.DOTALL)
    system = "systems:\n  hello:\n    root: busybox\n    kernel: {}\n    images: [kernel, initramfs]\n"
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "r620").touch()
    assert blocks
    for block in blocks:
        (tmp_path / "system.yaml").write_text(system + block)
        assert load(tmp_path / "system.yaml").machines
