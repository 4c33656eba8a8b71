"""The command line: it answers at once, its page is in step, mistakes are exit status 2 and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest

from rootstream.cli.commands_page import page
from rootstream.cli.front import SECTIONS
from rootstream.cli.main import cli
from rootstream.cli.options import complete_bootable
from rootstream.description.images import BOOTABLE
from rootstream.description.machine import BootFrom

ROOT = Path(__file__).parents[3]


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rootstream", *words], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_page_of_commands_is_in_step() -> None:
    assert (ROOT / "docs" / "reference" / "commands.md").read_text() == page()


def test_the_front_page_has_every_command_once_and_whole(tmp_path: Path) -> None:
    assert sorted(verb for verbs in SECTIONS.values() for verb in verbs) == sorted(cli.commands)
    text = run("--help", cwd=tmp_path).stdout
    assert "..." not in text.partition("Project:")[2]
    assert max(map(len, text.splitlines())) <= 80


def test_images_to_boot_from_are_those_of_the_description() -> None:
    context, option = click.Context(cli), click.Option(["--boot"])
    assert get_args(BootFrom) == BOOTABLE
    assert [item.value for item in complete_bootable(context, option, "")] == list(BOOTABLE)


def test_an_image_that_no_system_makes_is_told_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text("systems: {abc: {root: busybox, kernel: {}, images: [initramfs]}}\n")
    done = run("verify", "--boot", "disk", cwd=tmp_path)
    assert done.returncode == 2
    assert "no image 'disk'; available: initramfs" in done.stderr
    assert not (tmp_path / "system.lock").exists()


def test_help_and_version(tmp_path: Path) -> None:
    assert "verify" in run("--help", cwd=tmp_path).stdout
    assert run("--version", cwd=tmp_path).stdout.startswith("rootstream ")


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
def test_mistakes_outside_a_project(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "rootstream", "schema"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.close()
        assert b"Traceback" not in child.stderr.read()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(tmp_path: Path, shell: str) -> None:
    assert "rootstream" in run("completion", shell, cwd=tmp_path).stdout


def test_completion_offers_systems(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text("systems: {abc: {root: busybox, images: [tar]}}\n")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "rootstream")],
        cwd=tmp_path,
        env={
            **os.environ,
            "_ROOTSTREAM_COMPLETE": "bash_complete",
            "COMP_WORDS": "rootstream build a",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "abc" in done.stdout


EARLY = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "rootstream.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from rootstream.__main__ import main
sys.exit(main())
"""


def test_ctrl_c_while_it_starts_is_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
