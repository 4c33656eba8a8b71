"""Kinds that other packages bring: one is installed and used; what is wrong with one is an error, and clear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "rootstream-lab"
version = "1"

[project.entry-points."rootstream.images"]
cramfs = "rootstream_lab.kinds:Ext"

[project.entry-points."rootstream.checks"]
uptime = "rootstream_lab.kinds:Uptime"

[project.entry-points."rootstream.power"]
relay = "rootstream_lab.kinds:Relay"

[tool.hatch.build.targets.wheel]
packages = ["rootstream_lab"]
"""
# The image is called as one of Rootstream's own.
KINDS = '''\
from typing import Annotated, ClassVar

from pydantic import Field

from rootstream.description.checks.base import CheckKind
from rootstream.description.images.base import ImageKind
from rootstream.description.power.base import PowerKind


class Ext(ImageKind):
    """The root as a cramfs."""

    word: ClassVar[str] = "cramfs"
    planner: ClassVar[str | None] = "rootstream_lab.image"
    bootable: ClassVar[bool] = True
    mounted: ClassVar[bool] = True
    read_only: ClassVar[bool] = True
    edition: Annotated[int, Field(ge=0)] = 7
    """Number in its head."""

    def file_name(self, kernel_file, label):
        return "rootfs.cramfs"


class Uptime(CheckKind):
    """The system has been up for a time."""

    word: ClassVar[str] = "uptime"
    runner: ClassVar[str | None] = "rootstream_lab.check"
    logs_in: ClassVar[bool] = True
    uptime: int
    """How many seconds."""


class Relay(PowerKind):
    """A relay on this host."""

    word: ClassVar[str] = "relay"
    driver: ClassVar[str | None] = "rootstream_lab.relay"
    file: str
    """What stands for it."""
'''
IMAGE = """\
from rootstream.plan.images.base import Making, of_root, output


def plan(image, context):
    words = ["mkfs.cramfs", f"-e {image.edition}", *of_root(context), output(context.name)]
    return Making(commands=[" ".join(words)])
"""
CHECK = """\
from rootstream.boot.network import Answer


def run(check, context, *, limit):
    context.session.ensure(deadline=limit)
    said = context.session.run("cat /proc/uptime", deadline=limit).output
    return Answer(good=float(said.split()[0]) >= check.uptime, detail=said.strip())
"""
RELAY = """\
def switch(power, context, action):
    (context.folder / power.file).write_text(action)


def state(power, context):
    return (context.folder / power.file).read_text()
"""
SYSTEM = """\
systems:
  it:
    root: busybox
    kernel: {}
    images: [kernel, initramfs, {cramfs: {edition: 9}}]
    machine: {boot: [cramfs]}
    checks: [{uptime: 1}]
machines:
  box:
    macs: ["52:54:00:00:00:01"]
    system: it
    power: {relay: {file: state}}
"""
USE = """\
import rootstream_lab.kinds  # first, as tests of such a package would
import json, os, sys, time
from pathlib import Path

import jsonschema

from rootstream.boot.checks import runner
from rootstream.description import reference
from rootstream.description.load import load
from rootstream.description.schema import json_schema
from rootstream.description.yaml_nodes import parse, plain
from rootstream.netboot.line import opened
from rootstream.netboot.power import control
from rootstream.plan import inputs, make
from rootstream.project.project import Project

file = Path("system.yaml").absolute()
description = load(file)
system = description.systems[0].system
schema = json_schema()
jsonschema.Draft7Validator(schema).validate(json.loads(json.dumps(plain(parse(file.read_bytes(), file)[0]))))
plan, _ = make.plan(description, inputs.gather(description, file.parent), None)
element = next(each for name, each in plan.elements.items() if "cramfs" in name)
project, machine = Project(folder=file.parent, kind="described"), description.machines["box"]
control.switch(project, "box", machine, "on")
terminal = (sys.executable, "-c", "import pty; pty.spawn(['sh', '-i'])")
env = {**os.environ, "PS1": "# ", "ENV": ""}
with opened(terminal, name="box", address=None, log=Path("log"), report=lambda _: None, env=env) as guest:
    (result,) = runner.run(system.checks, guest, deadline=time.monotonic() + 300)
print(json.dumps({
    "images": [image.model_dump() for image in system.images if image.kind == "cramfs"],
    "described": schema["definitions"]["rootstream_lab_kinds_Ext"]["properties"]["edition"],
    "ours": sorted(schema["definitions"]["Ext"]["properties"]),
    "page": "#### images: cramfs" in reference.page(),
    "commands": element.commands,
    "power": control.state(project, "box", machine),
    "check": [result.name, result.passed, result.logs_in],
}))
"""


def python(program: str, folder: Path, *packages: Path) -> subprocess.CompletedProcess[str]:
    """Run a program with packages beside Rootstream."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, packages)), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_package_brings_kinds(tmp_path: Path) -> None:
    source, target, project = (tmp_path / name for name in ("source", "target", "project"))
    package = source / "rootstream_lab"
    package.mkdir(parents=True)
    project.mkdir()
    (source / "pyproject.toml").write_text(PROJECT)
    for name, text in {"__init__": "", "kinds": KINDS, "image": IMAGE, "check": CHECK, "relay": RELAY}.items():
        (package / f"{name}.py").write_text(text)
    (project / "system.yaml").write_text(SYSTEM)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, source], check=True, timeout=300)
    done = python(USE, project, target)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["images"] == [{"edition": 9}]
    assert found["described"]["description"] == "Number in its head."
    assert "edition" not in found["ours"]
    assert "size" in found["ours"]
    assert found["page"]
    assert found["commands"][-1].startswith("mkfs.cramfs -e 9 --root ")
    assert found["commands"][-1].endswith('/images/rootfs.cramfs"')
    assert found["power"] == "on"
    assert found["check"] == ["uptime: 1", True, True]


def installed(folder: Path, group: str, points: Mapping[str, str], **modules: str) -> Path:
    """Return a folder with an installed package: its record of entry points, and its modules."""
    record = folder / "lab-1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1\n")
    lines = (f"[{group}]", *(f"{word} = {value}" for word, value in points.items()))
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


POWER = """
from typing import ClassVar
from rootstream.description.power.base import PowerKind

class Relay(PowerKind):
    word: ClassVar[str] = "relay"
"""


@pytest.mark.parametrize(
    ("group", "points", "module", "expected"),
    [
        ("images", {"cramfs": "lab_missing:Cramfs"}, "", "cannot be loaded: ModuleNotFoundError"),
        ("images", {"cramfs": "lab:Cramfs"}, "", "cannot be loaded: AttributeError"),
        (
            "images",
            {"cramfs": "lab:Cramfs"},
            "raise RuntimeError('broken')",
            "cannot be loaded: RuntimeError: broken",
        ),
        ("images", {"cramfs": "lab:Cramfs"}, "Cramfs = 1", "no subclass of ImageKind for 'cramfs'"),
        ("power", {"relais": "lab:Relay"}, POWER, "no subclass of PowerKind for 'relais'"),
        ("power", {"relay": "lab:PowerKind"}, POWER, "no subclass of PowerKind for 'relay'"),
        ("power", {"qemu": "lab:Relay"}, POWER.replace('"relay"', '"qemu"'), "a kind 'qemu' already exists"),
        ("checks", {"relay": "lab:Relay"}, POWER, "no subclass of CheckKind for 'relay'"),
    ],
)
def test_a_bad_package(tmp_path: Path, group: str, points: dict[str, str], module: str, expected: str) -> None:
    target = installed(tmp_path / "target", f"rootstream.{group}", points, lab=module)
    done = python("from rootstream.__main__ import main; raise SystemExit(main(['schema']))", tmp_path, target)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert f"(rootstream.{group})" in done.stderr
    assert expected in done.stderr


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (None, "relay: rootstream.netboot.power.relay cannot be imported"),
        ("import nothing_such", "relay: lab_driver cannot be imported: No module named 'nothing_such'"),
        ("def switch(power, context, action): pass", "relay: lab_driver has no function state"),
    ],
)
def test_a_kind_without_what_does_it(tmp_path: Path, driver: str | None, expected: str) -> None:
    model = POWER if driver is None else POWER + '    driver: ClassVar[str | None] = "lab_driver"\n'
    target = tmp_path / "target"
    installed(target, "rootstream.power", {"relay": "lab:Relay"}, lab=model, lab_driver=driver or "")
    (tmp_path / "system.yaml").write_text(
        SYSTEM.replace(", {cramfs: {edition: 9}}", "")
        .replace("cramfs", "initramfs")
        .replace("[{uptime: 1}]", "[]")
        .replace("{relay: {file: state}}", "relay")
    )
    program = "from rootstream.__main__ import main; raise SystemExit(main(['power', 'box', 'on']))"
    done = python(program, tmp_path, target)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert expected in done.stderr
