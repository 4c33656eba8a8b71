"""What went wrong in a run of `bst`, as one error that a user can act on."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.engine import said, scripts
from rootstream.engine.logs import log_end, sandbox_errors
from rootstream.engine.messages import Failure
from rootstream.engine.settings import place_in
from rootstream.errors import Problems, UserError, Where

_PROVENANCE = re.compile(
    r"(?P<path>[^\s:\[\]]+) \[line (?P<line>\d+) column (?P<column>\d+)\]:? ?(?P<rest>.*)", re.DOTALL
)
# Both say what was asked for, of the user's words: a source plugin in its detail, a program in its log.
_ASKED = re.compile(r"^ *Asked for (?P<name>\S+): (?P<text>.+)$", re.MULTILINE)
_REFUSED = re.compile(r"^[a-z]+: (?P<text>[a-z]+: (?P<name>\S+): .+)$")
NO_SPACE = "No space left on device"
UNHANDLED = "An unhandled exception occured"  # as BuildStream spells it

# what failed that is not a build, and what to do about it
_TRANSFERS = {
    "fetch": ("fetch-failed", "Check the network and run the same command again: finished downloads are kept."),
    "track": ("track-failed", "Check the network and the address, and run the same command again."),
    "pull": ("pull-failed", "`rootstream doctor` checks the caches that are set."),
    "push": ("push-failed", "`rootstream doctor` checks the caches that are set."),
    "src-push": ("push-failed", "`rootstream doctor` checks the caches that are set."),
}

# what BuildStream says of workers and their server, as opposed to the commands that they run
_OF_WORKERS = (
    "Failed to contact remote execution endpoint",
    "Failed contacting remote execution server",
    "Failed trying to recover from connection loss",
    "Failed to determine missing blobs",
    "Failed to push source directory to remote",
    "Failed to query action cache",
    "No response returned from server",
    "Remote server failed at executing",
    "Error executing command remotely",
)

# what buildbox says on a worker; here, it would be of this host
_OF_A_WORKER = ("execute() threw:",)

# the words of BuildStream, buildbox and the system, and what they mean here
_KNOWN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("Error loading user configuration",),
        "engine-settings-invalid",
        "Its keys are those of the user configuration in BuildStream's manual.",
    ),
    (
        ("No project.conf or active workspace", "Error loading project: "),
        "project-missing",
        "Use a folder with a project.conf or a system.yaml.",
    ),
    (
        ("No artifacts have been cached yet", "No artifacts to stage", "Artifact not cached"),
        "artifact-missing",
        "Build it first.",
    ),
    (
        ("Exact versions are missing", "Inconsistent pipeline"),
        "reference-missing",
        "Pin its sources first: `rootstream update`, or in a plain project `bst source track --deps all`.",
    ),
    (
        ('bubblewrap command "bwrap"',),
        "sandbox-missing",
        "Install bubblewrap; `rootstream doctor` shows how.",
    ),
    (
        (
            "No permissions to create new namespace",
            "bwrap: setting up uid map",
            "bwrap: Creating new namespace failed",
        ),
        "sandbox-forbidden",
        "This system does not allow user namespaces; `rootstream doctor` shows how to enable them.",
    ),
    (
        (
            NO_SPACE,
            "OutOfSpaceException",
            "Cache too full",
            "RESOURCE_EXHAUSTED",
            "Insufficient storage quota",
        ),
        "cache-full",
        "Free disk space, or set a larger ROOTSTREAM_CACHE_QUOTA, or use another disk for ROOTSTREAM_CACHE.",
    ),
    (
        ("is on no mirror",),  # as debian_packages and debian_source say it
        "not-on-mirror",
        (
            "Set ROOTSTREAM_FETCHED to a folder of `fetch --to`, or ROOTSTREAM_DEBIAN_SNAPSHOTS to archives\n"
            "  with old versions; or run `rootstream update` to pin current ones."
        ),
    ),
    (
        ("that are pinned already",),  # as debian_packages and python_wheels say it
        "pinned-versions",
        "Pinned packages keep their versions; `rootstream update` pins the newest ones.",
    ),
    (
        ("no wheels for Python",),  # as python_wheels says it
        "no-wheel",
        "Check name and version. List packages that only exist as source in `from_source` of the layer `python`.",
    ),
    (
        ("]: not in ", "]: no source package ", " has no version "),  # as debian_packages and debian_source say it
        "no-package",
        "Check the name, and whether the suite has it for this architecture.",
    ),
    (
        (
            "no mirror has the suite ",
            "no mirror has this suite",
            "]: no mirror for ",
            "]: there is no such component in ",
        ),
        "no-suite",
        (
            "Check its name, or set a mirror that has it in `debian: mirrors:` or ROOTSTREAM_DEBIAN_MIRRORS; by\n"
            "  default, those of apt on this host are used. Write `also: []` to exclude the suites of updates."
        ),
    ),
    (
        ("is not signed with its key",),  # as debian_packages says it, here and below
        "repository-unsigned",
        "Check `key:`: the file must contain the public key that the repository is signed with.",
    ),
    (
        ("]: the repository ",),
        "repository-unusable",
        "Check its `url`, `suites` and `components`, and whether it has packages for this architecture.",
    ),
    (
        ("FUSE stager", "fusermount", "/dev/fuse"),
        "fuse-missing",
        "Building needs FUSE; `rootstream doctor` shows what is missing.",
    ),
    (
        (
            "Could not find element",
            "No element plugin registered",
            "No source plugin registered",
            "Unexpected key",
            "Unresolved",
            "Circular dependency",
            "invalid characters",
            "while parsing",
            "while scanning",
            "Dictionary did not contain",
            "Value of",
        ),
        "project-invalid",
        "",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known of a run that failed.

    That is: its failed jobs, the end of the log of the first of them, the errors of BuildStream's core, its last
    words, its exit status as `subprocess` gives it, whether its casd died, the file with all its messages,
    the user's settings file and the text that it was merged into, the command for a shell, and the URL of the
    workers, if there are any.
    """

    failures: Sequence[Failure]
    log: str
    core: Sequence[str]
    closing: str
    status: int
    casd_died: bool
    messages: Path
    project: Path | None
    extra: Path | None
    command: str
    configuration: str = ""
    workers: str = ""


class ElementError(UserError):
    """What went wrong with an element, and what it is about.

    `asked` are names that the user gave and what is wrong with each; `asks` says that a source lacks something.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        where: Where | None = None,
        hint: str | None = None,
        detail: str | None = None,
        element: str,
        asked: tuple[tuple[str, str], ...] = (),
        asks: bool = False,
    ) -> None:
        super().__init__(reason, message, where=where, hint=hint, detail=detail)
        self.element = element
        self.asked = asked
        self.asks = asks


def fault(outcome: Outcome) -> UserError:
    """Return the error for a failed run."""
    if outcome.casd_died:
        return UserError(
            "engine-died",
            "buildbox-casd, the process that keeps BuildStream's cache, ended unexpectedly",
            hint="Run the same command again: finished work is kept. If it happens again, check for a\n"
            "  lack of memory or disk space (`rootstream doctor`).",
        )
    if outcome.status < 0:
        return UserError(
            "engine-died",
            f"BuildStream was killed (signal {-outcome.status})",
            hint="Run the same command again: finished work is kept. It may have run out of memory (see `dmesg`).",
        )
    if outcome.failures:
        return _of_workers(outcome) or _job(outcome)
    text = outcome.closing or "\n".join(outcome.core)
    reason, hint = _known(text) or (
        "engine-failed",
        _lines(f"All its messages: {outcome.messages}", f"To run it by hand: {outcome.command}") or "",
    )
    first, _, rest = text.partition("\n")
    if first.startswith("Traceback "):
        first, rest = text.rstrip().rpartition("\n")[2], text
    where, message = _place(first, outcome.project)
    if reason == "engine-settings-invalid":
        # the place is in the file that ours and the user's made together
        found = None
        if outcome.extra and where and where.line:
            found = place_in(outcome.extra, outcome.configuration, where.line, where.column or 1)
        where = found or (Where(path=outcome.extra) if outcome.extra else None)
    return UserError(
        reason,
        message or f"BuildStream ended with exit status {outcome.status} without a message",
        where=where,
        hint=hint or None,
        detail=_detail(rest),
    )


def _of_workers(outcome: Outcome) -> UserError | None:
    """Return the error of workers that do not do their part; None for other failures."""
    failure = outcome.failures[0]
    texts = (*_OF_WORKERS, *(_OF_A_WORKER if outcome.workers else ()))
    if failure.action != "build" or not any(text in failure.text for text in texts):
        return None
    first = failure.text.partition("\n")[0]
    at = f"workers at {outcome.workers}" if outcome.workers else "workers"
    hint = "`rootstream doctor` looks at them; ROOTSTREAM_WORKERS_URL=off builds here."
    return UserError("workers-failed", f"build of {failure.element} failed: {at}: {first}", hint=hint)


def _job(outcome: Outcome) -> UserError:
    failure = outcome.failures[0]
    others = len({other.element for other in outcome.failures}) - 1
    what = f"{failure.action} of {failure.element} failed" + (f" (and {others} more)" if others > 0 else "")
    ran, end = log_end(outcome.log)
    first, _, rest = failure.text.partition("\n")
    where, message = _place(first, outcome.project)
    log = f"Full log: {failure.log}" if failure.log else ""
    if UNHANDLED in failure.text:
        return UserError(
            "plugin-failed",
            f"{what}: a defect in a plugin: {failure.text.rstrip().rpartition(chr(10))[2].strip()}",
            detail=_detail(rest),
            hint=_lines(log),
        )
    if failure.action != "build":
        reason, hint = _of_transfer(failure)
        asked = tuple((match["name"], f"{match['name']}: {match['text']}") for match in _ASKED.finditer(rest))
        for each in said.messages(outcome.log.split("\n")):
            if each.severity == "error":  # of the programs that stand before those of the host
                reason, hint, message = each.reason, "", each.text
        return ElementError(
            reason,
            f"{what}: {message}",
            where=where,
            detail=_detail(rest),
            hint=hint if asked else _lines(log, hint),
            element=failure.element,
            asked=asked,
            asks=failure.action in ("fetch", "track"),
        )
    if ran is None:
        # its commands did not get as far as to fail: the sandbox did
        causes = sandbox_errors(outcome.log)
        if causes:
            known = _known("\n" + "\n".join(causes)) or (
                "sandbox-failed",
                "`rootstream doctor` checks what it needs.",
            )
            return UserError(known[0], what, detail="\n".join(causes), hint=_lines(log, known[1]))
    lines = outcome.log.split("\n")
    look = f"To look into it: rootstream shell {failure.element}"
    told = [_told(each, failure.element) for each in said.messages(lines) if each.severity == "error"]
    if told:
        told[-1].hint = _lines(log, look)
        return Problems(tuple(told)) if told[1:] else told[0]
    if packages := scripts.unconfigured(lines):
        return ElementError(
            "package-not-configured",
            f"{what}: " + "; ".join(f"{each.package}: {each.text}" for each in packages),
            detail="\n".join(packages[0].output) or None,
            hint=_lines(log, look),
            element=failure.element,
            asked=tuple((each.package, f"{each.package}: {each.text}") for each in packages),
        )
    if message == "Command failed":
        message = f"a command ended with exit status {ran}" if ran is not None else ""
    refused = [match for line in end if (match := _REFUSED.match(line))]
    full = "The sandbox is on the same disk as the cache: if it is full, set ROOTSTREAM_CACHE."
    return ElementError(
        "element-failed",
        f"{what}: {message}" if message else what,
        where=where,
        detail="\n".join(end) or _detail(rest),
        hint=_lines(
            full if any(NO_SPACE in line for line in end) else "",
            log,
            look,
        ),
        element=failure.element,
        asked=tuple((match["name"], match["text"]) for match in refused),
    )


def _of_transfer(failure: Failure) -> tuple[str, str]:
    known = _known(failure.text)
    if known is None or (failure.action == "pull" and known[0] != "cache-full"):
        return _TRANSFERS.get(failure.action, ("engine-failed", ""))
    return known


def _told(message: said.Said, element: str) -> UserError:
    """Return the error of a program; one that names what was asked for gets its place in the description."""
    error = message.error()
    if not message.about:
        return error
    return ElementError(
        error.reason,
        error.message,
        where=error.where,
        detail=error.detail,
        element=element,
        asked=((message.about, error.message),),
    )


def _lines(*parts: str) -> str | None:
    return "\n  ".join(part for part in parts if part) or None


def _detail(text: str) -> str | None:
    """Return the rest of an error of BuildStream without its advice to call `bst`."""
    lines = [line for line in textwrap.dedent(text).split("\n") if "`bst " not in line and not _ASKED.match(line)]
    return "\n".join(lines).strip("\n") or None


def _known(text: str) -> tuple[str, str] | None:
    for phrases, reason, hint in _KNOWN:
        if any(phrase in text for phrase in phrases):
            return reason, hint
    return None


def _place(text: str, project: Path | None) -> tuple[Where | None, str]:
    """Split BuildStream's `name.bst [line 2 column 10]: text` into place and text; its columns count from 0."""
    match = _PROVENANCE.search(text)
    if match is None:
        return None, text
    path = Path(match["path"])
    if project is not None:
        path = next((found for found in (project / path, project / "elements" / path) if found.is_file()), path)
    before = text[: match.start()].removesuffix(" at ").strip()
    message = f"{before}: {match['rest']}" if before else match["rest"]
    return Where(path=path, line=int(match["line"]), column=int(match["column"]) + 1), message
