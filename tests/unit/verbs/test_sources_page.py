"""What a folder of sources says of itself."""

from __future__ import annotations

import json
from pathlib import Path

from rootstream.verbs import sources_page
from rootstream.verbs.sources_page import Collected, Row


def test_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    found = Collected(
        rows=[
            Row(name="bash", version="5.2", kind="debian", folder="debian/bash_5.2", of=("bash=5.2",)),
            Row(
                name="linux", version=None, kind="tree", folder="trees/linux", element="linux-x.bst", patched=True
            ),
        ],
        missing=[("blob 1", "nobody has it")],
        left_out=["agent"],
    )
    sources_page.write(tmp_path, "box", found)
    text = (tmp_path / "README.md").read_text()
    assert "- bash 5.2, in `debian/bash_5.2`, for bash=5.2\n" in text
    assert "- linux (version unknown), in `trees/linux`, element `linux-x.bst`, patches are applied\n" in text
    assert "- blob 1: nobody has it\n" in text
    assert "Left out, as the project's own software: agent." in text
    assert "## Buildroot" not in text
    told = json.loads((tmp_path / "sources.json").read_text())
    assert told["missing"] == [{"name": "blob 1", "reason": "nobody has it"}]
    assert told["sources"][1]["patched"] is True
