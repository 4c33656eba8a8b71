"""Commands on the small Buildroot tree of the tests, in this process: what each does to files, step by step.

tests/buildroot has whole stories on this tree and on real ones, with commands as users run them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rootstream.__main__ import main
from tests.buildroot import smalltree

SYSTEM = """\
# the systems of this project
systems:
  box:
    root:
      buildroot:
        tree: {{local: {tree}}}
        defconfig: box_defconfig  # all that matters
    images: [tar]
    layers:
      - hostname: box
      - packages:
          - {{name: greet, source: greet, build: make}}
    variants:
      debug:
        description: with tools
"""
DEFCONFIG = "BR2_x86_64=y\n# what people use\nBR2_PACKAGE_BASH=y\nBR2_PACKAGE_BUSYBOX_SHOW_OTHERS=y\n"
MAKEFILE = "all:\ninstall: all\n\tinstall -D -m 644 words $(DESTDIR)/usr/share/words\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command returned and printed."""

    status: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture(scope="session")
def small_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smalltree.make(tmp_path_factory.mktemp("small") / "tree")


@pytest.fixture
def box(small_tree: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "greet").mkdir(parents=True)
    (folder / "greet/Makefile").write_text(MAKEFILE)
    (folder / "greet/words").write_text("first\n")
    (folder / "system.yaml").write_text(SYSTEM.format(tree=small_tree))
    (folder / "box_defconfig").write_text(DEFCONFIG)
    return folder


@pytest.fixture
def run(box: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, in the project's folder."""
    monkeypatch.chdir(box)

    def run(*words: str, status: int = 0) -> Done:
        found = main(words)
        out, err = capfd.readouterr()
        assert found == status, out + err
        return Done(status=found, out=out, err=err)

    return run


def config(box: Path) -> Path:
    return box / ".rootstream/buildroot/box/output/.config"


def problems(run: Command, status: int = 0) -> list[tuple[str, str, str, int]]:
    told = json.loads(run("config", "check", "--json", status=status).out)
    return [(each["severity"], each["kind"], each["symbol"], each["line"]) for each in told]


def test_what_comes_out_as_asked(run: Command) -> None:
    assert problems(run) == []
    assert run("config", "get", "BR2_PACKAGE_BASH").out == "BR2_PACKAGE_BASH=y\n"
    assert run("config", "get", "BR2_TARGET_GENERIC_HOSTNAME").out == 'BR2_TARGET_GENERIC_HOSTNAME="box"\n'
    assert run("config", "get", "BR2_PACKAGE_GREET").out == "BR2_PACKAGE_GREET=y\n"


def test_what_does_not(box: Path, run: Command) -> None:
    lines = "BR2_PACKAGE_BASHH=y\nBR2_PACKAGE_SYSTEMD=y\nBR2_PACKAGE_AICCU=y\n# BR2_PACKAGE_NEVER is not set\n"
    (box / "box_defconfig").write_text(DEFCONFIG + lines)
    found = {symbol: (severity, kind, line) for severity, kind, symbol, line in problems(run, 2)}
    assert found["BR2_PACKAGE_BASHH"] == ("error", "symbol-unknown", 5)
    assert found["BR2_PACKAGE_SYSTEMD"] == ("error", "symbol-dependency", 6)
    assert found["BR2_PACKAGE_AICCU"] == ("error", "symbol-legacy", 7)
    assert found["BR2_PACKAGE_NEVER"] == ("warning", "symbol-unknown", 8)
    text = run("config", "explain", "BR2_PACKAGE_SYSTEMD").out
    assert "BR2_INIT_SYSTEMD" in text
    assert "CONFIG_BR2" not in text
    said = run("build", status=2).err
    assert "box_defconfig:6" in said
    assert not (box / "out").exists()


def test_a_symbol_is_set_and_unset(box: Path, run: Command) -> None:
    assert "+BR2_PACKAGE_TREE=y" in run("config", "set", "BR2_PACKAGE_TREE=y").out
    assert (box / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"
    assert run("config", "get", "BR2_PACKAGE_TREE").out == "BR2_PACKAGE_TREE=y\n"
    run("config", "set", "BR2_PACKAGE_TREE=y")
    assert (box / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"
    run("config", "unset", "BR2_PACKAGE_TREE")
    assert (box / "box_defconfig").read_text() == DEFCONFIG


def test_what_cannot_be_set_is_taken_back(box: Path, run: Command) -> None:
    for word in ("BR2_PACKAGE_SYSTEMD=y", "BR2_TARGET_GENERIC_HOSTNAME=other", "BR2_X", "BR2_NOTHING_SUCH=y"):
        run("config", "set", word, status=2)
        assert (box / "box_defconfig").read_text() == DEFCONFIG
        assert (box / "system.yaml").read_text().startswith("# the systems")
    assert problems(run) == []


def test_a_variant_has_a_file_of_its_own(box: Path, run: Command) -> None:
    run("config", "set", "--variant", "debug", "BR2_PACKAGE_STRACE=y")
    assert (box / "box_defconfig").read_text() == DEFCONFIG
    assert (box / "configs/box-debug.config").read_text() == "BR2_PACKAGE_STRACE=y\n"
    text = (box / "system.yaml").read_text()
    for words in ("configs/box-debug.config", "# the systems of this project", "# all that matters"):
        assert words in text
    assert run("config", "get", "--system", "box@debug", "BR2_PACKAGE_STRACE").out.endswith("=y\n")
    assert run("config", "get", "--system", "box", "BR2_PACKAGE_STRACE").out.endswith("=n\n")
    said = run("config", "diff", "--system", "box", "box@debug").out
    assert said == "BR2_PACKAGE_STRACE: (default) -> y\n"


def test_where_a_change_is_saved_to(box: Path, run: Command) -> None:
    (box / "more.config").write_text("")
    text = (box / "system.yaml").read_text()
    (box / "system.yaml").write_text(
        text.replace("        defconfig:", "        fragments: [more.config]\n        defconfig:")
    )
    said = run("config", "set", "BR2_PACKAGE_TREE=y", "--to", "other.config", status=2).err
    assert "box_defconfig" in said
    assert "more.config" in said
    run("config", "set", "BR2_PACKAGE_TREE=y", "--to", "more.config")
    assert (box / "more.config").read_text() == "BR2_PACKAGE_TREE=y\n"
    assert (box / "box_defconfig").read_text() == DEFCONFIG


def test_without_a_defconfig_one_is_made(box: Path, run: Command) -> None:
    (box / "box_defconfig").unlink()
    text = (box / "system.yaml").read_text()
    (box / "system.yaml").write_text(text.replace("        defconfig: box_defconfig  # all that matters\n", ""))
    run("config", "set", "BR2_PACKAGE_BASH=y")
    assert "BR2_PACKAGE_BASH=y\n" in (box / "configs/box_defconfig").read_text()
    assert "defconfig: configs/box_defconfig" in (box / "system.yaml").read_text()
    assert run("config", "get", "BR2_PACKAGE_BASH").out == "BR2_PACKAGE_BASH=y\n"


def edit_by_hand(box: Path, run: Command) -> None:
    run("config", "discard")  # makes the .config
    text = config(box).read_text()
    config(box).write_text(text.replace("# BR2_PACKAGE_TREE is not set", "BR2_PACKAGE_TREE=y"))
    assert config(box).read_text() != text


def test_an_edit_by_hand_is_told_and_saved(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    assert run("config", "diff").out == "BR2_PACKAGE_TREE: n -> y\n"
    assert problems(run, 2) == [("error", "hand-edited", "BR2_PACKAGE_TREE", 0)]
    for words in (("build",), ("config", "get", "BR2_PACKAGE_TREE"), ("clean",)):
        assert "BR2_PACKAGE_TREE" in run(*words, status=2).err
    assert "+BR2_PACKAGE_TREE=y" in run("config", "save").out
    assert (box / "box_defconfig").read_text() == DEFCONFIG + "BR2_PACKAGE_TREE=y\n"
    assert run("config", "diff").out == ""
    assert problems(run) == []


def test_an_edit_by_hand_is_dropped(box: Path, run: Command) -> None:
    edit_by_hand(box, run)
    assert "BR2_PACKAGE_TREE" in run("config", "discard").out
    assert (box / "box_defconfig").read_text() == DEFCONFIG
    assert "# BR2_PACKAGE_TREE is not set\n" in config(box).read_text()
    assert problems(run) == []


def test_a_whole_config_is_minimized(box: Path, run: Command) -> None:
    run("config", "discard")
    whole = config(box).read_text()
    (box / "box_defconfig").write_text(whole)
    said = run("config", "minimize").out
    lines = (box / "box_defconfig").read_text().splitlines()
    assert said.startswith(f"box_defconfig: {len(whole.splitlines())} lines reduced to {len(lines)}\n")
    assert "BR2_PACKAGE_BASH=y" in lines
    assert not any(line.startswith("BR2_DEFCONFIG=") for line in lines)
    run("config", "discard")
    assert config(box).read_text() == whole
    again = run("config", "minimize").out
    assert "reduced" not in again
    assert (box / "box_defconfig").read_text().splitlines() == lines


def test_a_password_of_the_defconfig_is_kept(box: Path, run: Command) -> None:
    (box / "box_defconfig").write_text(DEFCONFIG + 'BR2_TARGET_GENERIC_ROOT_PASSWD="factory"\n')
    assert problems(run) == []
    assert run("config", "get", "BR2_TARGET_ENABLE_ROOT_LOGIN").out.endswith("=y\n")


def test_values_are_written_as_make_reads_them(box: Path, run: Command) -> None:
    run("config", "set", 'BR2_TARGET_GENERIC_ISSUE=a "b" \\c $$d é')
    assert run("config", "get", "BR2_TARGET_GENERIC_ISSUE").out.partition("=")[2] == '"a \\"b\\" \\\\c $$d é"\n'
    for value in ("a\nb", "no more #than this", "5 $ a day"):
        run("config", "set", f"BR2_TARGET_GENERIC_ISSUE={value}", status=2)
    assert problems(run) == []
    assert box.is_dir()


def test_a_line_that_is_none(box: Path, run: Command) -> None:
    (box / "box_defconfig").write_text(DEFCONFIG + "BR2_PACKAGE_TREE = y\n")
    assert "box_defconfig:5" in run("config", "check", status=2).err


def test_reading_makes_no_output_folder(box: Path, run: Command) -> None:
    run("config", "check")
    run("build", "-n")
    assert "bash" in run("show").out
    assert "no log of busybox" in run("log", "box:busybox", status=2).err
    assert not config(box).exists()


def test_a_build_and_what_a_change_rebuilds(box: Path, run: Command) -> None:
    assert "new: nothing is built yet" in run("build", "-n", "--plain").err
    run("build", "--plain")
    output = box / ".rootstream/buildroot/box/output"
    assert (box / "out/box/rootfs.tar").is_file()
    assert (output / "target/usr/share/words").read_text() == "first\n"
    assert (output / "target/etc/hostname").read_text() == "box\n"
    assert "nothing to do" in run("build", "--plain").err
    assert "greet" in run("log", "box:greet").out
    assert "greet" in run("show").out

    (box / "greet/words").write_text("second\n")
    said = run("build", "-n", "--plain").err
    assert "greet" in said
    assert "bash" not in said
    assert (output / "target/usr/share/words").read_text() == "first\n"
    run("build", "--plain")
    assert (output / "target/usr/share/words").read_text() == "second\n"

    (output / "target/etc/mine").write_text("by hand")
    (output / "target/etc/hostname").write_text("by hand")
    said = run("build", "--plain").err
    assert "/etc/hostname, /etc/mine" in said

    text = (box / "system.yaml").read_text()
    (box / "system.yaml").write_text(text.replace("hostname: box", "hostname: other"))
    run("build", "--plain")
    assert (output / "target/etc/hostname").read_text() == "other\n"

    (box / "system.yaml").write_text(
        text.replace("      - packages:\n          - {name: greet, source: greet, build: make}\n", "")
    )
    said = run("build", "-n", "--plain").err
    assert "greet" in said
    run("build", "--plain")
    assert not (output / "target/usr/share/words").exists()
    assert "greet" not in run("show").out


def test_a_build_that_fails_names_package_and_log(box: Path, run: Command) -> None:
    (box / "greet/Makefile").write_text("all:\n\techo last words; exit 3\n")
    said = run("build", "--plain", status=2).err
    assert "greet" in said
    assert "last words" in run("log", "box:greet").out
    assert not (box / "out/box").exists()
    (box / "greet/Makefile").write_text(MAKEFILE)
    run("build", "--plain")
    assert (box / "out/box/rootfs.tar").is_file()


def test_targets_of_make(box: Path, run: Command) -> None:
    assert box.is_dir()
    for target in ("menuconfig", "savedefconfig", "x_defconfig"):
        assert "rootstream config" in run("make", target, status=2).err
