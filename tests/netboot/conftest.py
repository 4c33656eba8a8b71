"""Machines that boot over a network of the test: a namespace with a bridge, a server in it, QEMU on taps."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.netboot.browser import Browser, Tab, browser
from tests.netboot.lab import Lab, Make, exported, network
from tests.netboot.pagesite import Site, site


@pytest.fixture
def make_lab(built: Path, tmp_path: Path) -> Iterator[Make]:
    """Return what makes a lab from the text of `machines:`; its project is examples/hello, exported already."""
    with contextlib.ExitStack() as stack:

        def make(machines: str) -> Lab:
            name = stack.enter_context(network())
            project = tmp_path / f"project-{name}"
            ignore = shutil.ignore_patterns("disk.img", ".rootstream")
            shutil.copytree(built, project, ignore=ignore)
            with (project / "system.yaml").open("a") as out:
                out.write("\n" + machines)
            lab = Lab(name, project, built)
            stack.callback(lab.end)
            return lab

        yield make


@pytest.fixture
def make_light(tmp_path: Path) -> Iterator[Make]:
    """Return what makes a lab whose system is no more than two files: nothing of it can boot."""
    with contextlib.ExitStack() as stack:

        def make(machines: str) -> Lab:
            name = stack.enter_context(network())
            project = tmp_path / f"project-{name}"
            exported(project, machines)
            lab = Lab(name, project, project)
            stack.callback(lab.end)
            return lab

        yield make


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "lab") as made:
        yield made


@pytest.fixture
def tab(chromium: Browser, lab: Site) -> Iterator[Tab]:
    made = chromium.tab()
    yield made
    assert made.faults == []
    assert lab.ask("/api/v1")[0] == 200
