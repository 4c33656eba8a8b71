"""Files below a folder that somebody else may have filled: no link on the way to them is followed.

A clone brings what its author committed, a link called `.rootstream` among it. Each step below the base is opened
relative to the handle of the one before, with O_NOFOLLOW (open(2)), and belongs to whoever runs this or to the
owner of the base: root in a container works in a checkout of somebody else's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from rootstream.errors import UserError, Where

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_REMOVE = "Check what it is, then delete it: Rootstream creates its own files and folders."


def check(base: Path, path: Path, *, hint: str = _REMOVE) -> bool:
    """Say whether a path below a base is there; no step to it may be a link, special or somebody else's.

    Raises `UserError` link-in-project, special-file, foreign-owner, cannot-read.
    """
    with _parent(base, path, hint=hint) as handle:
        return handle is not None and _status(base, path, handle, hint) is not None


def check_below(
    base: Path,
    path: Path,
    *,
    skip: frozenset[str] = frozenset(),
    but: frozenset[str] = frozenset(),
    hint: str = _REMOVE,
) -> None:
    """Check a path and all below it; of what is right below it, `skip` is not entered, and `but` not looked at.

    Raises `UserError` as `check` does.
    """
    if not check(base, path, hint=hint):
        return
    todo = [path] if stat.S_ISDIR(path.lstat().st_mode) else []
    owners = _owners(base)
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if folder == path and entry.name in but:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    _require(Path(entry.path), status, owners, hint)
                    if stat.S_ISDIR(status.st_mode) and not (folder == path and entry.name in skip):
                        todo.append(Path(entry.path))
        except FileNotFoundError:
            continue  # another command works here and has removed it
        except OSError as error:
            raise _unreadable(folder, error) from error


def make_folder(base: Path, path: Path) -> None:
    """Make a folder below a base, with those above it. Raises `UserError` as `check` does, cannot-write."""
    with _parent(base, path / "-", create=True):
        pass


def open_file(base: Path, path: Path, flags: int, mode: int = 0o644) -> int:
    """Open a regular file below a base and give its descriptor; with O_CREAT its folders are made, too.

    Raises FileNotFoundError, and `UserError` as `check` does, cannot-write.
    """
    create = bool(flags & os.O_CREAT)
    with _parent(base, path, create=create) as handle:
        if handle is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        _status(base, path, handle, _REMOVE, wanted=stat.S_IFREG)
        # Not blocking: what became a pipe meanwhile would be waited for.
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(path.name, flags, mode, dir_fd=handle)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise _link(path, _REMOVE) from error
            raise (_unwritable if flags & (os.O_WRONLY | os.O_RDWR) else _unreadable)(path, error) from error
    try:
        _require(path, os.fstat(file), _owners(base), _REMOVE, wanted=stat.S_IFREG)
    except UserError:
        os.close(file)
        raise
    return file


def read_bytes(base: Path, path: Path, *, most: int = 1 << 28) -> bytes:
    """Return what a regular file below a base holds, `most` bytes of it.

    Raises FileNotFoundError, and `UserError` as `check` does.
    """
    with open(open_file(base, path, os.O_RDONLY), "rb") as file:
        return file.read(most)


def write(base: Path, path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put a file below a base in place, whole or not at all; its folders are made.

    Raises `UserError` as `check` does, cannot-write.
    """
    with _parent(base, path, create=True) as handle:
        assert handle is not None  # noqa: S101  (it was made)
        _status(base, path, handle, _REMOVE, wanted=stat.S_IFREG)
        name = f".{path.name}.{os.urandom(4).hex()}"
        try:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=handle)
            try:
                with open(file, "wb") as out:  # noqa: PTH123  (a descriptor)
                    out.write(content)
                    out.flush()
                    os.fchmod(out.fileno(), mode)
                    os.fsync(out.fileno())
                os.rename(name, path.name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=handle)
                raise
        except OSError as error:
            raise _unwritable(path, error, "The old file is unchanged.") from error


def remove(base: Path, path: Path) -> bool:
    """Delete a file, or a folder with all below it; say whether it was there.

    A link in it is deleted and not followed; one on the way to it is refused. Raises `UserError` as `check` does,
    cannot-write.
    """
    with _parent(base, path) as handle:
        status = None if handle is None else _status(base, path, handle, _REMOVE)
        if status is None:
            return False
        try:
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(path.name, dir_fd=handle)
            else:
                os.unlink(path.name, dir_fd=handle)
        except OSError as error:
            raise _unwritable(path, error, "It could not be deleted.") from error
        return True


@contextlib.contextmanager
def _parent(base: Path, path: Path, *, create: bool = False, hint: str = _REMOVE) -> Iterator[int | None]:
    """Give a handle of the folder that a path is in; None if that is not there."""
    parts = path.relative_to(base).parts
    if not parts or ".." in parts:
        raise ValueError(path)
    with contextlib.ExitStack() as stack:
        try:
            handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(base, error) from error
        stack.callback(os.close, handle)
        step = base
        for part in parts[:-1]:
            step /= part
            if _status(base, step, handle, hint, wanted=stat.S_IFDIR) is None and not create:
                yield None
                return
            try:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o777, dir_fd=handle)
                handle = os.open(part, _FOLDER, dir_fd=handle)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise _link(step, hint) from error
                raise (_unwritable if create else _unreadable)(step, error) from error
            stack.callback(os.close, handle)
        yield handle


def _status(base: Path, path: Path, handle: int, hint: str, *, wanted: int = 0) -> os.stat_result | None:
    """Return what the last step of a path is, after a look at it; None if it is not there."""
    try:
        status = os.stat(path.name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    _require(path, status, _owners(base), hint, wanted=wanted)
    return status


def _owners(base: Path) -> frozenset[int]:
    try:
        return frozenset((os.geteuid(), base.stat().st_uid))
    except OSError as error:
        raise _unreadable(base, error) from error


def _require(path: Path, status: os.stat_result, owners: frozenset[int], hint: str, *, wanted: int = 0) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        raise _link(path, hint)
    if kind in _KINDS:
        message = f"is {_KINDS[kind]}, not a file or folder of Rootstream"
        raise UserError("special-file", message, where=Where(path=path), hint=hint)
    if status.st_uid not in owners:
        raise UserError(
            "foreign-owner",
            f"belongs to user {status.st_uid}, neither to you nor to the owner of the project's folder",
            where=Where(path=path),
            hint="Delete it, or change its owner with chown if you know where it comes from.",
        )
    if wanted and kind != wanted:
        what = "a folder instead of a file" if wanted == stat.S_IFREG else "a file instead of a folder"
        raise UserError("not-as-made", f"is {what}", where=Where(path=path), hint=hint)


def _link(path: Path, hint: str) -> UserError:
    target = ""
    with contextlib.suppress(OSError):
        target = f" to {str(path.readlink())!r}"
    return UserError(
        "link-in-project", f"is a link{target}: links are not followed here", where=Where(path=path), hint=hint
    )


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError("cannot-read", f"cannot be read: {error.strerror}", where=Where(path=path))


def _unwritable(path: Path, error: OSError, hint: str = "The project's folder must be writable.") -> UserError:
    return UserError("cannot-write", f"cannot be written: {error.strerror}", where=Where(path=path), hint=hint)
