"""Make, run by people on packages that are built one by one: it goes on from what these have installed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from tests.buildroot import test_graph, test_rebuild
from tests.buildroot.conftest import Command

pytestmark = pytest.mark.buildroot


@pytest.fixture(scope="module")
def project(small_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return test_graph.small_packages(tmp_path_factory.mktemp("workspace"), small_tree)


def output(project: Path) -> Path:
    return project / ".rootstream" / "buildroot" / "box" / "graph" / "output"


def root(project: Path) -> dict[str, tuple[str, str]]:
    return test_graph.archived(output(project) / "images" / "rootfs.tar")


def exported(project: Path) -> dict[str, tuple[str, str]]:
    return test_graph.archived(project / "out" / "box" / "rootfs.tar")


def test_only_what_is_asked_for_is_built(project: Path, run: Command) -> None:
    run("build", cwd=project)
    said = run("make", "user-rebuild", cwd=project).stdout
    assert ">>> user 1 Building" in said
    assert ">>> library" not in said
    said = run("make", cwd=project).stdout
    assert ">>> user" not in said
    assert ">>>   Generating filesystem image rootfs.tar" in said
    assert root(project) == exported(project)


def test_what_make_did_stays_until_its_package_is_another(project: Path, run: Command) -> None:
    run("build", cwd=project)
    run("make", cwd=project)
    by_hand = output(project) / "target" / "usr" / "bin" / "user"
    by_hand.write_text("by hand\n")
    run("make", cwd=project)
    assert root(project)["/./usr/bin/user"][1] == b"by hand\n".hex()
    (project / "external" / "package" / "user" / "source" / "text").write_text("edited\n")
    run("build", cwd=project)
    said = run("make", cwd=project).stdout
    assert ">>> user" not in said
    assert by_hand.read_text().startswith("edited\n")
    assert root(project) == exported(project)


def test_what_is_in_no_cache_is_built_here_alone(project: Path, run: Command) -> None:
    run("build", cwd=project)
    test_rebuild.word(project, "library", f"changed {uuid.uuid4()}")  # the path of the project would be the same
    done = run("make", cwd=project)
    assert "in no cache: library, user; make builds them here alone" in done.stderr
    assert ">>> library 1 Building" in done.stdout
    assert ">>> user 1 Building" in done.stdout
    assert ">>> other" not in done.stdout
    built = root(project)
    run("build", cwd=project)
    assert exported(project) == built
    assert "would be built" not in run("build", "-n", cwd=project).stderr


def test_a_package_that_is_removed_is_gone(project: Path, run: Command) -> None:
    run("build", cwd=project)
    run("make", cwd=project)
    assert "/./usr/bin/other" in root(project)
    test_rebuild.drop(project, "other")
    run("make", cwd=project)
    assert "/./usr/bin/other" not in root(project)
    run("build", cwd=project)
    assert root(project) == exported(project)


def test_its_exit_status_is_that_of_make(project: Path, run: Command) -> None:
    done = run("make", "nothing-of-this-name", cwd=project, check=False)
    assert done.returncode == 2
    assert "No rule to make target 'nothing-of-this-name'" in done.stdout
