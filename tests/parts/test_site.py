"""The site of all documents: built as `make docs` does, and without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

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
