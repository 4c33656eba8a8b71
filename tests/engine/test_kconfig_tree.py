"""The Kconfig check on real trees, with the Kconfig code that they bring: those of the kernel and BusyBox that
examples/hello is built from. make, gcc, flex and bison have to be there; without them the tests are skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.trees import tarball

from rootstream.sandbox.kconfig import configure as kconfig

pytestmark = pytest.mark.engine

KCONFIG = """\
mainmenu "Every way to refuse a request"

config MODULES
\tbool "Modules"
\tmodules

config EXPERT
\tbool "Expert"

config HIDDEN
\tbool "Shown to experts" if EXPERT
\tdefault y

config BUS
\tbool "Bus"

config BRIDGE
\tbool "Bridge"
\tdepends on BUS

config BLOCKER
\tbool "Blocker"
\tdefault y

config DEVICE
\ttristate "Device"
\tdepends on BRIDGE && (FOREIGN_ARCH || !BLOCKER)

config CORE
\ttristate

config CORE_USER
\ttristate "User of the core"
\tselect CORE

config ON_CORE
\ttristate "On the core"
\tdepends on CORE

config FORCED
\tbool "Forced"

config FORCER
\tbool "Forcer"
\tdepends on BUS
\tselect FORCED

config SIZE
\tint "Size"
\trange 4 8
\tdefault 5

config ADDRESS
\thex "Address"
\tdefault 0x1000

config TITLE
\tstring "Title"
\tdefault "none"

config DERIVED
\tint
\tdefault 7 if BUS
\tdefault 3

choice
\tprompt "Speed"
\tdefault SLOW

config SLOW
\tbool "Slow"

config FAST
\tbool "Fast"

config WARP
\tbool "Warp"
\tdepends on EXPERT

endchoice
"""

Configure = Callable[..., tuple[int, dict[str, Any]]]


def tree_of(kind: str, built: Path, folder: Path) -> Path:
    missing = [name for name in ("make", "gcc", "flex", "bison") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    (folder / "tree").mkdir()
    argv = ["tar", "-xf", str(tarball(built, kind, folder)), "-C", str(folder / "tree"), "--strip-components=1"]
    subprocess.run(argv, check=True)
    return folder / "tree"


@pytest.fixture(scope="module")
def linux(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_of("linux", built, tmp_path_factory.mktemp("linux"))


@pytest.fixture(scope="module")
def busybox(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_of("busybox", built, tmp_path_factory.mktemp("busybox"))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder to build in, so that the tree's `conf` is compiled once."""
    return tmp_path_factory.mktemp("objects") / "out"


@pytest.fixture
def configure(tmp_path: Path, linux: Path, objects: Path) -> Configure:
    """Configure the small Kconfig above with the Kconfig code of the kernel tree."""
    start = tmp_path / "Kconfig"
    start.write_text(KCONFIG)

    def run(
        *fragments: str, options: tuple[str, ...] = (), base: str = "allnoconfig"
    ) -> tuple[int, dict[str, Any]]:
        argv = ["configure", "--kind", "linux", "--tree", str(linux), "--output", str(objects)]
        argv += ["--make-arg", f"KBUILD_KCONFIG={start}", "--base", base]
        argv += ["--report", str(tmp_path / "report.json"), *options]
        for number, text in enumerate(fragments, start=1):
            path = tmp_path / f"{number}.config"
            path.write_text(text)
            argv += ["--fragment", f"shown-{number}.config={path}"]
        return kconfig.main(argv), json.loads((tmp_path / "report.json").read_text())

    return run


def found(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["symbol"]: (each["severity"], each["kind"]) for each in report["problems"]}


def test_what_can_be_is_and_leaves_no_trace(configure: Configure, objects: Path) -> None:
    text = (
        "CONFIG_MODULES=y\nCONFIG_BUS=y\nCONFIG_BRIDGE=y\nCONFIG_DEVICE=m\n# CONFIG_BLOCKER is not set\n"
        'CONFIG_SIZE=8\nCONFIG_ADDRESS=0xFF\nCONFIG_TITLE="a \\"b\\" $c \\\\ # d"\nCONFIG_FAST=y\n'
        "CONFIG_CORE_USER=m\nCONFIG_ON_CORE=m\n"
    )
    status, report = configure(text)
    assert (status, report["problems"]) == (0, [])
    assert report["result"]["DEVICE"] == "m"
    assert (objects / ".config").exists()
    assert not list(objects.glob(".kconfig-*"))


def test_a_module_is_an_error_where_none_are_built(configure: Configure) -> None:
    text = "CONFIG_MODULES=y\nCONFIG_BUS=y\nCONFIG_CORE_USER=m\nCONFIG_ON_CORE=m\n"
    status, report = configure(text, options=("--no-modules", "--optional", "ON_CORE"))
    assert status == 2
    assert found(report)["CORE_USER"] == ("error", "module-not-built")
    assert found(report)["ON_CORE"] == ("note", "module-not-built")
    assert found(report)["CORE"] == ("note", "module-not-built")  # selected, and asked for by nobody
    assert {(each["file"], each["line"]) for each in report["problems"] if each["symbol"] == "CORE_USER"} == {
        ("shown-1.config", 3)
    }
    assert configure(text)[0] == 0


def test_every_refusal_is_reported_at_once_with_its_kind(configure: Configure) -> None:
    status, report = configure(
        "CONFIG_BUS=y\nCONFIG_FORCER=y\n# CONFIG_HIDDEN is not set\nCONFIG_DEVICE=m\n# CONFIG_FORCED is not set\n"
        "CONFIG_SIZE=9\nCONFIG_TITLE=5\nCONFIG_DERIVED=4\nCONFIG_WARP=y\nCONFIG_CORE_USER=m\nCONFIG_BRIGDE=y\n"
        '# CONFIG_NOTHING_AT_ALL is not set\n# CONFIG_FOREIGN_ARCH is not set\nCONFIG_EXPERT="y"\n'
    )
    assert status == 2
    assert found(report) == {
        "HIDDEN": ("error", "hidden"),
        "DEVICE": ("error", "dependency"),
        "FORCED": ("error", "selected"),
        "SIZE": ("error", "range"),
        "TITLE": ("error", "type"),
        "DERIVED": ("error", "no-prompt"),
        "WARP": ("error", "dependency"),
        "CORE_USER": ("error", "no-modules"),
        "BRIGDE": ("error", "unknown"),
        "NOTHING_AT_ALL": ("warning", "unknown"),
        "EXPERT": ("error", "type"),
    }
    places = {each["symbol"]: (each["file"], each["line"]) for each in report["problems"]}
    assert places["DEVICE"] == ("shown-1.config", 4)


def test_check_finds_what_changed_after_configuring(configure: Configure, objects: Path, tmp_path: Path) -> None:
    status, _ = configure("CONFIG_BUS=y\nCONFIG_SIZE=6\n")
    assert status == 0
    argv = ["check", "--report", str(tmp_path / "report.json"), "--config", str(objects / ".config")]
    assert kconfig.main(argv) == 0
    text = (objects / ".config").read_text()
    (objects / ".config").write_text(text.replace("CONFIG_SIZE=6", "CONFIG_SIZE=5"))
    assert kconfig.main(argv) == 2


def test_dependency_on_a_module_caps_the_value(configure: Configure) -> None:
    status, report = configure("CONFIG_MODULES=y\nCONFIG_CORE_USER=m\nCONFIG_ON_CORE=y\n")
    assert status == 2
    assert found(report) == {"ON_CORE": ("error", "dependency")}
    assert report["result"]["ON_CORE"] == "m"


def test_two_members_of_a_choice_in_one_fragment(configure: Configure) -> None:
    status, report = configure("CONFIG_SLOW=y\nCONFIG_FAST=y\n")
    assert status == 2
    assert found(report) == {"SLOW": ("error", "choice")}


def test_later_fragment_overrides_values_and_choices(configure: Configure) -> None:
    status, report = configure(
        "CONFIG_SLOW=y\nCONFIG_BUS=y\nCONFIG_SIZE=4\n", "CONFIG_FAST=y\nCONFIG_BUS=n\nCONFIG_SIZE=6\n"
    )
    assert (status, report["problems"]) == (0, [])
    assert report["result"] == {"SLOW": "n", "FAST": "y", "BUS": "n", "SIZE": "6"}


def test_optional_symbol_is_a_note(configure: Configure) -> None:
    status, report = configure(
        "CONFIG_WARP=y\nCONFIG_GONE=y\n", options=("--optional", "WARP", "--optional=CONFIG_GONE")
    )
    assert status == 0
    assert found(report) == {"WARP": ("note", "dependency"), "GONE": ("note", "unknown")}


def test_malformed_fragment_stops_before_the_tree_is_touched(configure: Configure, objects: Path) -> None:
    configure("CONFIG_SIZE=7\n")
    before = (objects / ".config").stat()
    status, report = configure("CONFIG_BUS=y\nCONFIG_SIZE = 4\n")
    assert status == 2
    assert [(each["kind"], each["line"]) for each in report["problems"]] == [("malformed", 2)]
    assert (objects / ".config").stat() == before


def test_base_file_is_a_start_and_not_a_demand(configure: Configure, tmp_path: Path) -> None:
    base = tmp_path / "old.config"
    base.write_text("CONFIG_BUS=y\nCONFIG_BRIDGE=y\nCONFIG_GONE=y\nCONFIG_WARP=y\nCONFIG_SIZE=6\n")
    status, report = configure("# CONFIG_BRIDGE is not set\n", base=f"file:{base}")
    assert status == 0
    assert found(report) == {"GONE": ("warning", "base-changed"), "WARP": ("warning", "base-changed")}


def test_failing_make_shows_what_it_said(linux: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["configure", "--kind", "linux", "--tree", str(linux)]
    argv += ["--output", str(tmp_path / "out"), "--arch", "nowhere", "--base", "tinyconfig"]
    assert kconfig.main(argv) == 2
    assert "nowhere" in capsys.readouterr().err


def test_kernel_recipe_is_proven(linux: Path, tmp_path: Path) -> None:
    recipes = Path(kconfig.__file__).parents[2] / "recipes/linux"
    report = tmp_path / "report.json"
    argv = ["configure", "--kind", "linux", "--tree", str(linux), "--output", str(tmp_path / "out")]
    argv += ["--arch", "x86", "--base", "tinyconfig"]
    for name in ("x86_64", "erofs", "erofs-lzma", "erofs-zstd"):
        argv += ["--fragment", f"{name}.config={recipes / name}.config"]
    assert kconfig.main([*argv, "--report", str(report)]) == 0
    assert json.loads(report.read_text())["problems"] == []


def test_busybox(busybox: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Path(kconfig.__file__).parents[2] / "recipes/busybox/default.config"
    wrong = tmp_path / "wrong.config"
    wrong.write_text(
        "CONFIG_PIE=y\nCONFIG_SH_IS_HUSH=y\nCONFIG_HUSH=y\nCONFIG_WGETT=y\nCONFIG_MD5_SMALL=9\n"
        "# CONFIG_GONE is not set\n"
    )
    common = ["--kind", "busybox", "--tree", str(busybox), "--output", str(tmp_path / "out")]
    argv = ["configure", *common, "--base", "defconfig", "--fragment", f"default.config={recipe}"]
    argv += ["--report", str(tmp_path / "report.json")]
    assert kconfig.main(argv) == 0
    assert json.loads((tmp_path / "report.json").read_text())["problems"] == []
    assert kconfig.main([*argv, "--fragment", f"wrong.config={wrong}"]) == 2
    assert found(json.loads((tmp_path / "report.json").read_text())) == {
        "PIE": ("error", "dependency"),
        "WGETT": ("error", "unknown"),
        "MD5_SMALL": ("error", "range"),
        "GONE": ("warning", "unknown"),
    }
    full = tmp_path / "full.config"
    shutil.copy(tmp_path / "out/.config", full)
    shutil.rmtree(tmp_path / "out")
    assert kconfig.main([*argv, "--base", f"file:{full}"]) == 0
    capsys.readouterr()
    assert kconfig.main(["explain", *common, "--symbol", "CONFIG_PIE"]) == 0
    assert "STATIC" in capsys.readouterr().out
