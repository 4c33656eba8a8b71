"""What is in a system, as a user asks for it after a build; a revision of Git compared with what is there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from engine_project import make_project
from tests.conftest import Command

from rootstream.project.project import find
from rootstream.report import timeline

pytestmark = pytest.mark.engine

SYSTEM = """
systems:
  small:
    root: busybox
    product: {name: Small, version: "1", license: MIT}
    layers: [{overlay: overlay}, {hostname: small}]
    images: [tar]
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, lock: Path, run: Command) -> Path:
    folder = tmp_path_factory.mktemp("contents") / "repository" / "project"
    (folder / "overlay" / "etc").mkdir(parents=True)
    (folder / "overlay" / "etc" / "motd").write_text("one\n")
    (folder / "overlay" / "etc" / "link").symlink_to("/etc/motd")
    (folder / "system.yaml").write_text(SYSTEM)
    (folder / ".gitignore").write_text("out/\n.rootstream/\n")
    shutil.copyfile(lock, folder / "system.lock")
    run("build", cwd=folder, check=True)
    return folder


def test_a_bill_of_materials(small: Path, run: Command) -> None:
    told = json.loads(run("sbom", cwd=small, check=True).stdout)
    assert told == json.loads((small / "out/small/sbom.cdx.json").read_text())
    assert told["metadata"]["component"]["name"] == "Small"
    required = {each["name"] for each in told["components"] if each["scope"] == "required"}
    assert required == {"busybox", "musl", "overlay", "rootstream"}
    versions = {each["name"]: each["version"] for each in told["components"] if each["name"] == "busybox"}
    assert versions["busybox"][0].isdigit()


@pytest.mark.parametrize(
    ("path", "component", "line"),
    [("/bin/ls", "busybox", 4), ("/etc/motd", "overlay", 6), ("/etc/inittab", "rootstream", None)],
)
def test_files_have_components(small: Path, run: Command, path: str, component: str, line: int | None) -> None:
    told = json.loads(run("why", path, "--json", cwd=small, check=True).stdout)
    assert [each["name"] for each in told["components"]] == [component]
    assert told["line"] == line


def test_every_file_has_an_origin(small: Path) -> None:
    rows = [json.loads(line) for line in (small / "out/small/inventory.jsonl").read_text().splitlines()]
    files = [row for row in rows if row["record"] == "file" and row["kind"] != "directory"]
    assert len(files) > 100
    assert {row["layer"] for row in files} <= {"the root", "0-skeleton.tar", "1-overlay.tar", "the description"}


def test_a_revision_of_git_is_built_from_the_cache(small: Path, run: Command) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *identity, *words], cwd=small.parent, check=True, capture_output=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    before = run("diff", "HEAD:small", "small", cwd=small)
    assert (before.returncode, before.stdout.splitlines()[-1]) == (0, "no difference")
    (small / "overlay" / "etc" / "motd").write_text("other\n")
    (small / "overlay" / "etc" / "new").write_text("new\n")
    run("build", cwd=small, check=True)
    done = run("diff", "HEAD:small", "small", "--json", cwd=small)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["files"]["added"] == {"etc/new": 4}
    assert list(told["files"]["changed"]) == ["etc/motd"]
    assert list(told["components"]["changed"]) == ["project overlay"]
    assert run("diff", "none:small", "small", cwd=small).returncode == 2


def test_the_last_build_of_an_element_has_a_critical_path(tmp_path: Path, run: Command) -> None:
    folder = make_project(tmp_path / "project")
    environment = {"ROOTSTREAM_CACHE": str(tmp_path / "cache")}
    run("build", "two.bst", cwd=folder, env=environment, check=True)
    record = timeline.read(find(folder), "two")
    assert record is not None
    assert timeline.critical_path(record.elements, record.actions) == ("base.bst", "one.bst", "two.bst")
    assert set(record.elements["two.bst"]) == {"base.bst", "one.bst"}
    run("report", "two.bst", cwd=folder, env=environment, check=True)
