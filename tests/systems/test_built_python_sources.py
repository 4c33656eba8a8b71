"""Python packages built from source: sdists, one with C in it, and a Git repository under constraints."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import rootstream
from tests.trees import repository

PROJECT = """\
[build-system]
requires = ["setuptools>=61", "setuptools-scm"]
build-backend = "setuptools.build_meta"
[project]
name = "greeting"
dynamic = ["version"]
dependencies = ["MarkupSafe"]
[project.scripts]
greeting = "greeting:main"
[tool.setuptools]
packages = ["greeting"]
ext-modules = [{name = "greeting.fast", sources = ["fast.c"]}]
[tool.setuptools_scm]
"""
FAST = """\
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", 0, -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""
MAIN = """\
from importlib import metadata
import docopt, psutil, markupsafe
from greeting import fast
def main():
    print(*(metadata.version(name) for name in ("greeting", "markupsafe", "docopt", "psutil")), fast.answer())
    print(psutil.Process().pid > 0)
"""
SYSTEM = """\
systems:
  box:
    root: {{debian: {{suite: trixie, packages: [python3]}}}}
    layers:
      - python:
          from_source: [docopt, "psutil==7.0.0"]
          git: [{{name: greeting, url: "file://{tree}", track: main, version: "1.10"}}]
          constraints: [upper-constraints.txt]
    images: [tar]
"""


def test_sources_are_built_and_run(tmp_path: Path) -> None:
    tree, project, root = tmp_path / "tree", tmp_path / "project", tmp_path / "root"
    for folder in (tree / "greeting", project, root):
        folder.mkdir(parents=True)
    (tree / "pyproject.toml").write_text(PROJECT)
    (tree / "fast.c").write_text(FAST)
    (tree / "greeting/__init__.py").write_text(MAIN)
    commit = repository(tree)
    (project / "system.yaml").write_text(SYSTEM.format(tree=tree))
    (project / "upper-constraints.txt").write_text("docopt===0.6.2\nMarkupSafe===3.0.1\nunwanted===1.0\n")
    rootstream("build", cwd=project, check=True)
    lock = (project / "system.lock").read_text()
    assert commit in lock
    assert "docopt-0.6.2.tar.gz" in lock
    argv = [
        "tar",
        "-xf",
        str(project / "out/box/rootfs.tar"),
        "-C",
        str(root),
        "--exclude=./dev/*",
        "--no-same-owner",
    ]
    subprocess.run(argv, check=True)
    argv = ["bwrap", "--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--unshare-net"]
    done = subprocess.run([*argv, "greeting"], capture_output=True, text=True, check=False)
    assert done.stdout == "1.10 3.0.1 0.6.2 7.0.0 42\nTrue\n", done.stderr


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = SYSTEM.format(tree=tmp_path).replace("docopt, ", "docopt==99, ")
    lines = [line for line in text.splitlines() if "git:" not in line]
    (tmp_path / "system.yaml").write_text("\n".join(lines))
    (tmp_path / "upper-constraints.txt").write_text("")
    done = rootstream("build", cwd=tmp_path)
    assert done.returncode == 2
    assert "docopt==99" in done.stderr
