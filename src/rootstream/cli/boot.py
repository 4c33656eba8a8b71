"""The commands that boot systems in QEMU."""

from __future__ import annotations

from pathlib import Path

import click

from rootstream.cli.front import echo
from rootstream.cli.options import (
    boot_option,
    complete_systems,
    engine,
    find_project,
    locked_option,
    named,
    out_option,
    progress_options,
    project_option,
    reporter,
    systems_argument,
    variant_option,
)


@click.command()
@click.argument("system", required=False, shell_complete=complete_systems)
@variant_option
@project_option
@out_option
@boot_option
@locked_option
@progress_options
def run(
    system: str | None, variant: str | None, folder: Path, kind: str | None, locked: bool, style: str | None
) -> None:
    """Boot SYSTEM in QEMU with its console on this terminal; builds it first if needed.

    Changes that the system makes to its disk are discarded; the images in out/ stay as they were built.
    """
    from rootstream.verbs import boot as verb

    wanted = named((system,) if system else (), variant)
    with reporter(style) as report:
        ready = verb.prepare(find_project(folder), wanted, engine(), report, kind, locked=locked)
    # The console takes the terminal: no live display beside it.
    with reporter(style or "plain") as report:
        verb.run(ready, report)


@click.command()
@systems_argument
@variant_option
@project_option
@out_option
@boot_option
@click.option("-v", "--verbose", is_flag=True, help="Show console output live.")
@click.option("--against-make", is_flag=True, help="Instead, compare a `graph: true` system with what make gives.")
@click.option(
    "--provenance",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Instead, check a signed provenance of one system, and out/ against it. Needs --key.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The public key of whom you trust, in PEM.",
)
@locked_option
@progress_options
def verify(
    systems: tuple[str, ...],
    variant: str | None,
    folder: Path,
    kind: str | None,
    verbose: bool,
    against_make: bool,
    provenance: Path | None,
    key: Path | None,
    locked: bool,
    style: str | None,
) -> int:
    """Boot systems (default: all, without variants) and run their checks; exit status 1 if one fails.

    Builds them first if needed. Writes JUnit XML and the console logs to out/SYSTEM/verify/.
    """
    if provenance is not None or key is not None:
        if provenance is None or key is None:
            raise click.UsageError("--provenance needs --key, and --key needs --provenance.")
        from rootstream.verbs import provenance as statements

        text, good = statements.verify(find_project(folder), named(systems, variant), provenance, key)
        echo(text, nl=False)
        return 0 if good else 1
    if against_make:
        return _against_make(folder, named(systems, variant), style, locked=locked)
    from rootstream.verbs import boot as verb

    with reporter(style) as report:
        ready = verb.prepare(find_project(folder), named(systems, variant), engine(), report, kind, locked=locked)
        verdicts = verb.verify(ready, report, verbose=verbose)
    if style != "json":
        for line in verb.summary(verdicts):
            echo(line)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _against_make(folder: Path, wanted: tuple[str, ...], style: str | None, *, locked: bool) -> int:
    from rootstream.verbs import against_make

    with reporter(style) as report:
        found = against_make.compare(find_project(folder), wanted, engine(), report, locked=locked)
    if style == "json":
        echo(against_make.as_json(found), nl=False, exact=True)
    else:
        for line in against_make.summary(found):
            echo(line)
    return 1 if any(each.differences for each in found) else 0
