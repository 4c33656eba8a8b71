"""Images that hold passwords: made in the sandbox of their element, without a trace in any cache.

Whether a placeholder can be found again in an image that Buildroot's or a user's programs have packed cannot be
known. Therefore the elements have placeholders only, and the last of them, which makes the images, is not built:
its commands run in its sandbox with the secrets, which come through a pipe, as the images go.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream.buildroot import outside
from rootstream.buildroot.generate import external, translate
from rootstream.buildroot.generate.draft import Generated
from rootstream.buildroot.graph import elements, staging
from rootstream.buildroot.graph.places import OUTPUT, SOURCE
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where
from rootstream.project import placeholders

FOLDER = f"{SOURCE}/private"
PASSWORD = "BR2_TARGET_GENERIC_ROOT_PASSWD"  # noqa: S105  (a symbol)
TABLES = "BR2_ROOTFS_USERS_TABLES"
_LINE = re.compile(rf'^{PASSWORD}="(.+)"$', re.MULTILINE)
_HIDDEN = "rssecret"
_HASH = re.compile(r"\$(?:\d\w?|y|gy|sha1|md5)\$[^\s:,'\"]+")  # crypt(5)
_NO_PASSWORD = re.compile(r"!?=?|[-*!]")  # Buildroot's manual, "Makeuser syntax documentation"
_FIELD = 4  # of a line of such a table
_LARGEST = 64 << 20  # bytes of a file that is searched


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenSecrets:
    """A configuration and a generated tree with placeholders for the secrets, and these, none for most systems."""

    config: str
    generated: Generated
    secrets: tuple[bytes, ...]


def hide(space: Workspace, config: str) -> HiddenSecrets:
    """Return what all elements are made of, which is the same for those who have other passwords.

    Raises `UserError` not-possible for files that bring passwords into images, secret-length.
    """
    described = space.described
    hidden = placeholders.hide(described.target, described.system.layers, {})
    system = described.system.model_copy(update={"layers": hidden.layers})
    generated = translate.generate(
        described.model_copy(update={"system": system}), space.project, space.original(space.generated)
    )
    lines = (f'{PASSWORD}="{each}"' for each in _LINE.findall(config))
    secrets = (
        *(each.content for each in hidden.secrets),
        *(line.encode("utf-8", "surrogateescape") for line in lines),
    )
    for symbol, paths in outside.of_configuration(space, outside.named_values(space)).items():
        for path in paths:
            if symbol == TABLES and path.is_file():
                require_no_password(path, path.read_text("utf-8", "surrogateescape"))
            for file in _files(path) if secrets else ():
                if _has(secrets, file):
                    raise UserError(
                        "not-possible",
                        f"{file.name} holds a password of {described.target}, which would enter the cache",
                        where=Where(path=file),
                        hint=f"{symbol} names it. `users` and `root_login` bring passwords into images.",
                    )
    return HiddenSecrets(config=_LINE.sub(f'{PASSWORD}="{_HIDDEN}"', config), generated=generated, secrets=secrets)


def require_no_password(path: Path, text: str) -> None:
    """Make sure that a table of users has no passwords. Raises `UserError` not-possible with its line."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if len(words) > _FIELD and words[0] != "#" and not _NO_PASSWORD.fullmatch(words[_FIELD]):
            raise UserError(
                "not-possible",
                f"the password of {words[0]} would enter the cache with this table",
                where=Where(path=path, line=number),
                hint="Describe the user below `users:` in system.yaml, or set `graph: false`.",
            )


def without(secrets: Sequence[bytes], path: Path) -> Iterator[Path]:
    """Yield a file or folder, or what is in it, without the files that have one of the secrets."""
    if not secrets or not any(_has(secrets, each) for each in _files(path)):
        yield path
    elif path.is_dir():
        for each in sorted(path.iterdir()):
            yield from without(secrets, each)


def _files(path: Path) -> Iterator[Path]:
    return iter((path,)) if path.is_file() else (each for each in path.rglob("*") if each.is_file())


def _has(secrets: Sequence[bytes], path: Path) -> bool:
    if path.stat().st_size > _LARGEST:
        return False
    content = path.read_bytes()
    return any(each in content for each in secrets)


def redacted(text: str) -> str:
    """Return a text without hashes of passwords."""
    return _HASH.sub("***", text)


def archive(config: str, generated: Generated, trees: staging.Trees, inside: Callable[[str], str]) -> bytes:
    """Return what `commands` read: the configuration and the generated tree as they are, as a tar archive.

    `inside` puts the paths of the sandbox into a text.
    """
    files = {"config": (config, 0o600)}
    for path, content in external.files(generated).items():
        mode = generated.files[path].mode if path in generated.files else 0o644
        files[f"private/{path}"] = content.decode("utf-8", "surrogateescape"), mode
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, (text, mode) in files.items():
            data = inside(text).replace(_ours(trees), FOLDER).encode("utf-8", "surrogateescape")
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def commands(trees: staging.Trees) -> str:
    """Return the script that makes the images: it reads `archive` from its input and writes one of them."""
    moved = {path if path != _ours(trees) else FOLDER: here for path, here in trees.externals.items()}
    made = elements.image_commands(replace(trees, externals=moved))
    emptied = f"find {OUTPUT} {SOURCE} -mindepth 1 -delete"  # what is left there would be kept
    return "\n".join(
        (
            "set -e",
            "exec 3>&1 >&2",
            f"trap '{emptied}' EXIT",
            f"tar -x --no-same-owner -C {SOURCE}",
            *made,
            f"tar -c --sparse -C {OUTPUT} images -C {SOURCE} {' '.join(elements.BESIDE)} >&3",
        )
    )


def _ours(trees: staging.Trees) -> str:
    return list(trees.externals)[-1]
