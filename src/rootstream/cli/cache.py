"""`rootstream cache`: the cache on this host and those that are shared with others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from rootstream.cli.front import echo
from rootstream.cli.options import (
    engine,
    find_project,
    named,
    progress_options,
    project_option,
    reporter,
    systems_argument,
    variant_option,
)


@click.group()
def cache() -> None:
    """Look at the caches, push to a shared one, check their contents."""


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> int:
    """Show the local cache, and whether shared ones answer, accept the token and may be pushed to.

    Exit status 2 if one cannot be used as it is set.
    """
    from rootstream.verbs import cache as verb

    text, well = verb.status(engine(), as_json=as_json)
    echo(text, nl=False, exact=as_json)
    return 0 if well else 2


@cache.command()
@systems_argument
@variant_option
@project_option
@progress_options
def push(systems: tuple[str, ...], variant: str | None, folder: Path, style: str | None) -> int:
    """Push everything of systems (default: all, without variants) that is in the local cache.

    A build does the same for what it built, if `push: true` is set. Exit status 1 if a server lacks something
    afterwards.
    """
    from rootstream.verbs import cache as verb

    with reporter(style) as report:
        complete = verb.push(find_project(folder), named(systems, variant), engine(), report)
    return 0 if complete else 1


@cache.command()
@click.option(
    "--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long the list is valid."
)
@click.option(
    "--revoke",
    multiple=True,
    metavar="NAME",
    help="Have nobody use a result any more: ELEMENT, PROJECT/ELEMENT/KEY, or a key or SHA-256. Repeatable.",
)
@progress_options
def sign(days: int, revoke: tuple[str, ...], style: str | None) -> int:
    """Renew the signed list of what was pushed from here, and revoke results.

    Builds and `cache push` sign what they push, if `sign_with` is set; half of its time before the list expires,
    they renew it. Exit status 1 if there is nothing that NAME stands for.
    """
    from rootstream.verbs import cache as verb

    with reporter(style) as report:
        done = verb.sign(engine(), report, days=days, revoke=revoke)
    return 0 if done else 1


@cache.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--delete-damaged", is_flag=True, help="Delete damaged blobs; what needs them is built or pulled again."
)
@progress_options
def check(folder: Path | None, delete_damaged: bool, style: str | None) -> int:
    """Read the whole local cache, or that of a server in DIR, and compare each blob with its hash.

    Exit status 1 if damaged blobs remain.
    """
    from rootstream.verbs import cache as verb

    with reporter(style) as report:
        sound = verb.check(folder or engine().settings.cache, report, delete=delete_damaged)
    return 0 if sound else 1


folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


@cache.command()
@folder_argument
@click.option(
    "--bind", default="127.0.0.1:11001", show_default=True, metavar="HOST:PORT", help="Address to serve on."
)
@click.option(
    "--quota",
    default="100G",
    show_default=True,
    metavar="SIZE",
    help="Limit; what was not used longest is dropped.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Serve with TLS: certificate and key in one PEM file.",
)
@click.option("--anybody-reads", "anybody", is_flag=True, help="Let clients without a token read.")
@click.option("--insecure", is_flag=True, help="Serve other hosts without TLS, or without tokens.")
@click.option("--metrics", metavar="HOST:PORT", help="Serve metrics for Prometheus at http://HOST:PORT/metrics.")
@click.option(
    "--workers",
    type=click.IntRange(0, 1024),
    default=0,
    metavar="N",
    help="Also build elements for others, N at the same time.",
)
@click.option("--unit", "as_unit", is_flag=True, help="Print a systemd unit with these options instead.")
@progress_options
def serve(
    folder: Path,
    bind: str,
    quota: str,
    certificate: Path | None,
    anybody: bool,
    insecure: bool,
    metrics: str | None,
    workers: int,
    as_unit: bool,
    style: str | None,
) -> None:
    """Serve a cache for others from DIR, until interrupted; haproxy must be installed.

    Clients need a token of `rootstream cache token DIR NAME`. Changed tokens and certificates take effect at once.
    With --workers, whoever may push may also have elements built here, in sandboxes.
    """
    from rootstream.engine.cache_serve import Server
    from rootstream.verbs import cache_serve as verb

    wanted = verb.options(
        folder,
        bind=bind,
        quota=quota,
        certificate=certificate,
        anybody=anybody,
        insecure=insecure,
        metrics=metrics,
        workers=workers,
    )
    if as_unit:
        echo(verb.unit(wanted), nl=False, exact=True)
        if closed := verb.barrier(Path(sys.executable)):
            text = f"warning: only its owner can enter {closed}, where this Python is: the service cannot run it"
            echo(f"{text}\n  Install Rootstream where its user can read it, such as below /opt.", err=True)
        return
    with reporter(style or "plain") as report:
        Server(wanted, os.environ, report).run()


@cache.command()
@folder_argument
@click.argument("name")
@click.option("--write", is_flag=True, help="Let it push, too.")
@click.option("--revoke", is_flag=True, help="Remove the token instead.")
def token(folder: Path, name: str, write: bool, revoke: bool) -> None:
    """Create a token for the server in DIR and print it: NAME says whose it is.

    The server keeps only its hash. A client that has one already gets a new one, and the old one is invalid.
    """
    from rootstream.verbs import cache_serve as verb

    if revoke:
        verb.revoke(folder, name)
        echo(f"{name} has no token any more", err=True)
        return
    echo(verb.new_token(folder, name, "writer" if write else "reader"), exact=True)
