"""A system of Buildroot built again elsewhere, with another umask and user: the same, or the file is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.buildroot.conftest import Command

pytestmark = pytest.mark.buildroot

SYSTEM = """\
systems:
  box:
    arch: x86_64
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig
    images: [tar]
    layers:
      - hostname: box
      - packages: [{{name: agent, source: agent, build: make}}]
"""
MAKEFILE = "all:\n\t{command} > built\ninstall: all\n\tinstall -D -m 644 built $(DESTDIR)/usr/share/built\n"


def prove(folder: Path, tree: Path, command: str, run: Command) -> tuple[int, dict[str, Any]]:
    (folder / "agent").mkdir(parents=True)
    (folder / "agent/Makefile").write_text(MAKEFILE.format(command=command))
    (folder / "system.yaml").write_text(SYSTEM.format(tree=tree))
    (folder / "box_defconfig").write_text("BR2_x86_64=y\nBR2_PACKAGE_HELLO=y\n")
    environment = {**os.environ, "ROOTSTREAM_BUILDROOT_CACHE": str(folder.parent / "cache")}
    done = run("prove", "--json", cwd=folder, env=environment, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_where_it_is_built_decides_nothing(small_tree: Path, tmp_path: Path, run: Command) -> None:
    status, told = prove(tmp_path / "project", small_tree, "echo same", run)
    assert (status, told["reproducible"], told["files"]) == (0, True, [])


def test_a_package_that_writes_the_date_is_named(small_tree: Path, tmp_path: Path, run: Command) -> None:
    status, told = prove(tmp_path / "project", small_tree, "date +%s.%N", run)
    assert status == 1
    (file,) = told["files"]
    assert (file["path"], file["from"]) == ("usr/share/built", "agent")
