"""What a package adds to Buildroot's output folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rootstream.sandbox.buildroot import additions
from rootstream.sandbox.program import Mistake

STAMPS = "build/app-1.0"


def write(place: Path, content: str = "", mode: int = 0o644) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(mode)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return an output folder with what another package has installed."""
    folder = tmp_path / "output"
    write(folder / "target/etc/config", "old")
    write(folder / "target/bin/sh", "shell", 0o755)
    write(folder / "host/bin/tool", "tool", 0o755)
    write(folder / "build/lib-1.0/.stamp_installed")
    (folder / "host/sysroot").mkdir()
    (folder / "staging").symlink_to("host/sysroot")
    write(folder / "additions/lib.json", "{}")
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def kept(output: Path, what: str = "") -> dict[str, str]:
    """Return the record of a package that has just been built."""
    record: dict[str, str] = json.loads((output / "additions/app.json").read_text())
    assert set(record) <= files(output)
    assert what or all(not path.startswith("build/") or "/." in path for path in files(output))
    return record


def test_what_is_added_stays(output: Path) -> None:
    before = additions.installed(output)
    write(output / "target/usr/bin/app", "app", 0o755)
    (output / "target/usr/bin/alias").symlink_to("app")
    (output / "target/var/empty").mkdir(parents=True)
    write(output / f"{STAMPS}/.stamp_installed")
    write(output / f"{STAMPS}/.config")
    write(output / f"{STAMPS}/src/.stamp_installed")
    write(output / f"{STAMPS}/main.o")
    additions.keep(output, before, "app", STAMPS, "")
    assert files(output) == {
        *("target/usr/bin/app", "target/usr/bin/alias", "additions/app.json"),
        *(f"{STAMPS}/.stamp_installed", f"{STAMPS}/.config"),
    }
    assert (output / "target/var/empty").is_dir()
    record = kept(output)
    assert set(record) == {"target/usr/bin/app", "target/usr/bin/alias"}
    assert record["target/usr/bin/alias"] == "-> app"


@pytest.mark.parametrize("how", ["content", "mode", "same again", "link"])
def test_what_is_replaced_stays(output: Path, how: str) -> None:
    before = additions.installed(output)
    place = output / "target/etc/config"
    if how == "content":
        place.write_text("new and longer")
    elif how == "mode":
        place.chmod(0o755)
    else:
        place.unlink()
        if how == "link":
            place.symlink_to("../other")
        else:
            place.write_text("old")
    additions.keep(output, before, "app", STAMPS, "")
    assert set(kept(output)) == {"target/etc/config"}
    assert not (output / "target/bin/sh").exists()


def test_a_content_of_the_same_length_and_time_is_another(output: Path) -> None:
    before = additions.installed(output)
    place = output / "target/etc/config"
    times = (place.stat().st_atime_ns, place.stat().st_mtime_ns)
    (output / "new").write_text("OLD")
    (output / "new").replace(place)
    os.utime(place, ns=times)
    additions.keep(output, before, "app", STAMPS, "")
    assert set(kept(output)) == {"target/etc/config"}


def test_a_build_folder_that_others_read_stays_whole(output: Path) -> None:
    before = additions.installed(output)
    write(output / f"{STAMPS}/src/header.h")
    additions.keep(output, before, "app", STAMPS, "all")
    assert f"{STAMPS}/src/header.h" in files(output)
    assert "build/lib-1.0/.stamp_installed" not in files(output)


def test_deleting_what_others_installed_is_an_error(output: Path) -> None:
    before = additions.installed(output)
    (output / "target/bin/sh").unlink()
    with pytest.raises(Mistake, match=r"app deletes target/bin/sh, which other packages installed"):
        additions.keep(output, before, "app", STAMPS, "")


def records(output: Path, **packages: dict[str, str]) -> None:
    for name, record in packages.items():
        write(output / "additions" / f"{name}.json", json.dumps(record))


def test_of_two_that_depend_on_each_other_the_later_one_counts(output: Path) -> None:
    records(output, lib={"target/bin/sh": "1"}, app={"target/bin/sh": "2"}, more={"target/x": "1"})
    additions.compare(output, {"lib": [], "app": ["lib"], "more": []})


def test_the_same_from_two_is_no_conflict(output: Path) -> None:
    records(output, lib={"target/bin/sh": "1"}, app={"target/bin/sh": "1"})
    additions.compare(output, {"lib": [], "app": []})


def test_two_without_an_order_are_a_conflict(output: Path) -> None:
    records(output, lib={"target/bin/sh": "1"}, app={"target/bin/sh": "2"}, end={"target/bin/sh": "3"})
    with pytest.raises(
        Mistake, match="both install target/bin/sh, not the same, and neither depends on the other"
    ):
        additions.compare(output, {"lib": [], "app": [], "end": ["lib"]})


def test_as_a_program(output: Path, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "rootstream.sandbox.buildroot.additions", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    note = str(tmp_path / "note")
    assert run("note", str(output), note).returncode == 0
    (output / "host/bin/tool").unlink()
    done = run("keep", str(output), note, "--package", "app", "--build", STAMPS)
    assert done.returncode == 2
    assert done.stderr.startswith("rootstream: error additions-failed: app deletes host/bin/tool")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".config", True),
        (".stamp_built", True),
        ("Makefile", True),
        ("Module.symvers", True),
        ("include/generated/autoconf.h", True),
        ("include/config/kernel.release", True),
        ("scripts/mod/modpost", True),
        ("scripts/module.lds", True),
        ("tools/objtool/objtool", True),
        ("arch/x86/Makefile_32.cpu", True),
        ("arch/x86/include/generated/asm/rwonce.h", True),
        ("arch/mips/Kbuild.platforms", True),
        ("arch/mips/ralink/Platform", True),
        ("arch/arm64/kernel/module.lds", True),
        ("arch/powerpc/lib/crtsavres.o", True),
        ("System.map", False),  # with it, installing a module would write modules.dep again
        ("vmlinux", False),
        ("vmlinux.o", False),
        ("kernel/fork.o", False),
        ("kernel/fork.c", False),
        ("arch/x86/boot/bzImage", False),
        ("tools/objtool/check.c", False),
        ("Documentation/index.rst", False),
    ],
)
def test_of_a_kernel_stays_what_modules_are_built_with(path: str, expected: bool) -> None:
    assert additions.is_kept(f"build/linux-6.1/{path}", "build/linux-6.1", "kernel") == expected
    assert additions.is_kept(f"build/linux-6.1/{path}", "build/linux-6.1", "all")
    assert not additions.is_kept(f"build/linux-6.1/{path}", "build/other-1", "kernel")
