"""The command as a process: what its reader, its terminal or its disk do to it is no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import rootstream


def test_help_and_version(tmp_path: Path) -> None:
    assert "verify" in rootstream("--help", cwd=tmp_path).stdout
    assert rootstream("--version", cwd=tmp_path).stdout.startswith("rootstream ")


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


def test_output_that_finds_no_space_is_no_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rootstream", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


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
