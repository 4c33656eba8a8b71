"""A session with a source tree's configuration: configured as the project asks, opened in a menu, explained.

Runs in the sandbox as `python3 -m rootstream.sandbox.kconfig.config_edit FOLDER`, on the standard library. The
folder holds request.json; report.json, the configuration before and after a menu and explanations are
written there.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rootstream.formats.kconfig.fragment import Problem, Request, config_values
from rootstream.formats.kconfig.report import log_text
from rootstream.sandbox.kconfig import configure
from rootstream.sandbox.kconfig.tree import KconfigError, KconfigTree, clean_environment, complete, read_text

TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
MOST_TRIED = 300
# BusyBox looks for ncurses with a program in C of before 1999.
OLD_COMPILER = "HOSTCC=gcc -Wno-implicit-int"


def session(folder: Path) -> int:
    """Do what the request says; return the exit status: that of the menu, 0 otherwise."""
    told: dict[str, Any] = json.loads((folder / "request.json").read_text("utf-8"))
    configure.main(told["configure"])
    source = Path(told["tree"]).resolve()
    tree = KconfigTree(kind=told["kind"], source=source, objects=source, make_words=tuple(told["make"]))
    if not tree.config.exists():
        return 0  # the report says why
    keep(tree, folder, "before")
    if told["symbols"]:
        (folder / "explained").write_text(explained(told), "utf-8", "surrogateescape")
    if told["tool"]:
        status = open_menu(tree, told["tool"], told["terminal"])
        if status != 0:
            return status
        keep(tree, folder, "after")
        if tree.old:
            asked = needed(tree, read_text(folder / "before.config"), config_values(read_text(tree.config)))
            (folder / "changes").write_text(json.dumps(asked), "utf-8")
    return 0


def needed(tree: KconfigTree, before: str, after: Mapping[str, str]) -> dict[str, str]:
    """Return the fewest of the changed symbols that make one configuration of another: the rest follows from them.

    For trees that cannot write a minimal configuration. What comes later in it may depend on what comes before.
    """
    values = config_values(before)
    changed = {name: value for name, value in after.items() if values.get(name, "n") != value}
    for tried in reversed(list(changed)[:MOST_TRIED]):
        trial = {name: value for name, value in changed.items() if name != tried}
        tree.config.write_text(before, "utf-8", "surrogateescape")
        complete(tree, {name: Request(symbol=name, value=value, file="", line=0) for name, value in trial.items()})
        if config_values(read_text(tree.config)) == after:
            changed = trial
    return changed


def keep(tree: KconfigTree, folder: Path, name: str) -> None:
    """Copy the configuration, and its minimal form where the tree can make one."""
    shutil.copy(tree.config, folder / f"{name}.config")
    if not tree.old:
        tree.make("savedefconfig")
        shutil.move(tree.objects / "defconfig", folder / f"{name}.defconfig")


def explained(told: dict[str, Any]) -> str:
    """Return what the tree knows about symbols."""
    argv = ["explain", "--kind", told["kind"], "--tree", told["tree"]]
    for word in told["make"]:
        argv += ["--make-arg", word]
    for symbol in told["symbols"]:
        argv += ["--symbol", symbol]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        configure.main(argv)
    return out.getvalue()


def open_menu(tree: KconfigTree, tool: str, name: str) -> int:
    """Open a menu of the tree on the user's terminal, which has a name; return its exit status."""
    words = [*tree.make_words, *([OLD_COMPILER] if tree.old else [])]
    env = {**clean_environment(), "LC_ALL": "C.UTF-8", "TERM": terminal(name)}
    return subprocess.run(["make", "-s", "-C", str(tree.source), *words, tool], env=env, check=False).returncode


def terminal(name: str) -> str:
    """Return a terminal that this sandbox knows: the user's own, or the one that most are like."""
    known = name and "/" not in name and any(Path(place, name[0], name).exists() for place in TERMINFO)
    return name if known else "xterm"


def main() -> int:
    """Run the program."""
    try:
        return session(Path(sys.argv[1]))
    except KconfigError as error:
        print(log_text([Problem(severity="error", kind="not-configured", message=str(error))]), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
