"""What may reach a Git process: addresses, names of branches and tags, and whole command lines.

A project, a lock or the `.gitmodules` of an upstream can hold `--upload-pack=COMMAND` or `ext::COMMAND` where an
address is expected, and Git would run it. The description, Buildroot's trees and the engine go by the functions
here. As a program, `git_guard.py GIT WORD...` checks a command line and becomes that Git: the engine puts it
before the host's `git`, so that no plugin of BuildStream reaches Git without it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

SCHEMES = ("https", "http", "ssh", "git", "file")
EXPECTED = "https://, ssh://, git://, http://, file:///, USER@HOST:PATH or an absolute path"
STATUS = 129  # as Git's own for a wrong command line
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"(?:[A-Za-z0-9_][\w.+-]*@)?(?:[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\]):(?![:/]{2}).+")
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9_%][^@/]*@)?(?:[A-Za-z0-9_][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# gitcheckref-format(1), "no" to a leading '-' and '+' beside it: what begins so is an option or a refspec.
_NO_REF = re.compile(r"^[-+/.]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|[/.]$|^@$")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What a command line may hold that names an address, command by command: the options are those that BuildStream's
# plugins and ours use. Any other may run a program (--upload-pack, --config, --template, --exec), abbreviated too.
_OPTIONS: Mapping[str, frozenset[str]] = {
    "clone": _set("-n -q --bare --mirror --no-checkout --no-hardlinks --no-tags --quiet --shared --depth="),
    "fetch": _set("-f -p -q --all --force --no-tags --prune --quiet --tags --depth="),
    "ls-remote": _set("-q --exit-code --heads --quiet --refs --symref --tags"),
    "remote": _set("-v --mirror=fetch --push"),
}
# Of the other commands: what writes files or runs programs, in every abbreviation that could mean it.
_NEVER = ("--exec", "--ext-diff", "--open-files-in-pager", "--output", "--receive-pack", "--textconv")
_NEVER_HERE = (*_NEVER, "--upload-pack", "--template", "--config-env")
_SHORTEST = len("--ou")
# Commands that fetch by themselves what other addresses name, or run what a configuration says.
_REFUSED = ("submodule", "bisect", "filter-branch", "difftool", "mergetool", "daemon", "send-email", "remote-ext")
_GLOBAL_VALUES = ("-C", "-c", "--git-dir", "--work-tree", "--namespace")


def address_problem(url: str) -> str | None:  # noqa: PLR0911  (one rule, one answer)
    """Return what keeps a text from being the address of a Git repository, None if nothing does."""
    plain = unquote(url)
    if not url.strip():
        return "it is empty"
    if any(not each.isprintable() for each in url + plain):
        return "it contains a control character"
    if url.startswith("-") or plain.startswith("-"):
        return "Git would interpret it as an option"
    if _HELPER.match(url):
        return f"{url.partition('::')[0]!r} is a Git remote helper"
    scheme = _SCHEME.match(url)
    if scheme is None:
        return None if url.startswith("/") or _SCP.fullmatch(url) else f"expected {EXPECTED}"
    if scheme[1] not in SCHEMES:
        return f"{scheme[1]!r} is not one of the allowed schemes: {', '.join(SCHEMES)}"
    if scheme[1] == "file":
        return "expected a path after file://" if plain[len("file://") :][:1] in ("", "-") else None
    return _authority_problem(url)


def _authority_problem(url: str) -> str | None:
    try:
        authority = urlsplit(url).netloc
    except ValueError as error:
        return str(error)
    if not _AUTHORITY.fullmatch(authority) or unquote(authority).startswith("-"):
        return f"{authority!r} is not a host, optionally with a user and a port"
    if "@-" in unquote(authority):
        return f"ssh would interpret the host of {authority!r} as an option"
    return None


def ref_problem(name: str) -> str | None:
    """Return what keeps a text from being a branch, tag or commit, None if nothing does."""
    if not name:
        return "it is empty"
    if _NO_REF.search(name) or not name.isprintable():
        return "Git has no branches, tags or commits of that name"
    return None


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a Git process: no prompts, no helper programs, no hooks, no lazy fetching."""
    settings = {
        "core.hooksPath": os.devnull,
        "core.fsmonitor": "false",
        "protocol.ext.allow": "never",
        "protocol.fd.allow": "never",
        "submodule.recurse": "false",
    }
    numbered = {
        f"GIT_CONFIG_{word}_{number}": text
        for number, pair in enumerate(settings.items())
        for word, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {
        **env,
        **numbered,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(SCHEMES)),
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }


def command_problem(words: Sequence[str]) -> str | None:
    """Return what is wrong with the words after `git`, None if nothing is."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in ("-c", "--config-env") or word.startswith(("--config-env=", "--exec-path=")):
            if rest[:1] == ["advice.detachedHead=false"]:
                rest.pop(0)
                continue
            return f"the option {word} may run programs"
        if word in _GLOBAL_VALUES and rest:
            rest.pop(0)
    if not rest:
        return None
    command, rest = rest[0], rest[1:]
    if command in _REFUSED:
        return f"`git {command}` fetches or runs what nobody has checked"
    if command in _OPTIONS:
        return _transport_problem(command, rest)
    return _local_problem(command, rest)


def _transport_problem(command: str, words: Sequence[str]) -> str | None:
    allowed = _OPTIONS[command]
    operands: list[str] = []
    for number, word in enumerate(words):
        if word == "--":
            operands += words[number + 1 :]
            break
        if not word.startswith("-"):
            operands.append(word)
        elif word not in allowed and f"{word.partition('=')[0]}=" not in allowed:
            return f"{word!r} is used instead of an address or a name"
    return _operand_problem(command, operands)


def _operand_problem(command: str, operands: Sequence[str]) -> str | None:
    if command == "remote":
        addresses, names = (operands[2:], operands[1:2]) if operands[:1] in (["add"], ["set-url"]) else ((), ())
    else:
        addresses, names = operands[:1], operands[1:]
    if command == "clone":
        names = ()
    for address in addresses:
        named = re.fullmatch(r"[\w][\w.-]*", address)  # a remote of the repository: its address was checked
        problem = None if named and command != "clone" else address_problem(address)
        if problem is not None:
            return f"{address!r} is not the address of a Git repository: {problem}"
    wrong = next((each for each in names if each.startswith("-")), None)
    return None if wrong is None else f"{wrong!r} is not a name"


def _local_problem(command: str, words: Sequence[str]) -> str | None:
    if command == "config":
        url = words[1] if len(words) == 2 and words[0].endswith(".url") else None  # noqa: PLR2004
        problem = address_problem(url) if url is not None else None
        reads = url is not None or words[:1] in (["--get"], ["--get-all"], ["--list"])
        return problem if reads else "settings of a repository may run programs"
    for word in words:
        if word == "--":
            break
        option = word.partition("=")[0]
        if len(option) >= _SHORTEST and any(each.startswith(option) for each in _NEVER_HERE):
            return f"{word!r} is used instead of a name"
    return None


def main(argv: Sequence[str]) -> int:
    """Check the words of a command line and become Git, or say why not and return the exit status."""
    problem = command_problem(argv[1:])
    if problem is not None:
        sys.stderr.write(f"rootstream: error git-refused: {problem}\n")
        return STATUS
    return os.execve(argv[0], ["git", *argv[1:]], environment(os.environ))  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
