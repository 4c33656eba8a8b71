"""`rootstream config`: configurations opened, checked, changed, and saved into the project's own files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rootstream.cli.front import echo
from rootstream.cli.options import project_option, variant_option

if TYPE_CHECKING:
    from rootstream.buildroot.config.config_edit import Saved
    from rootstream.verbs.config import Config
    from rootstream.verbs.native_config import NativeConfig

KINDS = ("buildroot", "linux", "busybox", "uclibc", "uboot", "barebox", "at91bootstrap3", "swupdate", "xvisor")
TOOLS = ("menuconfig", "nconfig", "xconfig", "gconfig")

system_option = click.option("--system", metavar="SYSTEM", help="SYSTEM or SYSTEM@VARIANT, if there are several.")
system_argument = click.argument("system", required=False, metavar="[SYSTEM]")
to_option = click.option("--to", metavar="FILE", help="File of the project to save the change in.")
for_option = click.option(
    "--for",
    "kind",
    type=click.Choice(KINDS),
    help="Which configuration; by default Buildroot's, or the kernel's if the system has no Buildroot root.",
)


@contextmanager
def looked_at(folder: Path, system: str | None, variant: str | None) -> Iterator[Config | NativeConfig]:
    """Open the configuration of a system to look at it."""
    import os

    from rootstream.progress import reporting
    from rootstream.verbs import native_config

    with reporting("plain", stream=sys.stderr, env=os.environ) as report:
        native = native_config.found(folder, system, variant, None, report)
        if native is not None:
            yield native
            return
        from rootstream.verbs import config as verb

        with verb.looked_at(folder, system, variant, report) as config:
            yield config


@contextmanager
def opened(
    folder: Path, system: str | None, variant: str | None, create: str | None = None
) -> Iterator[Config | NativeConfig]:
    """Open the configuration of a system, alone in the project where that is one of Buildroot."""
    import os

    from rootstream.progress import reporting
    from rootstream.verbs import native_config

    with reporting("plain", stream=sys.stderr, env=os.environ) as report:
        native = native_config.found(folder, system, variant, create, report)
        if native is not None:
            yield native
            return
        from rootstream.verbs import config as verb

        with verb.opened(folder, system, variant, report, create) as config:
            yield config


def tell(saved: Saved) -> None:
    """Print what was saved as a difference, and what only system.yaml can change."""
    if saved.difference:
        echo(saved.difference, nl=False, exact=True)
    elif not saved.elsewhere:
        echo("nothing changed", err=True)
    for symbol in saved.elsewhere:
        echo(f"not saved: {symbol} is set by system.yaml itself; change it there", err=True)


class Configurations(click.Group):
    """A group whose commands are also the words for configurations: `config linux` opens the kernel's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options before any word as those of `config buildroot`."""
        bare = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        return super().parse_args(ctx, ["buildroot", *args] if bare else args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, or the command that opens a configuration."""
        found = super().get_command(ctx, cmd_name)
        return found if found is not None or cmd_name not in KINDS else opener(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the configurations and the verbs."""
        return [*KINDS, *super().list_commands(ctx)]


def opener(kind: str) -> click.Command:
    """Return the command that opens a configuration with its tool."""

    def run(
        tool: str, to: str | None, create: str | None, system: str | None, variant: str | None, folder: Path
    ) -> None:
        with opened(folder, system, variant, create) as config:
            tell(config.open(config.kind(kind), tool, to))

    options: list[Any] = [
        click.Option(
            ["--tool"],
            type=click.Choice(TOOLS),
            default="menuconfig",
            show_default=True,
            help="Configuration tool.",
        ),
        click.Option(
            ["--create-variant", "create"],
            metavar="NAME",
            help="Save as a new variant with a fragment of its own.",
        ),
    ]
    command = click.Command(
        kind, callback=run, params=options, help=f"Edit the configuration of {kind}, and save it."
    )
    for option in (project_option, variant_option, to_option, system_argument):
        command = option(command)
    return command


@click.group(cls=Configurations)
def config() -> None:
    """Configure Buildroot, the kernel, BusyBox ... of a system.

    `config` opens the configuration menu of Buildroot; `config linux` that of the kernel, whether Buildroot builds
    it or Rootstream. Changes are saved in the project's own files, in minimal form, and shown.
    """


@config.command()
@click.argument("system", required=False)
@variant_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@project_option
def check(system: str | None, variant: str | None, as_json: bool, folder: Path) -> int:
    """Compare the requested symbols with the final configuration; exit status 2 if they differ."""
    with looked_at(folder, system, variant) as opened_config:
        problems = opened_config.check()
        echo(opened_config.as_json(problems) if as_json else opened_config.as_text(problems), exact=as_json)
        return 2 if any(problem.severity == "error" for problem in problems) else 0


@config.command("set")
@click.argument("words", nargs=-1, required=True, metavar="SYMBOL=VALUE...")
@for_option
@to_option
@system_option
@variant_option
@project_option
def set_(
    words: tuple[str, ...], kind: str | None, to: str | None, system: str | None, variant: str | None, folder: Path
) -> None:
    """Set symbols, or change nothing if one of them does not end up with its value."""
    with opened(folder, system, variant) as opened_config:
        tell(opened_config.change(opened_config.kind(kind), words, to))


@config.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@for_option
@to_option
@system_option
@variant_option
@project_option
def unset(
    symbols: tuple[str, ...],
    kind: str | None,
    to: str | None,
    system: str | None,
    variant: str | None,
    folder: Path,
) -> None:
    """Remove symbols from the project's files, so that they have their defaults again."""
    with opened(folder, system, variant) as opened_config:
        tell(opened_config.unset(opened_config.kind(kind), symbols, to))


@config.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@for_option
@system_option
@variant_option
@project_option
def get(symbols: tuple[str, ...], kind: str | None, system: str | None, variant: str | None, folder: Path) -> None:
    """Print the final values of symbols."""
    with looked_at(folder, system, variant) as opened_config:
        for line in opened_config.get(opened_config.kind(kind), symbols):
            echo(line)


@config.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@for_option
@system_option
@variant_option
@project_option
def explain(
    symbols: tuple[str, ...], kind: str | None, system: str | None, variant: str | None, folder: Path
) -> None:
    """Show what Kconfig knows about symbols: where they are, what they depend on, what selects them."""
    with looked_at(folder, system, variant) as opened_config:
        for line in opened_config.explain(opened_config.kind(kind), symbols):
            echo(line)


@config.command()
@click.argument("other", required=False)
@for_option
@system_option
@variant_option
@project_option
def diff(other: str | None, kind: str | None, system: str | None, variant: str | None, folder: Path) -> None:
    """Show differences to another system or variant, or changes made by hand in the output folder."""
    with looked_at(folder, system, variant) as opened_config:
        for line in opened_config.diff(opened_config.kind(kind), other):
            echo(line)


@config.command()
@to_option
@system_option
@variant_option
@project_option
def save(to: str | None, system: str | None, variant: str | None, folder: Path) -> None:
    """Save changes made by hand in the output folder to the project."""
    with opened(folder, system, variant) as opened_config:
        for saved in opened_config.save(to):
            tell(saved)


@config.command()
@system_option
@variant_option
@project_option
def discard(system: str | None, variant: str | None, folder: Path) -> None:
    """Discard changes made by hand in the output folder."""
    with opened(folder, system, variant) as opened_config:
        for line in opened_config.discard():
            echo(f"discarded {line}")


@config.command()
@system_option
@variant_option
@project_option
def minimize(system: str | None, variant: str | None, folder: Path) -> None:
    """Convert a full .config that is used as a defconfig into a minimal defconfig."""
    with opened(folder, system, variant) as opened_config:
        tell(opened_config.minimize())
