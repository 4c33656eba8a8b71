"""Check `file`: by `ls`, `head` and `sed`, which every root with a shell has."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.description.checks.file import FileCheck

_MOST = 64 << 10
_SHOWN = 300
_LISTED = re.compile(r"^-([r-][w-][xsS-][r-][w-][xsS-][r-][w-][xtT-])\S? +\d+ +(\S+) +(\S+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What `ls -l` and `ls -n` say of a file."""

    mode: int
    user: str
    group: str
    uid: str
    gid: str


def run(check: FileCheck, context: CheckContext, *, limit: float) -> Answer:
    """Look at a file in the shell that is there, or root's."""
    path = shlex.quote(check.file)
    context.session.ensure(deadline=limit)
    # a backslash before a command keeps it from being an alias
    look = f"[ -f {path} ] && \\ls -ldL {path} && \\ls -ldLn {path}"
    ran = context.session.run(look, deadline=limit)
    found = listed(ran.output)
    if ran.status != 0 or found is None:
        shown = ran.output[-_SHOWN:].strip()
        return Answer(good=False, detail=f"there is no file {check.file}{': ' if shown else ''}{shown}")
    if check.mode is not None and found.mode != check.mode:
        return Answer(good=False, detail=f"{check.file} has mode {found.mode:04o}, not {check.mode:04o}")
    if check.owner is not None and not _belongs(check.owner, found, context, limit):
        owner = f"{found.user}:{found.group}" if ":" in check.owner else found.user
        return Answer(good=False, detail=f"{check.file} belongs to {owner}, not {check.owner}")
    seen = f"{found.mode:04o} {found.user}:{found.group}"
    return (
        Answer(good=True, detail=seen) if check.content is None else _content(check.content, path, context, limit)
    )


def _belongs(owner: str, found: Listed, context: CheckContext, limit: float) -> bool:
    user, _, group = owner.partition(":")
    number = "s/^{}:[^:]*:\\([0-9]*\\):.*/\\1/p"
    wanted = ((user, found.user, found.uid, "passwd"), (group, found.group, found.gid, "group"))
    for name, seen, identity, file in wanted:
        if name in ("", seen, identity):
            continue
        if seen != identity:
            return False
        # an ls that knows no names: BusyBox may be built so
        command = f"\\sed -n {shlex.quote(number.format(name.replace('.', '[.]')))} /etc/{file}"
        if context.session.run(command, deadline=limit).output.split() != [identity]:
            return False
    return True


def _content(pattern: str, path: str, context: CheckContext, limit: float) -> Answer:
    ran = context.session.run(f"\\head -c {_MOST} {path}", deadline=limit)
    shown = ran.output[:_SHOWN].strip()
    if ran.status != 0:
        return Answer(good=False, detail=f"it can't be read: {shown}")
    found = re.search(pattern, ran.output, re.MULTILINE)
    if found is None:
        return Answer(good=False, detail=f"the content doesn't match {pattern!r}: {shown}")
    return Answer(good=True, detail=found[0][:_SHOWN])


def listed(text: str) -> Listed | None:
    """Return what two lines of `ls -l` say of a plain file, with names and with numbers; None without them."""
    lines = _LISTED.findall(text)
    if len(lines) != 2:  # noqa: PLR2004
        return None
    (letters, user, group), (_, uid, gid) = lines
    mode = 0
    for letter in letters:
        mode = mode << 1 | (letter not in "-ST")
    special = [letter in "sStT" for letter in letters[2::3]]
    for number, bit in enumerate(special):
        mode |= bit << (11 - number)
    return Listed(mode=mode, user=user, group=group, uid=uid, gid=gid)
