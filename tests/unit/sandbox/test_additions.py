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
    write(folder / "additions/lib.json", json.dumps({"files": {}, "modes": {}, "links": {}, "after": []}))
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def kept(output: Path, what: str = "") -> dict[str, str]:
    """Return the record of a package that has just been built."""
    told = json.loads((output / "additions/app.json").read_text())
    assert told["after"] == ["lib"]
    record: dict[str, str] = told["files"]
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
    additions.keep(output, before, "app", STAMPS, "", output / "missed")
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
    additions.keep(output, before, "app", STAMPS, "", output / "missed")
    assert set(kept(output)) == {"target/etc/config"}
    assert not (output / "target/bin/sh").exists()


def test_a_content_of_the_same_length_and_time_is_another(output: Path) -> None:
    before = additions.installed(output)
    place = output / "target/etc/config"
    times = (place.stat().st_atime_ns, place.stat().st_mtime_ns)
    (output / "new").write_text("OLD")
    (output / "new").replace(place)
    os.utime(place, ns=times)
    additions.keep(output, before, "app", STAMPS, "", output / "missed")
    assert set(kept(output)) == {"target/etc/config"}


def test_a_build_folder_that_others_read_stays_whole(output: Path) -> None:
    before = additions.installed(output)
    write(output / f"{STAMPS}/src/header.h")
    additions.keep(output, before, "app", STAMPS, "all", output / "missed")
    assert f"{STAMPS}/src/header.h" in files(output)
    assert "build/lib-1.0/.stamp_installed" not in files(output)


def test_deleting_what_others_installed_is_an_error(output: Path) -> None:
    before = additions.installed(output)
    (output / "target/bin/sh").unlink()
    with pytest.raises(Mistake, match=r"app deletes target/bin/sh, which other packages installed"):
        additions.keep(output, before, "app", STAMPS, "", output / "missed")


def records(output: Path, **packages: dict[str, str]) -> None:
    for name, record in packages.items():
        told = {"files": record, "modes": {}, "links": {}, "after": []}
        write(output / "additions" / f"{name}.json", json.dumps(told))


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
    done = run("keep", str(output), note, "--package", "app", "--build", STAMPS, "--missed", "none")
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


def as_cached(folder: Path) -> None:
    """Do to a folder what a cache does: of modes only that of a program stays, and no hard link."""
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        elif not path.is_symlink():
            content, program = path.read_bytes(), path.stat().st_mode & 0o111
            path.unlink()
            path.write_bytes(content)
            path.chmod(0o755 if program else 0o644)


def test_modes_and_hard_links_are_put_back(output: Path) -> None:
    before = additions.installed(output)
    write(output / "target/etc/sudoers", "rules", 0o440)
    write(output / "target/bin/sudo", "sudo", 0o4755)
    write(output / "target/bin/git", "git", 0o755)
    (output / "target/bin/git-add").hardlink_to(output / "target/bin/git")
    (output / "target/bin/ash").hardlink_to(output / "target/bin/sh")  # of another package
    (output / "target/root").mkdir(mode=0o700)
    (output / "target/etc").chmod(0o711)
    wanted = {path: (output / path).stat().st_mode for path in ("target/etc/sudoers", "target/bin/sudo")}
    additions.keep(output, before, "app", STAMPS, "", output / "missed")
    write(output / "target/bin/sh", "shell", 0o755)
    as_cached(output)
    additions.put_back(output)
    assert {path: (output / path).stat().st_mode for path in wanted} == wanted
    assert (output / "target/bin/git").samefile(output / "target/bin/git-add")
    assert (output / "target/bin/sh").samefile(output / "target/bin/ash")
    assert ((output / "target/root").stat().st_mode & 0o7777, (output / "target/etc").stat().st_mode & 0o7777) == (
        0o700,
        0o711,
    )


def test_what_another_has_replaced_keeps_its_mode_and_is_no_link(output: Path) -> None:
    before = additions.installed(output)
    write(output / "target/etc/key", "secret", 0o600)
    write(output / "target/bin/one", "one", 0o755)
    (output / "target/bin/two").hardlink_to(output / "target/bin/one")
    additions.keep(output, before, "app", STAMPS, "", output / "missed")
    as_cached(output)
    write(output / "target/etc/key", "public")
    write(output / "target/bin/two", "another", 0o755)
    additions.put_back(output)
    assert (output / "target/etc/key").stat().st_mode & 0o7777 == 0o644
    assert (output / "target/bin/two").read_text() == "another"


def test_who_is_built_later_decides_the_mode_of_a_folder(output: Path) -> None:
    for name, mode, after in (("first", 0o700, []), ("last", 0o755, ["first", "lib"])):
        told = {"files": {}, "modes": {"target/etc": mode}, "links": {}, "after": after}
        write(output / "additions" / f"{name}.json", json.dumps(told))
    (output / "target/etc").chmod(0o711)
    additions.put_back(output)
    assert (output / "target/etc").stat().st_mode & 0o7777 == 0o755


def test_what_was_looked_for_in_vain_is_noted(output: Path, tmp_path: Path) -> None:
    before = additions.installed(output)
    (tmp_path / "made").write_text("")
    write(tmp_path / "looked for", f"{tmp_path}/b\n{tmp_path}/a\n{tmp_path}/b\n{tmp_path}/made\n")
    additions.keep(output, before, "app", STAMPS, "", tmp_path / "looked for")
    told: dict[str, object] = {"files": {}, "modes": {}, "links": {}, "after": [], "missed": []}
    write(output / "additions/lib.json", json.dumps(told))
    assert additions.all_missed(output, tmp_path / "nothing") == {"app": [f"{tmp_path}/a", f"{tmp_path}/b"]}
    write(tmp_path / "of images", f"{tmp_path}/c\n")
    assert additions.all_missed(output, tmp_path / "of images")[""] == [f"{tmp_path}/c"]
