"""What the sandbox of a Buildroot tree sees of the host, as options of bubblewrap.

Paths inside equal those outside: a `.config`, stamps and caches hold whole paths. So every folder is mounted where
it really is, and the links that lead to it from elsewhere are made again.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# Programs, libraries and headers of the host. Nix and Guix keep theirs elsewhere.
SYSTEM = tuple(
    map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"))
)
# What programs look up below /etc: names and numbers of users, certificates, how to link and to resolve names.
_ETC = (
    *("alternatives", "ca-certificates", "crypto-policies", "debian_version", "fonts", "fedora-release", "group"),
    *("host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "magic", "mime.types"),
    *("nsswitch.conf", "os-release", "passwd", "perl", "pki", "protocols", "python3", "services", "ssl"),
)
# What only a download wants. The tools' settings for the whole host name proxies and mirrors.
_ETC_DOWNLOADING = ("gai.conf", "gitconfig", "resolv.conf", "wgetrc")
# Keys in folders that are shown for their certificates: root, who may read them, is the user of the sandbox, too.
PRIVATE = tuple(
    Path("/etc", name) for name in ("ssl/private", "pki/tls/private", "pki/CA/private", "pki/entitlement")
)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
# Folders whose content nobody's build is made from, whatever a configuration says.
_NEVER = tuple(map(Path, ("/etc", "/proc", "/sys", "/dev", "/run", "/boot", "/var/run", "/var/lib", "/var/log")))
_ROOT = Path("/root")
_KEPT_HIDDEN = (".rootstream", ".git")
_MOST_LINKS = 40  # as the kernel's limit (path_resolution(7))


def system(env: Mapping[str, str], *, downloading: bool) -> dict[Path, bool]:
    """Return the host's own files that a build needs, none of them writable."""
    names = (*_ETC, *_ETC_DOWNLOADING) if downloading else _ETC
    found = [*SYSTEM, *(Path("/etc", name) for name in names)]
    found += sorted(Path("/etc").glob("java*"))  # where a JDK of Debian or Fedora keeps its settings
    found += [Path(env[name]) for name in _CERTIFICATES if env.get(name, "").startswith("/")]
    return dict.fromkeys([*found, *_programs(env), *_python()], False)


def interpreter() -> Path:
    """Return this Python outside of its virtual environment, which may lie where no build looks: below a home."""
    program = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return program if program.is_file() else Path(sys.executable).resolve()


def _python() -> Iterator[Path]:
    """Yield what that Python needs of its own, of all that may be in the folder where it is installed."""
    yield interpreter()
    yield from {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    yield from Path(sys.base_prefix, "lib").glob("libpython*.so*")


def _programs(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield folders of programs that the search path names beside the system's, but for those in a home."""
    home = Path(env.get("HOME") or "/root")
    for word in env.get("PATH", "").split(os.pathsep):
        path = Path(os.path.normpath(word))
        above = path.parent if path.name in ("bin", "sbin") else path
        if word.startswith("/") and not path.resolve().is_relative_to(home.resolve()):
            yield from [each for each in (above, path) if is_allowed(each, home)][:1]


def is_allowed(path: Path, home: Path) -> bool:
    """Say whether a path outside of the project may be shown: no home as a whole, nothing hidden in one.

    Neither may the host's own files. What a path leads to counts, too.
    """
    return all(_may_be_shown(each, one) for each in (path, path.resolve()) for one in (home, home.resolve()))


def _may_be_shown(path: Path, home: Path) -> bool:
    if home.is_relative_to(path) or len(path.parts) < 3:  # noqa: PLR2004  (`/` and one name)
        return False
    if path.is_relative_to(home):
        return not any(part.startswith(".") for part in path.relative_to(home).parts)
    return not any(path.is_relative_to(never) for never in (*_NEVER, _ROOT))


def options(wanted: Mapping[Path, bool], home: Path) -> list[str]:
    """Return the options that show paths (to whether they may be written) and, but for those, an empty home.

    What is not there is left out. The home of a project that is a home, or above one, shows nothing hidden.
    """
    real: dict[Path, bool] = {}
    links: dict[Path, str] = {}
    for path, writable in wanted.items():
        links |= _links(path)
        place = path.resolve()
        if place.exists():
            real[place] = real.get(place, False) or writable
    shown = [place for place in sorted(real) if not _is_shown(place, real)]
    made = ["--dir", str(home)] if not _above(home, shown) else []
    for place in shown:
        made += _mounted(place, real)
    for link, to in links.items():
        if not _above(link.parent, shown):
            made += ["--symlink", to, str(link)]
    private = [each.resolve() for each in PRIVATE if each.is_dir()]
    made += [word for each in private if _above(each, shown) for word in ("--tmpfs", str(each))]
    return [*made, *_hidden(home.resolve(), real)]


def _mounted(place: Path, real: Mapping[Path, bool]) -> list[str]:
    return ["--bind" if real[place] else "--ro-bind", str(place), str(place)]


def _above(path: Path, shown: Iterable[Path]) -> bool:
    return any(path.is_relative_to(each) for each in shown)


def _is_shown(place: Path, real: Mapping[Path, bool]) -> bool:
    """Say whether a place is seen by the folder above it that is mounted, and may be written as that may."""
    above = next((each for each in place.parents if each in real), None)
    return above is not None and real[above] == real[place]


def _links(path: Path) -> dict[Path, str]:
    """Return the links on the way to a path, each with what it says, by where they really are."""
    found: dict[Path, str] = {}
    left, here = list(reversed(path.parts[1:])), Path("/")
    while left and len(found) < _MOST_LINKS:
        part = left.pop()
        here = here.parent if part == ".." else here / part
        if here.is_symlink():
            to = str(here.readlink())
            found[here] = to
            words = Path(to).parts
            left += reversed([word for word in words if word != "/"])
            here = Path("/") if to.startswith("/") else here.parent
    return found


def _hidden(home: Path, real: Mapping[Path, bool]) -> list[str]:
    """Return the options that cover what is hidden in a home, where that is seen as a part of something else.

    What is wanted of it is shown again.
    """
    made: list[str] = []
    inner = [each for each in sorted(real) if each.is_relative_to(home) and each != home]
    if not _above(home, real) or not home.is_dir():
        return made
    for path in sorted(home.iterdir()):
        if not path.name.startswith(".") or path.name in _KEPT_HIDDEN or path.is_symlink():
            continue
        wanted = [each for each in inner if each.is_relative_to(path)]
        if path in wanted:
            continue
        made += ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
        made += [word for each in wanted for word in _mounted(each, real)]
    return made
