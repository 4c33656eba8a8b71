"""Whether a package came out as fragments ask, as the program in the sandbox tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("fragment", "optional", "status", "said"),
    [
        ("CONFIG_NET=y\n# CONFIG_USB is not set\n", [], 0, ""),
        (
            "CONFIG_NET=y\nCONFIG_USB=y\n",
            [],
            2,
            "rootstream: error symbol-unexplained: one.config:2: CONFIG_USB=y was requested, but is not in",
        ),
        ("CONFIG_USB=y\n", ["USB"], 0, "rootstream: note symbol-unexplained: one.config:1: CONFIG_USB=y"),
        ("CONFIG_NET=m\n", [], 2, 'CONFIG_NET=m was requested, but the final configuration has "y"'),
        ("CONFIG_USB\n", [], 2, "one.config:1: "),
    ],
    ids=["met", "missing", "optional", "another value", "no line of a fragment"],
)
def test_what_did_not_come_out_is_told(
    tmp_path: Path, fragment: str, optional: list[str], status: int, said: str
) -> None:
    (tmp_path / ".config").write_text("CONFIG_NET=y\n")
    (tmp_path / "0.fragment").write_text(fragment)
    requests = {
        "kind": "busybox",
        "fragments": [["one.config", str(tmp_path / "0.fragment")]],
        "optional": optional,
        "make_words": [],
    }
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    program = "rootstream.sandbox.buildroot.requests"
    argv = [sys.executable, "-m", program, str(tmp_path), str(tmp_path / "requests.json")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)
