"""What commands share: options, completions, the project, the engine, and how progress is shown."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from rootstream.engine import Engine
    from rootstream.events import Reporter
    from rootstream.project.project import Project

Command = TypeVar("Command", bound=Callable[..., Any])
OUT = "ROOTSTREAM_OUT"


def complete_systems(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the systems and variants of the project at hand; stay silent on a broken one."""
    from rootstream.description.load import load
    from rootstream.errors import UserError
    from rootstream.project.project import find

    try:
        names = load(find(Path.cwd()).description).names()
    except UserError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(start)]


def complete_bootable(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the kinds of images that a machine boots from."""
    from rootstream.description.images import BOOTABLE

    return [CompletionItem(kind) for kind in BOOTABLE if kind.startswith(start)]


def project_option(command: Command) -> Command:
    """Add `--project`, the folder to work in."""
    option = click.option(
        "-C",
        "--project",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="Folder of the project (default: the current one or one above it).",
        metavar="DIR",
    )
    return option(command)


def out_option(command: Command) -> Command:
    """Add `--out`, another folder for results; `find_project` takes it from the context."""

    def keep(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
        context.meta[OUT] = value

    option = click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        expose_value=False,
        callback=keep,
        help="Folder for results, instead of the project's out/ (or set ROOTSTREAM_OUT).",
    )
    return option(command)


def progress_options(command: Command) -> Command:
    """Add `--json` and `--plain`, the ways to show progress."""
    json = click.option("--json", "style", flag_value="json", help="Print events as JSON lines on stdout.")
    plain = click.option("--plain", "style", flag_value="plain", help="Print plain lines, without a live display.")
    return json(plain(command))


systems_argument = click.argument("systems", nargs=-1, metavar="[SYSTEM...]", shell_complete=complete_systems)
boot_option = click.option(
    "--boot",
    "kind",
    metavar="IMAGE",
    shell_complete=complete_bootable,
    help="Boot only this kind of image, such as disk or initramfs.",
)
locked_option = click.option(
    "--locked", is_flag=True, help="Fail if an input is not in the lock, instead of pinning it."
)
variant_option = click.option("--variant", metavar="NAME", help="Same as SYSTEM@NAME.")


def find_project(folder: Path) -> Project:
    """Return the project in a folder or above it, with the results where `--out` or ROOTSTREAM_OUT says."""
    from rootstream.project.project import find

    named = click.get_current_context().meta.get(OUT) or os.environ.get(OUT)
    return find(folder, Path(named) if named else None)


def engine() -> Engine:
    """Return BuildStream as it is set up here."""
    from rootstream.verbs.shared_cache import engine_of

    return engine_of(os.environ)


def reporter(style: str | None) -> AbstractContextManager[Reporter]:
    """Return the reporter for --json (events are the result: stdout), --plain, or what suits the terminal."""
    from rootstream.progress import reporting

    if style == "json":
        return reporting("json", stream=sys.stdout, env=os.environ)
    return reporting("plain" if style == "plain" else "auto", stream=sys.stderr, env=os.environ)


@contextmanager
def done(report: Reporter, text: str) -> Iterator[None]:
    """Report the end of a command, if it ends well."""
    from rootstream.events import Done

    began = time.monotonic()
    yield
    report(Done(text=text, elapsed=time.monotonic() - began))


def named(systems: tuple[str, ...], variant: str | None) -> tuple[str, ...]:
    """Return targets with the variant of `--variant`."""
    return tuple(f"{name}@{variant}" if variant and "@" not in name else name for name in systems)
