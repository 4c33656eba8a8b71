"""The commands that build systems and look at what was built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rootstream.cli.front import echo
from rootstream.cli.options import (
    done,
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

if TYPE_CHECKING:
    from rootstream.events import Reporter


def _without_exports(report: Reporter) -> Reporter:
    from rootstream.events import Event, Exported

    def tell(event: Event) -> None:
        if not isinstance(event, Exported):
            report(event)

    return tell


@click.command()
@systems_argument
@variant_option
@project_option
@out_option
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be built, and why.")
@click.option(
    "--override",
    "overrides",
    metavar="PACKAGE=FOLDER",
    multiple=True,
    help="Build a Buildroot package from a folder this once, as `override` in system.yaml does.",
)
@locked_option
@progress_options
def build(
    systems: tuple[str, ...],
    variant: str | None,
    folder: Path,
    dry_run: bool,
    overrides: tuple[str, ...],
    locked: bool,
    style: str | None,
) -> None:
    """Build systems (default: all, without variants) into out/SYSTEM/."""
    from rootstream.project import export
    from rootstream.verbs import build as verb

    project = find_project(folder)
    if overrides:
        from rootstream.verbs.selection import overridden

        project = overridden(project, overrides, Path.cwd())
    with reporter(style) as report:
        if dry_run:
            from rootstream.verbs.dry_run import look

            with done(report, "nothing was built"):
                look(project, named(systems, variant), engine(), report)
            return
        # As text the files are the result, on stdout; as JSON they are events like all else.
        tell = report if style == "json" else _without_exports(report)
        places = verb.build(project, named(systems, variant), engine(), tell, locked=locked)
    if style != "json":
        for place in places:
            for path in export.results(place):
                echo(export.line(path, Path.cwd()))


@click.command()
@systems_argument
@variant_option
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--why", metavar="NAME", help="Show what changed of a Buildroot package or system since its last build."
)
def show(systems: tuple[str, ...], variant: str | None, folder: Path, as_json: bool, why: str | None) -> None:
    """Show systems with their elements, cache keys and cache state."""
    from rootstream.verbs import inspect

    project, wanted = find_project(folder), named(systems, variant)
    if why is not None:
        text = inspect.why(project, wanted, why, engine(), as_json=as_json)
    else:
        text = inspect.show(project, wanted, engine(), as_json=as_json)
    echo(text, nl=False, exact=as_json)


@click.command()
@click.argument("element")
@project_option
@click.option("--path", "only_path", is_flag=True, help="Print only the path of the log file.")
def log(element: str, folder: Path, only_path: bool) -> None:
    """Print the log of the last build of ELEMENT, successful or not."""
    from rootstream.verbs import inspect

    path = inspect.log(find_project(folder), element, engine())
    echo(str(path) if only_path else path.read_text(errors="replace"), nl=only_path, exact=True)


@click.command()
@click.argument("element")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@project_option
def shell(element: str, command: tuple[str, ...], folder: Path) -> int:
    """Open a shell in the build sandbox of ELEMENT; after a failed build, in its build tree.

    With a COMMAND after `--`, run it instead.
    """
    from rootstream.verbs import inspect

    return inspect.shell(find_project(folder), element, command, engine())
