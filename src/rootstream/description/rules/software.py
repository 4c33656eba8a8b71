"""What a root is known to have: by its packages, its overlays, software of the project, or a defconfig."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rootstream.description.layers import OverlayLayer, PackagesLayer
from rootstream.description.model import System
from rootstream.description.roots import BuildrootRoot, FromBuildroot, FromBusybox, FromDebianPackages

_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin")
_INITS = ("systemd-sysv", "sysvinit-core", "runit-init")
_GETTYS = {"getty@.service", "serial-getty@.service"}
_MOST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A kind of program: Debian's packages, names of programs, Buildroot's symbols for it."""

    packages: tuple[str, ...]
    programs: tuple[str, ...]
    symbols: tuple[str, ...]


SSH = Software(
    packages=("openssh-server", "ssh", "task-ssh-server", "dropbear", "dropbear-bin", "tinysshd"),
    programs=("sshd", "dropbear", "dropbearmulti", "tinysshd"),
    symbols=("BR2_PACKAGE_OPENSSH", "BR2_PACKAGE_DROPBEAR", "BR2_PACKAGE_TINYSSH"),
)
SUDO = Software(packages=("sudo", "sudo-ldap"), programs=("sudo",), symbols=("BR2_PACKAGE_SUDO",))


def has(system: System, folder: Path, what: Software) -> bool | None:
    """Say whether a root has a kind of program; None where the description does not tell."""
    if overlaid(system, folder, *(f"{place}/{name}" for place in _FOLDERS for name in what.programs)):
        return True
    built = {
        package.name for layer in system.layers if isinstance(layer, PackagesLayer) for package in layer.packages
    }
    if built & {*what.packages, *what.programs, "openssh"}:
        return True
    match system.root:
        case FromBusybox():
            return False
        case FromDebianPackages(debian=debian):
            return None if debian.recommends else bool(set(debian.packages) & set(what.packages))
        case FromBuildroot(buildroot=buildroot):
            return True if what is SUDO else _configured(buildroot, folder, what)
        case _:
            return None


def has_shell(system: System, folder: Path, path: str) -> bool | None:
    """Say whether a root has a login shell; None where the description does not tell."""
    name = PurePosixPath(path).name
    if overlaid(system, folder, path.lstrip("/")):
        return True
    match system.root:
        case FromBusybox(busybox=busybox):
            more = busybox.fragments or any(isinstance(layer, PackagesLayer) for layer in system.layers)
            return path in ("/bin/sh", "/bin/ash") or (None if more else False)
        case FromDebianPackages(debian=debian) if not debian.recommends:
            usual = name in ("sh", "bash", "dash", "rbash") and path.startswith(("/bin/", "/usr/bin/"))
            # a shell that another package needs, or brings under a name of its own, is not known here
            return True if usual or name in debian.packages else False if name in ("zsh", "fish", "ksh") else None
        case _:
            return None


def asks(system: System) -> bool:
    """Say whether a root is known to ask for a login on a console."""
    match system.root:
        case FromBusybox(busybox=busybox):
            return bool(busybox.console)
        case FromDebianPackages(debian=debian):
            return not set(debian.mask) >= _GETTYS and any(name in debian.packages for name in _INITS)
        case _:
            return False


def overlaid(system: System, folder: Path, *paths: str) -> bool:
    """Say whether an overlay brings one of these files, given relative to the image's root."""
    overlays = [folder / layer.overlay for layer in system.layers if isinstance(layer, OverlayLayer)]
    return any(
        (overlay / path).is_symlink() or (overlay / path).exists() for overlay in overlays for path in paths
    )


def _configured(buildroot: BuildrootRoot, folder: Path, what: Software) -> bool | None:
    """Say whether the files of a configuration ask for it; a defconfig of Buildroot's is not read here."""
    if not isinstance(buildroot.defconfig, str):
        return None
    wanted = re.compile(rf"^({'|'.join(what.symbols)})=y", re.MULTILINE)
    for name in (buildroot.defconfig, *buildroot.fragments):
        try:
            with (folder / name).open(encoding="utf-8", errors="replace") as file:
                if wanted.search(file.read(_MOST)):
                    return True
        except OSError:
            return None
    return False
