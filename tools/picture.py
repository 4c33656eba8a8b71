"""Make docs/images/demo.svg: a terminal picture of what `make demo` really printed.

    python tools/picture.py LOG docs/images/demo.svg

LOG is the output of a real run, for example of `make demo 2>&1 | tee LOG`.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100
LINES = 46


def main(log: Path, picture: Path) -> None:
    """Draw the end of the log."""
    lines = [line.split("\r")[-1] for line in log.read_text(errors="replace").replace("\r\n", "\n").split("\n")]
    shown = [re.sub(r"(?:/[^/\s]+)+/examples/", "examples/", line) for line in lines if line.strip()][-LINES:]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    for line in shown:
        text = Text.from_ansi(line)
        text.truncate(WIDTH, overflow="ellipsis")
        console.print(text)
    drawn = console.export_svg(title="make demo")
    # the picture asks nobody for a font
    drawn = re.sub(r"src: (local\([^)]*\)),\s*url\(.*?\);", r"src: \1;", drawn, flags=re.DOTALL)
    picture.write_text(drawn)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
