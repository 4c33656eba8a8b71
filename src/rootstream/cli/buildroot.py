"""The commands for Buildroot's own make and environment."""

from __future__ import annotations

from pathlib import Path

import click

from rootstream.cli.front import echo
from rootstream.cli.options import (
    complete_systems,
    engine,
    find_project,
    named,
    project_option,
    reporter,
    variant_option,
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="TARGET...")
@click.option("--system", help="System (or SYSTEM@VARIANT) to work on, if there are several.")
@project_option
def make(words: tuple[str, ...], system: str | None, folder: Path) -> int:
    """Run make targets of Buildroot: help, list-defconfigs, show-info, sdk, PACKAGE-rebuild ..."""
    from rootstream.verbs import buildroot

    with reporter("plain") as report:
        work = buildroot.choose(find_project(folder), system, engine(), report)
        return buildroot.make(work, words, report)


@click.command()
@click.argument("system", required=False, shell_complete=complete_systems)
@variant_option
@project_option
def env(system: str | None, variant: str | None, folder: Path) -> None:
    """Print the cross-compilation environment of a Buildroot system, for eval "$(rootstream env)"."""
    from rootstream.verbs import buildroot

    wanted = named((system,) if system else (), variant)
    work = buildroot.looked_at(find_project(folder), wanted[0] if wanted else None)
    echo(buildroot.environment(work), nl=False, exact=True)
