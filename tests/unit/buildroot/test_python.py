"""Layer `python` on a Buildroot root: what is refused, the package of the external tree, wheels in its folder."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from rootstream.buildroot.generate import external, python_layer, translate
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.model import Described
from rootstream.errors import Problems, UserError
from rootstream.project import project
from rootstream.verbs import python_wheels
from tests.loading import read


def described(folder: Path, python: str, *, more: str = "") -> Described:
    root = f"{{buildroot: {{tree: {{local: {folder / 'tree'}}}}}}}"
    words = f"{{root: {root}, images: [files], layers: [{more}{{python: {python}}}]}}"
    (found,) = read(folder, f"systems: {{box: {words}}}\n").systems
    return found


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("{install: [six]}", "python-unknown"),
        ('{version: "3.13"}', "bad-value"),
        ('{version: "3.13", from_source: [six]}', "not-available"),
        ('{version: "3.13", install: [six], git: [{name: a, url: "https://example.org/a.git"}]}', "not-available"),
        ('{version: "3.13", install: [six], build_packages: [libffi-dev]}', "not-available"),
    ],
)
def test_what_buildroot_cannot_have_is_refused(tmp_path: Path, python: str, reason: str) -> None:
    with pytest.raises(Problems) as caught:
        described(tmp_path, python)
    assert reason in [problem.reason for problem in caught.value.problems]


def space(folder: Path, found: Described, version: str = "3.13") -> Workspace:
    place = folder / "tree" / "package" / "python3"
    place.mkdir(parents=True)
    (place / "python3.mk").write_text(f"PYTHON3_VERSION_MAJOR = {version}\nPYTHON3_VERSION = 3\n")
    return workspace(project.find(folder), found, folder / "tree", os.environ)


@pytest.mark.parametrize("more", ["", "{packages: [{name: mine, source: mine, build: make}]}, "])
def test_the_layer_is_a_package_of_the_external_tree(tmp_path: Path, more: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "Makefile").touch()
    found = described(tmp_path, '{version: "3.13", install: [six]}', more=more)
    there = space(tmp_path, found)
    made = translate.generate(found, tmp_path, there.generated)
    external.write(there, made)
    assert {"BR2_PACKAGE_PYTHON3", python_layer.SYMBOL} <= {setting.symbol for setting in made.settings}
    rules = (there.generated / "package/rootstream-python/rootstream-python.mk").read_text()
    assert f"ROOTSTREAM_PYTHON_SITE = {python_layer.folder(there.folder)}\n" in rules
    assert "package/rootstream-python/Config.in" in (there.generated / "Config.in").read_text()
    assert "/package/*/*.mk))" in (there.generated / "external.mk").read_text()


def test_the_version_of_another_tree_is_told_with_the_right_one(tmp_path: Path) -> None:
    found = described(tmp_path, '{version: "3.13", install: [six]}')
    there = space(tmp_path, found, version="3.14")
    with pytest.raises(Problems) as caught:
        external.write(there, translate.generate(found, tmp_path, there.generated))
    (problem,) = caught.value.problems
    assert problem.reason == "python-version"
    assert '"3.14"' in (problem.hint or "")
    assert problem.where is not None
    assert problem.where.line == 1


def wheel(folder: Path, name: str, tag: str, files: dict[str, str]) -> Path:
    path = folder / f"{name}-1-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        for place, content in files.items():
            archive.writestr(place, content)
    return path


def test_wheels_are_installed_where_buildroots_python_looks(tmp_path: Path) -> None:
    entry = {"a/__init__.py": "", "a-1.dist-info/entry_points.txt": "[console_scripts]\nrun-a = a:main\n"}
    files = [
        wheel(tmp_path, "a", "py3-none-any", entry),
        wheel(tmp_path, "b", "cp313-cp313-manylinux2014_x86_64", {"b/fast.so": "x"}),
    ]
    folder = tmp_path / "python"
    python_wheels.install(files, "3.13", folder)
    assert (folder / "usr/lib/python3.13/site-packages/a/__init__.py").is_file()
    assert (folder / "usr/bin/run-a").stat().st_mode & 0o111
    assert (folder / "usr/bin/run-a").read_text().startswith("#!/usr/bin/python3\n")
    assert "a/__init__.py" in (folder / "usr/lib/python3.13/site-packages/a-1.dist-info/RECORD").read_text()
    glibc = {"BR2_TOOLCHAIN_USES_GLIBC": "y"}
    assert python_layer.compiled_for(tmp_path, glibc, tmp_path) == ()
    (problem,) = python_layer.compiled_for(tmp_path, {}, tmp_path)
    assert (problem.reason, "b-1-cp313" in problem.message) == ("wheel-needs-glibc", True)


def test_two_wheels_with_one_file_are_refused(tmp_path: Path) -> None:
    files = [wheel(tmp_path, name, "py3-none-any", {"same.py": name}) for name in ("a", "b")]
    with pytest.raises(UserError, match=r"both have /usr/lib/python3.13/site-packages/same.py"):
        python_wheels.install(files, "3.13", tmp_path / "python")


def test_the_lock_pins_what_the_layer_asks_for(tmp_path: Path) -> None:
    found = described(tmp_path, '{version: "3.13", install: ["six==1.17.0"]}')
    (source,) = python_wheels.sources(project.find(tmp_path), found)
    assert (source.kind, source.words["python"], source.words["machine"]) == ("python_wheels", "3.13", "x86_64")
    plan = python_wheels.plan(project.find(tmp_path), found, {source.request(): ["pinned"], "other": "ref"})
    assert plan.refs == {source.request(): ["pinned"]}
    assert plan.missing() == ()
