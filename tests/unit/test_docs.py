"""The documents: they make a site without a warning, every description in them loads, the templates are there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.verbs.templates import TEMPLATES

ROOT = Path(__file__).parents[2]


def site(root: Path, made: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a folder as `make docs` does."""
    strict = ("-q", "-n", "-W", "--keep-going")
    command = [sys.executable, "-m", "sphinx", *strict, "-c", str(root / "docs"), str(root), str(made)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_pages_make_a_site_that_needs_no_other(tmp_path: Path) -> None:
    """No link leads nowhere, no page is left out, and a browser fetches nothing from elsewhere."""
    done = site(ROOT, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pages = list(tmp_path.rglob("*.html"))
    assert {"README.html", "tutorial.html", "system-yaml.html", "search.html"} <= {page.name for page in pages}
    fetched = r"""<(?:script|img|iframe|source)\b[^>]*\ssrc="?(?:https?:)?//|<link\b[^>]*\shref="?(?:https?:)?//"""
    for page in pages:
        assert not re.search(fetched, page.read_text()), page
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\s\"']*(?:https?:)?//", sheet.read_text()), sheet
    listed = re.findall(r"^(\S+\.md)$", (ROOT / "docs" / "index.md").read_text(), flags=re.MULTILINE)
    assert len(listed) == len(set(listed)) == len(list(tmp_path.rglob("*.doctree"))) - 1


def test_a_mistake_in_a_page_fails(tmp_path: Path) -> None:
    """Each of these is one, and fails the site by itself: `-W` makes an error of every warning."""
    mistakes = {
        "[a page](none.md)": "cross-reference target not found: 'none.md'",
        "[a file](../src/none.py)": "cross-reference target not found: '../src/none.py'",
        "[a heading](#none)": "cross-reference target not found: 'none'",
        "[a heading elsewhere](other.md#none)": "local id not found in doc 'docs/other': 'none'",
        "![a picture](none.png)": "image file not readable: docs/none.png",
    }
    docs = tmp_path / "from" / "docs"
    docs.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    shutil.copytree(ROOT / "docs" / "site", docs / "site")
    right = "[a page](other.md#a-heading) [a file](conf.py) [a heading](#pages)"
    (docs / "index.md").write_text(f"# Pages\n\n{right}\n\n```{{toctree}}\nother.md\n```\n")
    (docs / "other.md").write_text("# Other\n\n## A heading\n")
    done = site(docs.parent, tmp_path / "right")
    assert (done.returncode, done.stderr) == (0, "")
    (docs / "index.md").write_text("\n\n".join(["# Pages", *mistakes, "```{toctree}\nother.md\n```\n"]))
    (docs / "forgotten.md").write_text("# Forgotten\n")
    done = site(docs.parent, tmp_path / "wrong")
    assert done.returncode == 1
    for warning in (*mistakes.values(), "forgotten.md: WARNING: document isn't included in any toctree"):
        assert done.stderr.count(warning) == 1, warning


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
