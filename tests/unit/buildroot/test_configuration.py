"""The .config of an output folder and those of packages: written, noted, and what somebody changed in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot.config import configuration
from rootstream.buildroot.config.configuration import SHOWN, joined
from rootstream.buildroot.generate.draft import Setting
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError
from rootstream.formats.kconfig.fragment import Problem, fragment_requests

TEXT = 'BR2_A=y\n# BR2_B is not set\nBR2_C="c"\n'


def test_settings_go_after_what_the_user_asks_for() -> None:
    own, _ = fragment_requests("f", 'BR2_OWN="mine"\nBR2_LIST="a"\nBR2_PASSWORD="x"\n', "")
    settings = (
        Setting(symbol="BR2_WEAK", value="y", weak=True),
        Setting(symbol="BR2_WEAK_TOO", value="y", weak=True, unless="BR2_PASSWORD"),
        Setting(symbol="BR2_LIST", value='"b"', append=True),
        Setting(symbol="BR2_LAST", value="n"),
        Setting(symbol="BR2_LIST", value='"c"', append=True),
        Setting(symbol="BR2_NEW", value='"n"', append=True, default='"d"'),
        Setting(symbol="BR2_EMPTY", value='"e"', append=True),
        Setting(symbol="BR2_LAST", value="y"),
    )
    weak, strong = joined(own, settings)
    assert [(each.symbol, each.value) for each in weak] == [("BR2_WEAK", "y")]
    assert [(each.symbol, each.value) for each in strong] == [
        ("BR2_LIST", '"a b c"'),
        ("BR2_NEW", '"d n"'),
        ("BR2_EMPTY", '"e"'),
        ("BR2_LAST", "y"),
    ]


def test_a_problem_is_an_error_with_its_place() -> None:
    problem = Problem(
        severity="error", kind="k", message="m", symbol="S", file="f", line=3, reason="why", details=("a", "b")
    )
    error = configuration.as_error(problem, Path("/p"))
    assert (error.reason, error.message, str(error.where), error.detail) == ("k", "m", "/p/f:3", "why\na\nb")
    bare = configuration.as_error(
        Problem(severity="error", kind="k", message="m", symbol="S", file=""), Path("/p")
    )
    assert (bare.where, bare.detail) == (None, None)


def test_what_is_written_is_not_edited(box: Workspace) -> None:
    assert not configuration.untouched(box)
    assert configuration._replace(box, TEXT)
    assert box.config.read_text() == TEXT
    assert configuration.edited(box) == {}
    assert configuration.untouched(box)
    before = box.config.stat().st_mtime_ns
    assert not configuration._replace(box, TEXT)
    assert box.config.stat().st_mtime_ns == before
    configuration.require_untouched(box)


def test_symbols_that_somebody_changed(box: Workspace) -> None:
    configuration._replace(box, TEXT)
    box.config.write_text('# BR2_A is not set\n# BR2_B is still not set\nBR2_C="d"\nBR2_DEFCONFIG="x"\nBR2_N=y\n')
    assert configuration.edited(box) == {
        "BR2_A": ("y", "n"),
        "BR2_C": ('"c"', '"d"'),
        "BR2_N": (None, "y"),
    }
    assert not configuration.untouched(box)
    with pytest.raises(UserError) as caught:
        configuration.require_untouched(box)
    assert (caught.value.reason, caught.value.where and caught.value.where.path) == ("hand-edited", box.config)
    assert caught.value.message == "3 symbols changed by hand and not saved in the project"
    assert caught.value.detail == 'BR2_A: y -> n\nBR2_C: "c" -> "d"\nBR2_N: None -> y'


@pytest.mark.parametrize("count", [1, SHOWN, SHOWN + 1, SHOWN + 4])
def test_of_many_symbols_the_first_are_shown(box: Workspace, count: int) -> None:
    configuration._replace(box, "BR2_A=y\n")
    box.config.write_text("BR2_A=y\n" + "".join(f"BR2_X{number:03}=y\n" for number in range(count)))
    with pytest.raises(UserError) as caught:
        configuration.require_untouched(box)
    assert caught.value.message.startswith("1 symbol changed" if count == 1 else f"{count} symbols changed")
    lines = str(caught.value.detail).splitlines()
    assert lines[:SHOWN] == [f"BR2_X{number:03}: None -> y" for number in range(min(count, SHOWN))]
    assert lines[SHOWN:] == ([f"and {count - SHOWN} more"] if count > SHOWN else [])


def test_a_run_that_ends_between_both_files_edits_nothing(box: Workspace) -> None:
    configuration._replace(box, TEXT)
    configuration._replace(box, "BR2_A=m\n")
    box.config.write_text(TEXT)  # the note is new, the .config is the old one
    assert configuration.edited(box) == {}
    box.config.write_text("BR2_A=m\n")
    (box.state / configuration.WRITTEN).unlink()
    assert configuration.edited(box) == {}
    assert not configuration._replace(box, "BR2_A=m\n")
    box.config.write_text("BR2_A=y\n")
    assert configuration.edited(box) == {"BR2_A": ("m", "y")}


def package(space: Workspace, name: str, text: str) -> Path:
    path = space.output / "build" / name / ".config"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_configurations_of_packages_are_noted(box: Workspace) -> None:
    configuration._replace(box, TEXT)
    busybox, linux = package(box, "busybox-1", "CONFIG_A=y\n"), package(box, "linux-6", "CONFIG_B=y\n")
    package(box, "buildroot-config", "BR2_X=y\n")
    assert configuration.edited_packages(box) == {}  # nothing is noted
    configuration.note(box)
    assert configuration.untouched(box)
    assert sorted(path.name for path in (box.state / configuration.NOTED).iterdir()) == [
        "busybox-1.config",
        "linux-6.config",
    ]
    busybox.write_text("# another comment\nCONFIG_A=y\n# CONFIG_Z is not set\n")
    linux.write_text("# CONFIG_B is not set\n")
    assert configuration.edited_packages(box) == {"linux-6": linux}
    assert not configuration.untouched(box)
    assert configuration.noted_package(box, "linux-6") == "CONFIG_B=y\n"
    configuration.require_untouched_package(box, "busybox")
    configuration.require_untouched_package(box, "lin")
    with pytest.raises(UserError) as caught:
        configuration.require_untouched_package(box, "linux")
    assert (caught.value.reason, caught.value.where and caught.value.where.path) == ("hand-edited", linux)
    configuration.forget_package(box, "linux-6")
    configuration.forget_package(box, "linux-6")
    assert configuration.edited_packages(box) == {}
    busybox.unlink()
    configuration.note(box)
    assert [path.name for path in (box.state / configuration.NOTED).iterdir()] == ["linux-6.config"]
    assert configuration.noted_package(box, "linux-6") == "# CONFIG_B is not set\n"
