"""Downloads without a strong hash or a plain address, which Buildroot makes its own way: by Git and the like."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rootstream.buildroot import info, mounts
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources import transfer
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError
from rootstream.fetch import fetched, mirrors
from rootstream.formats.faults import Fault

SILENCE = 15.0  # seconds
_LOCAL = re.compile(r"(\w+)(?:\|[\w|]+)?\+(?:file://)?(/.*)", re.DOTALL)


def local_files(space: Workspace, names: Iterable[str]) -> tuple[Path, ...]:
    """Return the files and repositories of this machine that packages come from and that may be shown."""
    known, home = info.known(space), Path(space.env.get("HOME") or Path.home())
    addresses = [
        (_LOCAL.fullmatch(uri), source)
        for name in names
        for source, uris in (known[name].downloads if name in known else ())
        for uri in uris
    ]
    found = [
        Path(match[2], source) if match[1] in ("file", "cp") else Path(match[2])
        for match, source in addresses
        if match
    ]
    return tuple(path for path in found if path.exists() and mounts.is_allowed(path, home))


def is_there(space: Workspace, package: BuildrootPackage, source: str) -> bool:
    """Say whether Buildroot has downloaded a file itself: it is in its place, or the package has been made."""
    name = source.rpartition("/")[2]
    made = space.output / package.build / ".stamp_downloaded"
    return (space.caches.downloads / package.download_folder / name).is_file() or made.exists()


def folders(space: Workspace) -> tuple[str, ...]:
    """Return the addresses of the user's own folders, as `rootstream fetch --to` filled them, of Buildroot's part.

    Raises `UserError` invalid-mirror.
    """
    try:
        return tuple(f"{base}/buildroot" for base in fetched.folders(space.env))
    except Fault as fault:
        raise UserError(fault.reason, fault.message, hint=f"Correct {mirrors.FETCHED}, or unset it.") from fault


def from_folder(
    space: Workspace, known: Mapping[str, BuildrootPackage], each: str, bases: tuple[str, ...]
) -> str | None:
    """Bring a file without a hash (Git without one, custom tarballs) from a folder of the user's own.

    These are believed, as the download folder is; mirrors that a project names are not. Returns the address.
    """
    name, _, source = each.partition(": ")
    path = f"{known[name].download_folder}/{source.rpartition('/')[2]}"
    for base in bases:
        with contextlib.suppress(UserError):
            transfer.download(f"{base}/{path}", space.caches.downloads / path, expected=None, silence=SILENCE)
            return f"{base}/{path}"
    return None
