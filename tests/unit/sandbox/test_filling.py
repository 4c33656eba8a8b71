"""An output folder that gets what packages have installed, and keeps what make has done to that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rootstream.sandbox.buildroot import additions, filling
from rootstream.sandbox.buildroot.filling import Package


@pytest.fixture
def built(tmp_path: Path) -> Path:
    install(tmp_path / "built" / "library", {"target/lib": "1", "build/library-1/.stamp_built": ""})
    install(tmp_path / "built" / "user", {"target/bin/user": "1", "target/both": "user"})
    (tmp_path / "output").mkdir()
    return tmp_path / "built"


def install(top: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)


def packages(**keys: str) -> dict[str, Package]:
    return {name: Package(key=key, build=f"build/{name}-1") for name, key in keys.items()}


def contents(output: Path) -> dict[str, str]:
    return {
        str(path.relative_to(output)): path.read_text()
        for path in output.rglob("*")
        if path.is_file() and path.name != filling.STATE
    }


def test_it_has_what_packages_installed_and_the_last_one_wins(built: Path) -> None:
    install(built / "library", {"target/both": "library"})
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a", user="b"))
    assert contents(output) == {
        "target/lib": "1",
        "target/both": "user",
        "target/bin/user": "1",
        "build/library-1/.stamp_built": "",
    }


def test_what_was_changed_there_stays_while_the_key_is_the_same(built: Path) -> None:
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a", user="b"))
    install(output, {"target/lib": "by hand", "target/bin/user": "by hand"})
    (built / "user" / "target" / "bin" / "user").write_text("2")
    filling.fill(built, output, packages(library="a", user="c"))
    assert contents(output)["target/lib"] == "by hand"
    assert contents(output)["target/bin/user"] == "2"


def test_the_build_folder_of_another_key_goes(built: Path) -> None:
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a"))
    install(output, {"build/library-1/compiled.o": "old"})
    filling.fill(built, output, packages(library="b"))
    assert "build/library-1/compiled.o" not in contents(output)
    assert "build/library-1/.stamp_built" in contents(output)


def test_what_has_no_package_any_more_goes_with_its_folders(built: Path) -> None:
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a", user="b"))
    filling.fill(built, output, packages(library="a"))
    assert contents(output) == {"target/lib": "1", "build/library-1/.stamp_built": ""}
    assert not (output / "target" / "bin").exists()


def test_what_another_one_had_replaced_comes_back(built: Path) -> None:
    install(built / "library", {"target/both": "library"})
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a", user="b"))
    filling.fill(built, output, packages(library="a"))
    assert contents(output)["target/both"] == "library"


def test_a_package_is_unpacked_once(built: Path) -> None:
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a"), ["library"])
    assert "build/library-1/.stamp_built" not in contents(output)
    install(output, {"build/library-1/compiled.o": "kept"})
    filling.fill(built, output, packages(library="a"), ["library"])
    assert contents(output)["build/library-1/compiled.o"] == "kept"


def test_after_an_interruption_nothing_is_taken_for_done(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = built.parent / "output"
    filling.fill(built, output, packages(library="a", user="b"))
    (built / "user" / "target" / "bin" / "user").write_text("2")
    copy = filling._copy

    def interrupted(top: Path, into: Path, path: str) -> None:
        copy(top, into, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(filling, "_copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        filling.fill(built, output, packages(library="a", user="c"))
    monkeypatch.undo()
    (built / "user" / "target" / "bin" / "user").write_text("1")
    filling.fill(built, output, packages(library="a", user="b"))  # as before: some of it was replaced meanwhile
    assert contents(output)["target/bin/user"] == "1"


def test_modes_and_hard_links_are_put_back(built: Path) -> None:
    install(built / "user", {"target/bin/same": "1"})
    for name in ("user", "same"):
        (built / "user" / "target" / "bin" / name).chmod(0o755)  # what a cache keeps of it
    digest = additions.digest(built / "user" / "target" / "bin" / "same")
    files = {"target/bin/user": digest, "target/bin/same": digest}
    record = {
        "files": files,
        "modes": {"target/bin/user": 0o4755},
        "links": {"target/bin/same": "target/bin/user"},
        "after": [],
        "missed": [],
    }
    install(built / "user", {"additions/user.json": json.dumps(record)})
    output = built.parent / "output"
    filling.fill(built, output, packages(user="b"))
    user, same = (output / "target" / "bin" / name for name in ("user", "same"))
    assert user.stat().st_mode & 0o7777 == 0o4755
    assert user.samefile(same)
