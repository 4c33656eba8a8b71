"""Which of the servers that are set are used, and what is told of those that are not, or are lost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rootstream.engine import remote_api
from rootstream.engine.remotes import Remote
from rootstream.engine.settings import Settings, remotes_of
from rootstream.errors import UserError
from rootstream.events import Notice, Reporter

LOST = "cache-lost"
_BLOB = re.compile(r"Failed to download blob (?P<hash>[0-9a-f]{64}): (?P<code>\d+)")


def usable(
    remotes: Sequence[Remote], dropped: set[tuple[str, str]], report: Reporter, *, push: bool
) -> tuple[Remote, ...]:
    """Return the servers that answer, with `push` those that are to be pushed to; warn of each other one once.

    `dropped` has what was given up in this command, `pull` or `push` with a URL.
    """
    use = "push" if push else "pull"
    asked = tuple(each for each in remotes if (each.push or not push) and (use, each.url) not in dropped)
    if not asked:
        return ()
    live = []
    for remote, answer in zip(asked, remote_api.probe(asked, push=push), strict=True):
        if answer.ok:
            live.append(remote)
            continue
        dropped.update((each, remote.url) for each in {use, "push"})
        if push:
            text = f"nothing is pushed to {remote.name}, which {answer.text}"
        else:
            text = f"the cache {remote.name} is not used: it {answer.text}"
        report(Notice(level="warning", text=text))
    return tuple(live)


def lost(settings: Settings, gone: Mapping[str, str]) -> UserError:
    """Return the error of a run that waited for servers that are gone, each with what is wrong."""
    own = settings.workers
    if own and own.remote.url in gone:
        text = f"the workers of {own.remote.name} are lost: it {gone[own.remote.url]}"
        hint = "Finished elements are kept. Run the same command again; it builds here if need be."
        return UserError("workers-lost", text, where=own.remote.where, hint=hint)
    names = {remote.url: remote.name for remote in remotes_of(settings)}
    return UserError(LOST, "; ".join(f"the cache {names.get(url, url)} {text}" for url, text in gone.items()))


def give_up(remotes: Sequence[Remote], dropped: set[tuple[str, str]], error: UserError, report: Reporter) -> None:
    """Use servers that failed in a pull no more in this command, and say why."""
    uses = ("pull", "push") if error.reason == LOST else ("pull",)
    dropped.update((use, each.url) for use in uses for each in remotes)
    names = ", ".join(each.name for each in remotes)
    text = error.message if error.reason == LOST else f"the cache {names}: {_of_pull(error)}"
    report(Notice(level="warning", text=f"{text}; going on without it"))


def _of_pull(error: UserError) -> str:
    """Return why a pull failed; of a blob, BuildStream only knows the number of an error of gRPC."""
    first = error.message.partition("\n")[0]
    blob = _BLOB.search(first)
    if blob is None:
        return first
    what = "is not there" if blob["code"] == "5" else f"cannot be had (error {blob['code']}): it may be damaged"
    return f"{first[: blob.start()]}the blob {blob['hash'][:12]} {what}"
