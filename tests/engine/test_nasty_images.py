"""A tree of everything that is hard for an image, through the tools of the build base, which some hosts lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import nasty
from tests.conftest import Command

pytestmark = pytest.mark.engine

SYSTEM = "systems: {it: {root: busybox, kernel: null, images: [ext]}}\n"
MAIN = """
import json, tempfile
found = {}
for name, differs in ALL.items():
    with tempfile.TemporaryDirectory() as scratch:
        found[name] = differs(Path(scratch))
print("found:" + json.dumps(found))
"""


def test_all_of_it_is_read_back_in_the_sandbox(hello: Path, built: Path, run: Command) -> None:
    assert built.exists()
    (hello / "system.yaml").write_text(SYSTEM)
    run("build", cwd=hello, check=True)
    shown = json.loads(run("show", "--json", cwd=hello, check=True).stdout)
    image = next(each["name"] for each in shown["systems"]["it"]["elements"] if each["name"].startswith("image-"))
    program = Path(nasty.__file__).read_text() + MAIN
    words = ("env", "PYTHONPATH=/rootstream", "python3", "-c", program)
    said = run("shell", image, "--", *words, cwd=hello, check=True).stdout
    found = json.loads(
        next(line for line in said.splitlines() if line.startswith("found:")).removeprefix("found:")
    )
    assert found == {name: [] for name in nasty.ALL}
