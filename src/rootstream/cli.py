"""The command line: one short function per verb. Everything heavy is imported by the verb that needs it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from rootstream import __version__
from rootstream.cli_front import Front, echo
from rootstream.shown import escaped

if TYPE_CHECKING:
    from rootstream.engine import Engine
    from rootstream.events import Reporter
    from rootstream.project import Project

Command = TypeVar("Command", bound=Callable[..., Any])
BOOTABLE = ("disk", "iso", "uki", "initramfs", "ext", "squashfs", "capsule")  # those of `machine: boot:`
OUT = "ROOTSTREAM_OUT"
CONTEXT: Mapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def complete_systems(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the systems and variants of the project at hand; stay silent on a broken one."""
    from rootstream.errors import UserError
    from rootstream.load import load
    from rootstream.project import find

    try:
        names = load(find(Path.cwd()).description).names()
    except UserError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(start)]


def complete_templates(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the templates."""
    from rootstream.templates import TEMPLATES

    return [CompletionItem(name, help=text) for name, (_, text) in TEMPLATES.items() if name.startswith(start)]


def project_option(command: Command) -> Command:
    """Add `--project`, the folder to work in."""
    option = click.option(
        "-C",
        "--project",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="Work on the project in DIR (default: here or above).",
        metavar="DIR",
    )
    return option(command)


def out_option(command: Command) -> Command:
    """Add `--out`, another folder for results; `_project` takes it from the context."""

    def keep(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
        context.meta[OUT] = value

    option = click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        expose_value=False,
        callback=keep,
        help="Keep results in DIR instead of the project's out/ (or name it in ROOTSTREAM_OUT).",
    )
    return option(command)


def progress_options(command: Command) -> Command:
    """Add `--json` and `--plain`, the ways to show progress."""
    json = click.option("--json", "style", flag_value="json", help="Events as JSON lines on stdout.")
    plain = click.option("--plain", "style", flag_value="plain", help="Plain lines, no live display.")
    return json(plain(command))


systems_argument = click.argument("systems", nargs=-1, metavar="[SYSTEM...]", shell_complete=complete_systems)
boot_option = click.option("--boot", "kind", type=click.Choice(BOOTABLE), help="Boot only from this image.")
locked_option = click.option(
    "--locked", is_flag=True, help="Fail if the lock lacks anything, instead of pinning it."
)
variant_option = click.option("--variant", metavar="NAME", help="The same as SYSTEM@NAME.")


def _project(folder: Path) -> Project:
    from rootstream.project import find

    named = click.get_current_context().meta.get(OUT) or os.environ.get(OUT)
    return find(folder, Path(named) if named else None)


def _engine() -> Engine:
    from rootstream.engine import Engine

    return Engine.of(os.environ)


def _reporter(style: str | None) -> AbstractContextManager[Reporter]:
    """Return the reporter for --json (events are the result: stdout), --plain, or what suits the terminal."""
    from rootstream.progress import reporting

    if style == "json":
        return reporting("json", stream=sys.stdout, env=os.environ)
    return reporting("plain" if style == "plain" else "auto", stream=sys.stderr, env=os.environ)


def _without_exports(report: Reporter) -> Reporter:
    from rootstream.events import Event, Exported

    def tell(event: Event) -> None:
        if not isinstance(event, Exported):
            report(event)

    return tell


@contextmanager
def _done(report: Reporter, text: str) -> Iterator[None]:
    """Report the end of a command, if it ends well."""
    from rootstream.events import Done

    began = time.monotonic()
    yield
    report(Done(text=text, elapsed=time.monotonic() - began))


def _named(systems: tuple[str, ...], variant: str | None) -> tuple[str, ...]:
    return tuple(f"{name}@{variant}" if variant and "@" not in name else name for name in systems)


@click.group(cls=Front, context_settings=dict(CONTEXT))
@click.version_option(__version__, "-V", "--version", prog_name="rootstream", message="%(prog)s %(version)s")
def cli() -> None:
    """Build bootable Linux images from one description, boot them, check them.

    A project is a folder with a system.yaml. Begin with `rootstream init debian-server box`, then
    `rootstream run` and `rootstream verify` in that folder.
    """


@cli.command()
@click.argument("template", shell_complete=complete_templates)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
def init(template: str, folder: Path | None) -> None:
    """Start a project from TEMPLATE in DIR (default: the template's name)."""
    from rootstream.templates import create, not_ignored

    place = folder or Path(template)
    files = create(template, place)
    if not_ignored(place):
        echo(f"{place / '.gitignore'} lacks: {' '.join(not_ignored(place))}", err=True)
    echo(f"{place}: {len(files)} files. Next: cd {place} && rootstream build")


@cli.command("import")
@click.argument("source", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--defconfig", metavar="NAME", help="Take a defconfig of its trees, not its .config.")
@click.option("--name", metavar="SYSTEM", help="Name of the system (default: that of the defconfig).")
@click.option(
    "--external",
    "externals",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="External tree, where its make has not noted it; may be given several times.",
)
def import_(
    source: Path, folder: Path | None, defconfig: str | None, name: str | None, externals: tuple[Path, ...]
) -> None:
    """Make a project of a Buildroot checkout or its output folder (O=), in DIR.

    DIR is by default the folder that its external trees are in.
    """
    from rootstream import importing

    with _reporter("plain") as report:
        place = importing.create(source, folder, defconfig, name, externals, os.environ, report)
    echo(f"{place}: the configuration is that of {source}. Next: cd {place} && rootstream build")


@cli.command()
@project_option
def accept(folder: Path) -> None:
    """Accept the code of a project that runs outside of a sandbox: its BuildStream plugins, arguments of QEMU.

    Nothing of it is run. Without it, commands that only look end with host-code, and those that build or boot say
    once what they run.
    """
    from rootstream import accepting

    for line in accepting.accept(_project(folder), os.environ):
        echo(line)


@cli.command()
@systems_argument
@variant_option
@project_option
@out_option
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be built, and why.")
@locked_option
@progress_options
def build(
    systems: tuple[str, ...], variant: str | None, folder: Path, dry_run: bool, locked: bool, style: str | None
) -> None:
    """Build systems (default: all, without variants) into out/SYSTEM/."""
    from rootstream import dry_run as looking
    from rootstream import export, workflow

    project = _project(folder)
    with _reporter(style) as report:
        if dry_run:
            with _done(report, "nothing was built"):
                looking.look(project, _named(systems, variant), _engine(), report)
            return
        # As text the files are the result, on stdout; as JSON they are events like all else.
        tell = report if style == "json" else _without_exports(report)
        places = workflow.build(project, _named(systems, variant), _engine(), tell, locked=locked)
    if style != "json":
        for place in places:
            for path in export.results(place):
                echo(export.line(path, Path.cwd()))


@cli.command()
@systems_argument
@variant_option
@project_option
@locked_option
@click.option(
    "--to",
    "place",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write what the lock names into DIR, for ROOTSTREAM_FETCHED of other builds.",
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
    """Fetch everything that systems (default: all, without variants) are built from.

    Building needs no network then.
    """
    from rootstream import workflow

    project = _project(folder)
    with _reporter(style) as report, _done(report, "fetched"):
        workflow.fetch(project, _named(systems, variant), _engine(), report, locked=locked, folder=place)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="TARGET...")
@click.option("--system", help="System (or SYSTEM@VARIANT) to work on, where there are several.")
@project_option
def make(words: tuple[str, ...], system: str | None, folder: Path) -> int:
    """Run targets of Buildroot's own make: help, list-defconfigs, show-info, sdk, PACKAGE-rebuild ..."""
    from rootstream import workspaces

    with _reporter("plain") as report:
        work = workspaces.choose(_project(folder), system, _engine(), report)
        return workspaces.make(work, words, report)


@cli.command()
@click.argument("system", required=False, shell_complete=complete_systems)
@variant_option
@project_option
def env(system: str | None, variant: str | None, folder: Path) -> None:
    """Print the cross environment of a Buildroot system: eval "$(rootstream env)" to compile by hand."""
    from rootstream import workspaces

    wanted = _named((system,) if system else (), variant)
    work = workspaces.looked_at(_project(folder), wanted[0] if wanted else None)
    echo(workspaces.environment(work), nl=False, exact=True)


@cli.command()
@click.argument("systems", nargs=-1, metavar="[SYSTEM...]", shell_complete=complete_systems)
@click.option("--missing", is_flag=True, help="Pin only what the lock does not have yet.")
@project_option
@progress_options
def update(systems: tuple[str, ...], missing: bool, folder: Path, style: str | None) -> None:
    """Pin every input of SYSTEMs (default: all, with variants) to its newest version: writes system.lock."""
    from rootstream import pinning

    project = _project(folder)
    with _reporter(style) as report, _done(report, "updated"):
        pinning.locked_update(project, _engine(), report, missing_only=missing, wanted=systems)


@cli.command()
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
    """Boot SYSTEM in QEMU, its console on this terminal; builds it first if needed.

    What the system writes to its disk is gone afterwards: out/ stays as it was built.
    """
    from rootstream import trial

    wanted = _named((system,) if system else (), variant)
    with _reporter(style) as report:
        ready = trial.prepare(_project(folder), wanted, _engine(), report, kind, locked=locked)
    # The console takes the terminal: no live display beside it.
    with _reporter(style or "plain") as report:
        trial.run(ready, report)


@cli.command()
@systems_argument
@variant_option
@project_option
@out_option
@boot_option
@click.option("-v", "--verbose", is_flag=True, help="Show the console as it comes.")
@locked_option
@progress_options
def verify(
    systems: tuple[str, ...],
    variant: str | None,
    folder: Path,
    kind: str | None,
    verbose: bool,
    locked: bool,
    style: str | None,
) -> int:
    """Boot systems (default: all, without variants) and run their checks; exit status 1 if one fails.

    JUnit XML and the console log are in out/SYSTEM/verify/. Builds first if needed.
    """
    from rootstream import trial

    with _reporter(style) as report:
        ready = trial.prepare(_project(folder), _named(systems, variant), _engine(), report, kind, locked=locked)
        verdicts = trial.verify(ready, report, verbose=verbose)
    if style != "json":
        for line in trial.summary(verdicts):
            echo(line)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


@cli.command()
@systems_argument
@variant_option
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(systems: tuple[str, ...], variant: str | None, folder: Path, as_json: bool) -> None:
    """Show systems, their elements and keys, and what is cached."""
    from rootstream import inspection

    text = inspection.show(_project(folder), _named(systems, variant), _engine(), as_json=as_json)
    echo(text, nl=False, exact=as_json)


@cli.command()
@click.argument("element")
@project_option
@click.option("--path", "only_path", is_flag=True, help="Print only the path of the log.")
def log(element: str, folder: Path, only_path: bool) -> None:
    """Print the log of the last build of ELEMENT, also of one that failed."""
    from rootstream import inspection

    path = inspection.log(_project(folder), element, _engine())
    echo(str(path) if only_path else path.read_text(errors="replace"), nl=only_path, exact=True)


@cli.command()
@click.argument("element")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@project_option
def shell(element: str, command: tuple[str, ...], folder: Path) -> int:
    """Open a shell in the build sandbox of ELEMENT, in the tree of its build if that failed.

    With COMMAND after `--`, run that instead.
    """
    from rootstream import inspection

    return inspection.shell(_project(folder), element, command, _engine())


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--quiet", is_flag=True, help="Say only what is missing for a build.")
def doctor(as_json: bool, quiet: bool) -> int:
    """Check what this host must have, with the command that mends each gap.

    In a project, QEMU for the processors of its systems is looked for.
    Exit status 2 if nothing can be built here.
    """
    from rootstream import needs

    here = Path.cwd()
    archs, workspace = needs.architectures(here), needs.workspaces(here)
    found = needs.check(_engine(), os.environ, archs=archs, workspace=workspace)
    shown = [need for need in found if not need.met and need.weight == "required"] if quiet else found
    if shown:
        echo(needs.as_json(shown) if as_json else needs.as_text(shown), nl=False, exact=as_json)
    return 0 if needs.enough(found) else 2


@cli.command()
@project_option
@click.option("--out", "also_out", is_flag=True, help="Also delete out/.")
@click.option("--cache", is_flag=True, help="Also delete the cache shared by all projects of this user.")
@click.option("--yes", is_flag=True, help="Do not ask, and delete what was made by hand in output folders, too.")
def clean(folder: Path, also_out: bool, cache: bool, yes: bool) -> None:
    """Delete what is derived in the project (.rootstream/); nothing you wrote, no lock."""
    from rootstream import inspection

    project = _project(folder)
    if (also_out or cache) and not yes:
        doomed = inspection.doomed(out=project.results if also_out else None, cache=cache)
        click.confirm(escaped("Delete " + " and ".join(doomed) + "?"), abort=True)
    for line in inspection.clean(project, _engine(), out=also_out, cache=cache, force=yes):
        echo(line)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of system.yaml, for editors."""
    import json

    from rootstream.schema import json_schema

    echo(json.dumps(json_schema(), indent=1), exact=True)


@cli.command()
@click.argument("shell_name", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell_name: str) -> None:
    """Print the completion script for a shell: eval "$(rootstream completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell_name)
    assert script is not None  # noqa: S101  (click knows the three)
    echo(script(cli, {}, "rootstream", "_ROOTSTREAM_COMPLETE").source(), exact=True)


def _add_groups() -> None:
    """Add the commands that have a module of their own; they import what they need when they run, too."""
    from rootstream.cli_config import config
    from rootstream.cli_netboot import boot, builds, power, publish, rollback, serve
    from rootstream.cli_passwd import passwd

    for command in (config, passwd, serve, boot, builds, rollback, power, publish):
        cli.add_command(command)


_add_groups()
