"""Folders of sources: what is in them, what is said to be missing, and that programs are built from them alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from engine_project import engine
from tests.conftest import Command
from tests.hostbase import make_base

pytestmark = pytest.mark.engine

BUSYBOX = """
systems:
  small:
    root: busybox
    layers:
      - packages: [{name: agent, source: agent, build: make}]
    images: [tar]
"""
DEBIAN = """
systems:
  small:
    root: {debian: {packages: [hostname]}}
    images: [tar]
"""
NOWHERE = "http://127.0.0.1:9/"
CORRESPONDING = "debian_corresponding"


def offline(*words: str) -> list[str]:
    """Return a command without a network where that can be taken away."""
    return ["unshare", "--net", "--", *words] if os.geteuid() == 0 else [*words]


@pytest.fixture
def small(tmp_path: Path, lock: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "agent").mkdir(parents=True)
    (folder / "agent" / "Makefile").write_text("all:\ninstall:\n")
    (folder / "system.yaml").write_text(BUSYBOX)
    shutil.copyfile(lock, folder / "system.lock")
    return folder


def test_a_program_is_built_from_the_folder_alone(small: Path, run: Command, tmp_path: Path) -> None:
    done = run("sources", "--tools", str(tmp_path / "sources"), cwd=small, check=True)
    assert done.stdout.endswith("left out  agent: the project's own; --own takes it\n")
    told = json.loads((tmp_path / "sources" / "sources.json").read_text())
    assert told["missing"] == []
    assert {row["name"] for row in told["sources"]} == {"busybox", "musl", "base.bst"}
    element = next(row["element"] for row in told["sources"] if row["name"] == "busybox")
    run("build", cwd=small, check=True)
    ours = engine(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rootstream" / "bst")
    ours.checkout(small / ".rootstream" / "plan", element, tmp_path / "first")

    small.rename(tmp_path / "away")
    environment = {"ROOTSTREAM_FETCHED": str(tmp_path / "sources"), "ROOTSTREAM_DEBIAN_MIRRORS": NOWHERE}
    again = engine(tmp_path / "cache", **environment)
    plan = tmp_path / "sources" / "plan"
    again.build(plan, [element])
    again.checkout(plan, element, tmp_path / "second")
    binaries = [(tmp_path / side / "bin" / "busybox").read_bytes() for side in ("first", "second")]
    assert len(binaries[0]) > 100_000
    assert binaries[0] == binaries[1]


def test_own_packages_are_there_if_asked_for(small: Path, run: Command, tmp_path: Path) -> None:
    run("sources", "small", "--own", str(tmp_path / "sources"), cwd=small, check=True)
    assert (tmp_path / "sources" / "own" / "agent.tar").stat().st_size > 0
    assert "- agent (version unknown), in `own/agent.tar`" in (tmp_path / "sources" / "README.md").read_text()
    refused = run("sources", "/proc/nowhere/sources", cwd=small)
    assert refused.returncode == 2
    assert "/proc/nowhere/sources: cannot be written: " in refused.stderr
    refused = run("sources", str(tmp_path / "sources"), cwd=small)
    assert refused.returncode == 2
    assert "already exists" in refused.stderr


ELEMENTS = """
systems:
  small:
    root: {elements: {project: mine, target: program.bst}}
    layers:
      - secrets: [{path: /etc/key, file: mine/key}]
    images: [tar]
"""
PROGRAM = """
kind: manual
build-depends: [base.bst]
sources: [{kind: local, path: program}]
config:
  install-commands: ["sh build.sh %{install-root}/usr/bin"]
"""


def test_an_element_is_built_from_the_folder_alone(tmp_path: Path, lock: Path, run: Command) -> None:
    project = tmp_path / "project"
    files = {
        "system.yaml": ELEMENTS,
        "mine/project.conf": "name: mine\nmin-version: 2.4\nelement-path: elements\n",
        "mine/elements/base.bst": "kind: import\nsources: [{kind: local, path: base}]\n",
        "mine/elements/program.bst": PROGRAM,
        "mine/program/build.sh": "# GPL-2.0-or-later\nmkdir -p $1\ncat program.txt > $1/program\n",
        "mine/program/program.txt": "echo a program\n",
        "mine/key": "a secret of 24 bytes or more\n",
    }
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    make_base(project / "mine" / "base")
    shutil.copyfile(lock, project / "system.lock")
    done = run("sources", str(tmp_path / "without"), cwd=project)
    assert done.returncode == 1
    assert "missing  mine:program.bst: elements of BuildStream: `--own` takes" in done.stdout
    folder = tmp_path / "sources"
    run("sources", "--own", str(folder), cwd=project, check=True)
    told = json.loads((folder / "sources.json").read_text())
    assert ("elements", "program.bst") in [(row["kind"], row.get("element")) for row in told["sources"]]
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(b"a secret of" in text for text in texts)
    (staged,) = folder.glob("elements/sources/**/build.sh")
    assert staged.read_text() == files["mine/program/build.sh"]

    project.rename(tmp_path / "away")
    again = engine(tmp_path / "cache")
    again.build(folder / "elements" / "project", ["program.bst"])
    again.checkout(folder / "elements" / "project", "program.bst", tmp_path / "second")
    assert (tmp_path / "second/usr/bin/program").read_text() == "echo a program\n"


@pytest.fixture
def debian(tmp_path: Path, run: Command) -> Path:
    """Return a project whose lock is cut down to one package of its root, which is enough to plan with."""
    if shutil.which("dpkg-source") is None:
        pytest.skip("dpkg-dev is not installed")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "system.yaml").write_text(DEBIAN)
    run("update", cwd=folder, check=True)
    data = json.loads((folder / "system.lock").read_text())
    entry = next(each for each in data["sources"] if each["source"]["kind"] == CORRESPONDING)
    request = {**entry["source"], "kind": "debian_packages"}
    packages = next(each for each in data["sources"] if each["source"] == request)
    assert len(packages["ref"]) > 20
    assert len(entry["ref"]) > 20
    packages["ref"] = [row for row in packages["ref"] if row["name"] == "hostname"]
    (folder / "system.lock").write_text(json.dumps(data))
    return folder


def test_a_package_of_debian_is_built_from_the_folder_alone(debian: Path, run: Command, tmp_path: Path) -> None:
    done = run("sources", str(tmp_path / "sources"), cwd=debian)
    (source,) = json.loads((tmp_path / "sources" / "sources.json").read_text())["sources"]
    assert source["name"] == "hostname"
    if done.returncode != 0:
        pytest.skip(f"the mirror lacks its source: {done.stdout}")
    folder = tmp_path / "sources" / source["folder"]
    (description,) = folder.glob("*.dsc")
    subprocess.run(["dpkg-source", "--extract", description, "tree"], cwd=folder, check=True, capture_output=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(offline("make"), cwd=folder / "tree", env=environment, check=True, capture_output=True)
    assert subprocess.run([folder / "tree" / "hostname", "--version"], check=False).returncode in (0, 255)


def test_what_is_on_no_mirror_is_listed(debian: Path, run: Command, tmp_path: Path) -> None:
    lock = debian / "system.lock"
    data = json.loads(lock.read_text())
    entry = next(each for each in data["sources"] if each["source"]["kind"] == CORRESPONDING)
    row = next(row for row in entry["ref"] if row["name"] == "hostname")
    row["files"][0]["sha256"] = "0" * 64
    row["files"][0]["path"] = "pool/main/h/hostname/hostname_0.dsc"
    lock.write_text(json.dumps(data))
    done = run("sources", str(tmp_path / "sources"), cwd=debian)
    assert done.returncode == 1
    assert "missing  debian/hostname_" in done.stdout
    assert "hostname_0.dsc: on no mirror" in (tmp_path / "sources" / "README.md").read_text()


def test_an_older_lock_has_no_sources(debian: Path, run: Command, tmp_path: Path) -> None:
    data = json.loads((debian / "system.lock").read_text())
    data["sources"] = [each for each in data["sources"] if each["source"]["kind"] != CORRESPONDING]
    (debian / "system.lock").write_text(json.dumps(data))
    done = run("sources", str(tmp_path / "sources"), cwd=debian)
    assert done.returncode == 2
    assert "has no sources of 1 packages, hostname " in done.stderr
    assert "rootstream update --missing" in done.stderr
    assert not (tmp_path / "sources").exists()
    run("update", "--missing", cwd=debian, check=True)
    assert CORRESPONDING in (debian / "system.lock").read_text()
