"""`rootstream cache`: the cache on this host and those that are shared with others."""

from __future__ import annotations

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
