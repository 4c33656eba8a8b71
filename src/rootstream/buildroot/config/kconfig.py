"""Buildroot's own Kconfig programs, run on files of ours: complete, minimise, explain, open a menu.

They are compiled below the workspace, not in the output folder, so `clean` leaves them and a change of the tree
renews them; and they read and write a file of ours, so nothing happens to the .config of the build.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rootstream.buildroot import confined
from rootstream.buildroot.workspace import ORIGIN, Workspace
from rootstream.errors import UserError
from rootstream.formats.kconfig.facts import Facts, Reason
from rootstream.formats.kconfig.fragment import Request, config_values
from rootstream.formats.kconfig.report import explained
from rootstream.host import process
from rootstream.project.lock import write_atomically

TIMEOUT = 300.0
TOOLS = ("menuconfig", "nconfig", "xconfig", "gconfig")
NO_PREFIX = ""  # Buildroot's symbols are written as they are: BR2_...
_SHIM = """\
#!/bin/sh
env -0 > "$(dirname "$0")/environment" && exec {conf} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedConfig:
    """A completed configuration: its text, its values by symbol, and what Kconfig said."""

    text: str
    values: dict[str, str]
    said: str


def folder(workspace: Workspace) -> Path:
    """Return the folder of the compiled programs and of the files that they work on."""
    return workspace.folder / "kconfig"


def scratch(workspace: Workspace) -> Path:
    """Return the file that the programs read and write."""
    return folder(workspace) / "work" / ".config"


def _objects(workspace: Workspace) -> Path:
    return folder(workspace) / "build" / "buildroot-config"


def environment_file(workspace: Workspace) -> Path:
    """Return the file with the environment that Buildroot's make last gave to `conf`, each entry ended by NUL."""
    return folder(workspace) / "shim" / "buildroot-config" / "environment"


def complete(workspace: Workspace, text: str) -> CompletedConfig:
    """Return the configuration that the tree makes of a text, as its `make olddefconfig` does.

    Raises `UserError` process-failed, process-timeout.
    """
    prepare(workspace)
    place = scratch(workspace)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, text.encode("utf-8", "surrogateescape"))
    said = _make(workspace, "olddefconfig", build=folder(workspace) / "shim").stderr
    result = workspace.original_text(place.read_text("utf-8", "surrogateescape"))
    return CompletedConfig(text=result, values=config_values(result, NO_PREFIX), said=said)


def minimal(workspace: Workspace, text: str) -> str:
    """Return the defconfig of a complete configuration, as the tree's `make savedefconfig` does."""
    prepare(workspace)
    place = scratch(workspace)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, text.encode("utf-8", "surrogateescape"))
    saved = place.with_name("defconfig")
    _direct(workspace, f"--savedefconfig={saved}", "Config.in")
    lines = saved.read_text("utf-8", "surrogateescape").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(f"{ORIGIN}="))


def menu(workspace: Workspace, tool: str, text: str) -> str:
    """Open a tool of the tree on a configuration, on our own terminal; return what it left.

    Raises `UserError` menu-failed when the tool cannot be compiled or fails.
    """
    prepare(workspace)
    place = scratch(workspace)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, text.encode("utf-8", "surrogateescape"))
    env = {**workspace.environment(), **display(workspace)}
    command = _command(workspace, tool, build=folder(workspace) / "build")
    status = confined.hand_over(
        workspace,
        command,
        env=env,
        terminal=True,
        writable=(folder(workspace),),
        visible=windows(workspace),
        configuring=True,
    )
    if status != 0:
        raise UserError(
            "menu-failed",
            f"{tool} of Buildroot: {process.ending(status)}",
            hint=TOOL_HINTS[tool],
        )
    return place.read_text("utf-8", "surrogateescape")


GRAPHIC = ("xconfig", "gconfig")  # in a window, not on the terminal
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
TOOL_HINTS = {
    "menuconfig": "It needs a terminal of at least 80x19 and the ncurses headers (libncurses-dev on Debian).",
    "nconfig": "It needs a terminal and the ncurses headers (libncurses-dev on Debian).",
    "xconfig": "It needs a display and the Qt 5 headers (qtbase5-dev on Debian).",
    "gconfig": "It needs a display and the GTK 2 and libglade headers (libglade2-dev on Debian).",
}


def display(workspace: Workspace) -> dict[str, str]:
    """Return what a tool needs of the user's environment to be drawn."""
    names = (*DISPLAYS, "XAUTHORITY", "XDG_RUNTIME_DIR", "MENUCONFIG_COLOR", "LINES", "COLUMNS")
    found = {name: workspace.env[name] for name in names if name in workspace.env}
    # LC_ALL=C would show the user's own non-ASCII values as question marks
    return found | {"LC_ALL": workspace.env.get("LC_ALL") or workspace.env.get("LANG") or "C.UTF-8"}


def windows(workspace: Workspace) -> tuple[Path, ...]:
    """Return what a tool in a window needs of the host: sockets of X11 and Wayland, and the key to them."""
    env = workspace.env
    found = [Path("/tmp/.X11-unix")] if env.get("DISPLAY") else []  # noqa: S108  (X11's own place)
    found += [Path(env["XAUTHORITY"])] if env.get("XAUTHORITY") else []
    if env.get("WAYLAND_DISPLAY") and env.get("XDG_RUNTIME_DIR"):
        found.append(Path(env["XDG_RUNTIME_DIR"], env["WAYLAND_DISPLAY"]))
    return tuple(found)


def environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment that Buildroot's make gives to its Kconfig programs; `complete` has run before."""
    data = environment_file(workspace).read_bytes().decode("utf-8", "surrogateescape")
    pairs = (entry.partition("=") for entry in data.split("\0") if entry)
    kept = {name: value for name, _, value in pairs}
    return {name: value for name, value in kept.items() if not name.startswith(("MAKE", "MFLAGS"))}


def objects(workspace: Workspace) -> tuple[Path, Path]:
    """Return the tree's Kconfig sources and the folder of their compiled parts."""
    return workspace.tree / "support/kconfig", _objects(workspace)


def prepare(workspace: Workspace) -> None:
    """Compile the tree's `conf` if it is not there, or is that of another tree."""
    place, identity = folder(workspace), _identity(workspace)
    mark = place / "tree"
    conf = _objects(workspace) / "conf"
    if conf.is_file() and mark.is_file() and mark.read_text("utf-8") == identity:
        return
    shutil.rmtree(place, ignore_errors=True)
    workspace.output.mkdir(parents=True, exist_ok=True)
    start = scratch(workspace)
    start.parent.mkdir(parents=True)
    start.write_text("", "utf-8")
    kept = workspace.caches.kconfig / identity if workspace.origin else None
    if kept and kept.is_dir():
        shutil.copytree(kept, place / "build")
    else:
        _make(workspace, "olddefconfig", build=place / "build")
        if kept:
            _keep(place / "build", kept)
    shim = place / "shim" / "buildroot-config" / "conf"
    shim.parent.mkdir(parents=True)
    shim.write_text(_SHIM.format(conf=f"'{conf}'"), "utf-8")
    shim.chmod(0o755)
    mark.write_text(identity, "utf-8")


def _keep(build: Path, kept: Path) -> None:
    """Keep compiled programs for the next scratch workspace; another command may do the same at once."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        shutil.copytree(build, Path(scratch) / "build")
        try:
            (Path(scratch) / "build").rename(kept)
        except OSError:
            if not kept.is_dir():
                raise


def _identity(workspace: Workspace) -> str:
    """Return what stands for the programs' sources and for where they are."""
    digest = hashlib.sha256(os.fsencode(workspace.tree))
    for path in sorted((workspace.tree / "support/kconfig").glob("*")):
        if path.is_file():
            found = path.stat()
            digest.update(f"\0{path.name}\0{found.st_size}\0{found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _command(workspace: Workspace, target: str, *, build: Path) -> tuple[str, ...]:
    # Only the programs' own rules use BUILD_DIR here; BR2_CONFIG is the file that they read and write.
    return confined.make(workspace, "-s", f"BUILD_DIR={build}", f"BR2_CONFIG={scratch(workspace)}", target)


def _make(workspace: Workspace, target: str, *, build: Path) -> process.Completed:
    return _run(workspace, _command(workspace, target, build=build), env=workspace.environment())


def _run(
    workspace: Workspace, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
) -> process.Completed:
    place = folder(workspace)
    return confined.run(workspace, argv, env=env, timeout=TIMEOUT, cwd=cwd, writable=(place,), configuring=True)


def _direct(workspace: Workspace, *words: str) -> process.Completed:
    if not environment_file(workspace).is_file():
        _make(workspace, "olddefconfig", build=folder(workspace) / "shim")
    argv: Sequence[str] = (str(_objects(workspace) / "conf"), *words)
    return _run(workspace, argv, env=environment(workspace), cwd=workspace.tree)


def facts(space: Workspace, requests: Sequence[Request]) -> dict[str, Reason | Facts]:
    """Return what the tree's own Kconfig code says about symbols, and about those that they depend on.

    Raises `UserError` process-failed; `complete` has run before.
    """
    sources, compiled = objects(space)
    program = folder(space) / "explain"
    if not program.is_file():
        source = resources.files("rootstream.formats.kconfig") / "explain.c"
        with resources.as_file(source) as path:
            argv = ["cc", "-w", f"-I{sources}", "-o", f"{program}.new", str(path), str(compiled / "zconf.tab.o")]
            _run(space, argv, env=space.environment())
        program.with_name("explain.new").replace(program)
    out = program.with_name("explained")
    # the program leaves out what is beyond its own limit
    names = [request.symbol for request in requests][:1000]
    argv = [str(program), "Config.in", str(space.config), str(out), *names]
    _run(space, argv, env=environment(space), cwd=space.tree)
    lines = out.read_text("utf-8", "surrogateescape").splitlines()
    return explained(requests, lines)


def plain(text: str) -> str:
    """Return a text about symbols with their names as Buildroot writes them."""
    return text.replace("CONFIG_BR2_", "BR2_")


def quoted(text: str) -> str:
    """Return a text as a Kconfig string: in quotes, with its quotes and backslashes escaped."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def unquoted(value: str) -> str:
    """Return the text of a Kconfig string."""
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
