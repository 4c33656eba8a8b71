"""The command line: it answers at once, its page is in step, mistakes are exit status 2 and never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import click
import pytest

from rootstream.__main__ import main
from rootstream.cli.commands_page import page
from rootstream.cli.front import SECTIONS
from rootstream.cli.main import cli
from rootstream.cli.options import complete_bootable
from rootstream.description.images import BOOTABLE
from rootstream.description.machine import BootFrom

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command returned and printed."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        status = main(words)
        stdout, stderr = capfd.readouterr()
        return Done(returncode=status, stdout=stdout, stderr=stderr)

    return run


def test_the_page_of_commands_is_in_step() -> None:
    assert (ROOT / "docs" / "reference" / "commands.md").read_text() == page()


def test_the_front_page_has_every_command_once_and_whole(run: Command) -> None:
    assert sorted(verb for verbs in SECTIONS.values() for verb in verbs) == sorted(cli.commands)
    text = run("--help").stdout
    assert "..." not in text.partition("Project:")[2]
    assert max(map(len, text.splitlines())) <= 80


def test_images_to_boot_from_are_those_of_the_description() -> None:
    context, option = click.Context(cli), click.Option(["--boot"])
    assert get_args(BootFrom) == BOOTABLE
    assert [item.value for item in complete_bootable(context, option, "")] == list(BOOTABLE)


def test_an_image_that_no_system_makes_is_told_before_anything_is_built(tmp_path: Path, run: Command) -> None:
    (tmp_path / "system.yaml").write_text("systems: {abc: {root: busybox, kernel: {}, images: [initramfs]}}\n")
    done = run("verify", "--boot", "disk")
    assert done.returncode == 2
    assert "no image 'disk'; available: initramfs" in done.stderr
    assert not (tmp_path / "system.lock").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("build",),
        ("run",),
        ("verify",),
        ("show",),
        ("update",),
        ("log", "x"),
        ("shell", "x"),
        ("clean",),
        ("buidl",),
        ("build", "--nope"),
        ("init", "nope"),
        ("init", "x86-disk", "/proc/x"),
        ("completion", "tcsh"),
    ],
)
def test_mistakes_outside_a_project(run: Command, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.strip()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(run: Command, shell: str) -> None:
    assert "rootstream" in run("completion", shell).stdout
