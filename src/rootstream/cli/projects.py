"""The commands of a whole project: begun, accepted, pinned, fetched, cleaned."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from rootstream.cli.front import echo
from rootstream.cli.options import (
    complete_systems,
    done,
    engine,
    find_project,
    locked_option,
    named,
    progress_options,
    project_option,
    reporter,
    systems_argument,
    variant_option,
)
from rootstream.host.escape import escaped


def complete_templates(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the templates."""
    from rootstream.verbs.templates import TEMPLATES

    return [CompletionItem(name, help=text) for name, (_, text) in TEMPLATES.items() if name.startswith(start)]


@click.command()
@click.argument("template", shell_complete=complete_templates)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
def init(template: str, folder: Path | None) -> None:
    """Create a project from TEMPLATE in DIR (default: the template's name)."""
    from rootstream.verbs.templates import create, not_ignored

    place = folder or Path(template)
    files = create(template, place)
    if not_ignored(place):
        echo(f"{place / '.gitignore'} does not list: {' '.join(not_ignored(place))}", err=True)
    echo(f"{place}: {len(files)} files. Next: cd {place} && rootstream build")


@click.command("import")
@click.argument("source", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--defconfig", metavar="NAME", help="Use a defconfig of its trees instead of its .config.")
@click.option("--name", metavar="SYSTEM", help="Name of the system (default: that of the defconfig).")
@click.option(
    "--external",
    "externals",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="External tree, if the output folder does not record it; can be repeated.",
)
def import_(
    source: Path, folder: Path | None, defconfig: str | None, name: str | None, externals: tuple[Path, ...]
) -> None:
    """Create a project in DIR from a Buildroot checkout, or from an output folder of it (O=).

    DIR is by default the folder that contains its external trees.
    """
    from rootstream.verbs import import_checkout

    with reporter("plain") as report:
        place = import_checkout.create(source, folder, defconfig, name, externals, os.environ, report)
    echo(f"{place}: the configuration is that of {source}. Next: cd {place} && rootstream build")


@click.command()
@project_option
def accept(folder: Path) -> None:
    """Accept the code of a project that runs outside of a sandbox: its BuildStream plugins and QEMU arguments.

    This does not run any of it. Without acceptance, commands that only inspect fail with host-code, and commands
    that build or boot show once what they run.
    """
    from rootstream.verbs import accept as verb

    for line in verb.accept(find_project(folder), os.environ):
        echo(line)


@click.command()
@click.argument("systems", nargs=-1, metavar="[SYSTEM...]", shell_complete=complete_systems)
@click.option("--missing", is_flag=True, help="Pin only inputs that are not in the lock yet.")
@project_option
@progress_options
def update(systems: tuple[str, ...], missing: bool, folder: Path, style: str | None) -> None:
    """Pin every input of SYSTEMs (default: all, with variants) to its newest version in system.lock."""
    from rootstream.verbs import update as verb

    project = find_project(folder)
    with reporter(style) as report, done(report, "updated"):
        verb.locked_update(project, engine(), report, missing_only=missing, wanted=systems)


@click.command()
@systems_argument
@variant_option
@project_option
@locked_option
@click.option(
    "--to",
    "place",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write all locked inputs to DIR, for ROOTSTREAM_FETCHED of other builds.",
)
@progress_options
def fetch(
    systems: tuple[str, ...],
    variant: str | None,
    folder: Path,
    locked: bool,
    place: Path | None,
    style: str | None,
) -> None:
    """Download everything that systems (default: all, without variants) are built from.

    After that, building needs no network.
    """
    from rootstream.verbs import build as verb

    project = find_project(folder)
    with reporter(style) as report, done(report, "fetched"):
        verb.fetch(project, named(systems, variant), engine(), report, locked=locked, folder=place)


@click.command()
@project_option
@click.option("--out", "also_out", is_flag=True, help="Also delete out/.")
@click.option("--cache", is_flag=True, help="Also delete the cache shared by all projects of this user.")
@click.option("--yes", is_flag=True, help="Do not ask, and also delete changes made by hand in output folders.")
def clean(folder: Path, also_out: bool, cache: bool, yes: bool) -> None:
    """Delete generated files of the project (.rootstream/), but not your own files or the lock."""
    from rootstream.verbs import inspect

    project = find_project(folder)
    if (also_out or cache) and not yes:
        doomed = inspect.doomed(out=project.results if also_out else None, cache=cache)
        click.confirm(escaped("Delete " + " and ".join(doomed) + "?"), abort=True)
    for line in inspect.clean(project, engine(), out=also_out, cache=cache, force=yes):
        echo(line)
