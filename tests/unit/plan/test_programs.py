"""Programs of the sandbox as files of a plan: whole packages, with what their programs read."""

from __future__ import annotations

from pathlib import PurePosixPath

from rootstream.plan import programs


def test_every_module_is_in_a_package() -> None:
    _, files = programs.elements()
    modules = [PurePosixPath(path) for path in files if path.endswith(".py")]
    assert modules
    for path in modules:
        for above in list(path.parents)[:-3]:  # but files, and the folder of the element
            assert files[str(above / "__init__.py")] == b"", path
        assert "rootstream" in path.parts


def test_programs_have_the_files_that_they_read() -> None:
    _, files = programs.elements()
    names = {path.partition("/")[2].partition("/")[2] for path in files if not path.endswith(".py")}
    assert names == {name for each in programs.DATA.values() for name in each}
    assert any(name.endswith("explain.c") for name in names)


def test_a_program_that_no_build_runs_is_in_none() -> None:
    _, files = programs.elements()
    assert not any(path.endswith("/config_edit.py") for path in files)
    assert any(path.endswith("/bytecode.py") for path in files)
