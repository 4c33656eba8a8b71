"""What a newcomer begins with: the README's own system as it says there, and the template that it names first."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, Command
from tests.readme import first_system, shell_lines

pytestmark = pytest.mark.boot


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "system.yaml").write_text(first_system(ROOT / "README.md"))
    (beside,) = (line for line in shell_lines(ROOT / "README.md") if line.startswith("mkdir "))
    subprocess.run(["/bin/sh", "-c", beside], cwd=tmp_path, check=True)
    return tmp_path


def test_who_follows_the_readme_can_log_in(project: Path, run: Command) -> None:
    done = run("verify", "--json", cwd=project)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    checked = {(event["image"], event["name"]): event for event in told if event["type"] == "checked"}
    assert done.returncode == 0, (checked, done.stderr)
    assert {image for image, name in checked if name == "login: admin"} == {"disk", "initramfs"}
    assert not [event for event in told if event["type"] == "notice" and event["level"] == "warning"]
    assert told[-1]["type"] == "done"


def test_the_first_template_boots_as_it_is(tmp_path: Path, run: Command) -> None:
    run("init", "debian-server", "box", cwd=tmp_path, check=True)
    done = run("verify", cwd=tmp_path / "box")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
    assert "6 of 6 checks passed, up after" in done.stdout
