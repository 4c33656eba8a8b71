"""The one layer below which anything of a Buildroot tree runs: its make, its Kconfig programs, a shell.

Rules of a tree and of its packages are programs of somebody else. In a sandbox of bubblewrap they see the tree
and the project, and write the output folder; there is no home, no other file of the host than what a build needs,
no process of it, and a network only while something is downloaded.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO

from rootstream import events
from rootstream.buildroot import mounts, outside
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where
from rootstream.host import process, relay

VARIABLE = "ROOTSTREAM_BUILDROOT_SANDBOX"  # `none` in it: everything runs on the host
OFF = "none"
# Another user than root: as root, tar would give files to users that this sandbox does not have.
_USER = 1000
_ALONE = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--hostname", "buildroot")
_PROBING = 20.0
NOT_SHOWN = (
    "Whole home directories, hidden files in them, and files of the host are not visible to builds. Copy the file "
    "into the project."
)
UMASK = 0o022  # as Buildroot has it: modes of files in images must not be the user's
_CONTROLLING = ("setsid", "--ctty", "--wait")
_INCLUDED = re.compile(r"^BR2_EXTERNAL_FILE = \$\(BASE_DIR\)/([\w.-]+)$", re.MULTILINE)
_PLACE = re.compile(r"^(/[^:\n]+):(\d+): ", re.MULTILINE)  # how make, Kconfig and compilers name a line
# Folders of an output folder that are gone through outside of the sandbox, too.
_FOLDERS = ("build", "host", "staging", "target", "images", "per-package")


def is_off(env: Mapping[str, str]) -> bool:
    """Say whether the user wants no sandbox. Raises `UserError` sandbox-unknown for any other word."""
    word = env.get(VARIABLE, "")
    if word not in ("", OFF):
        raise UserError(
            "sandbox-unknown",
            f"{VARIABLE} is {word!r}",
            hint=f"Unset it, or set it to {OFF}: then Buildroot's make runs on the host, as you.",
        )
    return word == OFF


def tell(space: Workspace, report: events.Reporter) -> None:
    """Warn of what the user or the description has opened."""
    if is_off(space.env):
        text = f"{VARIABLE}={OFF}: rules of Buildroot and of all packages run on this host, as you"
        report(events.Notice(level="warning", text=text))
    elif space.root.network == "build":
        text = f"{space.described.target}: `network: build` lets packages use the network while they are built"
        report(events.Notice(level="warning", text=text))


def make(space: Workspace, *targets: str, output: Path | None = None) -> tuple[str, ...]:
    """Return the command of Buildroot's make, never with -j (Buildroot's manual, "make tips").

    `output` is another output folder than the system's; it is begun here. Only this module runs it.
    """
    _begin(output or space.output, space.tree)
    externals = ":".join(str(path) for path in space.externals)
    return (
        *("make", "--no-print-directory", "-C", str(space.tree)),
        *(f"O={output or space.output}", f"BR2_EXTERNAL={externals}", *targets),
    )


def _begin(output: Path, tree: Path) -> None:
    """Have in an output folder what make includes right after it made it.

    Make 4.3 takes it for missing where it was not there before (https://savannah.gnu.org/bugs/?57676); Buildroot
    works around that since 2020.02.
    """
    match = _INCLUDED.search((tree / "Makefile").read_text("utf-8", "replace"))
    if match:
        output.mkdir(parents=True, exist_ok=True)
        (output / match[1]).touch()


def wrapped(
    space: Workspace,
    argv: Sequence[str],
    *,
    network: bool = False,
    writable: Sequence[Path] = (),
    visible: Sequence[Path] = (),
    configuring: bool = False,
) -> tuple[str, ...]:
    """Return a command that runs `argv` in the sandbox; without any, what is to be put before one.

    `network`: it downloads. `configuring`: it makes a configuration, and needs nothing that the present one names.
    `writable` and `visible` are further paths of the host, the former folders that are made if they are missing.
    Raises `UserError` path-refused, sandbox-missing, sandbox-forbidden.
    """
    if is_off(space.env):
        return tuple(argv)
    require(space.env)
    return (
        *_base(network=network),
        *_shown(space, writable, visible, network=network, configuring=configuring),
        "--",
        *argv,
    )


def _base(*, network: bool) -> tuple[str, ...]:
    user, group = (_USER, _USER) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    return (
        *("bwrap", "--die-with-parent", *_ALONE, "--uid", str(user), "--gid", str(group), "--cap-drop", "ALL"),
        "--new-session",  # in ours it could type into our terminal (TIOCSTI)
        *(() if network else ("--unshare-net",)),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"),  # noqa: S108
    )


def _shown(
    space: Workspace, writable: Sequence[Path], visible: Sequence[Path], *, network: bool, configuring: bool
) -> list[str]:
    named = () if configuring else allowed(space, outside.named(space))
    wanted = _wanted(space, (*visible, *named), network=network)
    folders = [space.output, *writable, *([space.caches.downloads] if network else [])]
    if space.config.is_file() and "BR2_CCACHE=y" in space.config.read_text("utf-8", "replace").splitlines():
        folders.append(space.ccache)
    for path in folders:
        path.mkdir(parents=True, exist_ok=True)
        wanted[path] = True
    return mounts.options(wanted, _home(space))


def _home(space: Workspace) -> Path:
    return Path(space.env.get("HOME") or Path.home())


def _wanted(space: Workspace, visible: Sequence[Path], *, network: bool) -> dict[Path, bool]:
    """Return what the sandbox shows, none of which may be written."""
    wanted = mounts.system(space.env, downloading=network)
    read = [space.project, space.tree, space.folder, *space.externals, *space.own_trees, space.caches.downloads]
    read += [space.origin] if space.origin else []
    read.append(Path(str(resources.files("rootstream.formats.kconfig"))))
    for path in (*read, *visible):
        wanted[path] = False
    return wanted


def allowed(space: Workspace, paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return those of the paths that the configuration names outside of the project which may be shown.

    Raises `UserError` path-refused for a home, what is hidden in one, and the host's own files.
    """
    found = []
    for path in paths:
        if mounts.is_allowed(path, _home(space)):
            found.append(path)
        elif path.exists():
            raise UserError(
                "path-refused",
                f"{space.described.target}: its configuration names {path}, which is not visible to builds",
                hint=NOT_SHOWN,
            )
    return tuple(found)


def shows(space: Workspace, path: Path, visible: Sequence[Path]) -> bool:
    """Say whether a path of this host is shown in the sandbox of a build."""
    if is_off(space.env):
        return True
    named = (each for each in outside.named(space) if mounts.is_allowed(each, _home(space)))
    shown = [each.resolve() for each in _wanted(space, (*visible, *named), network=False)]
    places = (path.parent.resolve() / path.name, path.resolve())  # a link, and what it leads to
    return all(any(place.is_relative_to(each) for each in shown) for place in places)


def run(
    space: Workspace,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    cwd: Path | None = None,
    writable: Sequence[Path] = (),
    configuring: bool = False,
) -> process.Completed:
    """Run a command in the sandbox to its end, as `process.run` does, without a network.

    `env` may name what is in the sandbox alone.

    Raises `UserError` as `wrapped` and `process.run` do.
    """
    command = wrapped(space, argv, writable=writable, configuring=configuring)
    try:
        return process.run(command, env=env, timeout=timeout, cwd=cwd, shown=argv)
    except UserError as error:
        raise _of_project(space, error) from error
    finally:
        require_inside(space)


def _of_project(space: Workspace, error: UserError) -> UserError:
    """Return an error of a program with the place in the project that it names, and paths that stay."""
    detail = space.of_project(error.detail or "")
    match = _PLACE.search(detail)
    named = Path(match[1]) if match else None
    near = named and any(named.is_relative_to(each) for each in (space.project, *space.own_trees))
    where = Where(path=named, line=int(match[2])) if match and named and near else error.where
    tried = space.original_text(error.hint or "") if not space.origin or space.origin.is_dir() else ""
    return UserError(error.reason, error.message, where=where, detail=detail or None, hint=tried or None)


def start(
    space: Workspace,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    output: IO[bytes],
    network: bool,
    place: Path,
    visible: Sequence[Path] = (),
) -> subprocess.Popen[bytes]:
    """Start a command in the sandbox that ends with us, its output going to a file; `place` may be written."""
    command = wrapped(space, argv, network=network, writable=(place,), visible=visible)
    return process.start(process.die_with_parent(command), env=env, stdout=output, stderr=output, umask=UMASK)


def hand_over(
    space: Workspace,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    network: bool = False,
    terminal: bool = False,
    writable: Sequence[Path] = (),
    visible: Sequence[Path] = (),
    configuring: bool = False,
) -> int:
    """Run a command in the sandbox on our terminal and return its exit status, as `process.hand_over` does.

    With `terminal` it takes input, on a terminal of its own if ours is one.
    """
    apart = terminal and relay.possible() and not is_off(space.env)
    # as its controlling terminal, for signals by keys and by a change of its size
    inner = (*_CONTROLLING, *argv) if apart else argv
    command = wrapped(space, inner, network=network, writable=writable, visible=visible, configuring=configuring)
    try:
        return process.hand_over(command, env=env, cwd=cwd, apart=apart, umask=UMASK)
    finally:
        require_inside(space)


def require_inside(space: Workspace) -> None:
    """Make sure that no folder which was written in the sandbox, and is gone through outside, leads elsewhere.

    Raises `UserError` output-outside.
    """
    inside = [path.resolve() for path in (space.folder, space.origin) if path]
    build = space.output / "build"
    kconfig = space.folder / "kconfig"
    doubtful = [space.output / name for name in _FOLDERS]
    doubtful += [path for folder in (build, kconfig) if folder.is_dir() for path in folder.iterdir()]
    for path in doubtful:
        if path.is_symlink() and not any(path.resolve().is_relative_to(each) for each in inside):
            raise UserError(
                "output-outside",
                f"leads out of the output folder, to {path.resolve()}",
                where=Where(path=path),
                hint="A rule of Buildroot or of a package created this link. Delete it; it is not followed.",
            )


def require(env: Mapping[str, str]) -> None:
    """Make sure that a sandbox can be made here. Raises `UserError` sandbox-missing, sandbox-forbidden."""
    problem = _problem(env.get("PATH", os.defpath))
    if problem is not None:
        raise problem


@cache
def _problem(path: str) -> UserError | None:
    hint = (
        "`rootstream doctor` shows the requirements. If they cannot be met and the machine is disposable, as "
        f"in a dedicated container, {VARIABLE}={OFF} runs Buildroot without one."
    )
    argv = [*_base(network=False)]
    for each in mounts.SYSTEM:
        argv += ["--ro-bind-try", str(each), str(each)]
    try:
        done = process.run([*argv, "--", "true"], env={"PATH": path}, timeout=_PROBING, check=False)
    except UserError as error:
        reason = "sandbox-missing" if error.reason == "program-missing" else "sandbox-forbidden"
        return UserError(reason, error.message, hint=f"Buildroot runs in bubblewrap. {hint}")
    if done.status == 0:
        return None
    return UserError(
        "sandbox-forbidden",
        "bubblewrap cannot create a sandbox for Buildroot here",
        detail=process.tail(done.stderr, 3),
        hint=hint,
    )
