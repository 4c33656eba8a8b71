"""How much memory a process takes for what is large."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What /proc says is of the program alone; getrusage counts what its parent had, too.
SCRIPT = """
import sys
from pathlib import Path
from rootstream.plan import overlay
from rootstream.project.project import sync
def peak():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
before = peak()
sync(Path(sys.argv[2]), {"a.tar": overlay.archive(Path(sys.argv[1]), epoch=0)})
print(peak() - before)
"""


def test_an_overlay_is_not_read_into_memory(tmp_path: Path) -> None:
    (tmp_path / "over").mkdir()
    with (tmp_path / "over/large").open("wb") as file:
        file.truncate(100 << 20)
    argv = (sys.executable, "-c", SCRIPT, str(tmp_path / "over"), str(tmp_path / "plan"))
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) < 60 << 10, "KiB above what the interpreter has"
    assert (tmp_path / "plan/a.tar").stat().st_size > 100 << 20
