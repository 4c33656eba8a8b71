"""The commands about this host, and for editors."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rootstream.cli.front import echo
from rootstream.cli.options import engine


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quiet", is_flag=True, help="Show only what is missing for a build.")
def doctor(as_json: bool, quiet: bool) -> int:
    """Check the requirements on this host, and print a command to meet each missing one.

    In a project, this includes QEMU for the architectures of its systems.
    Exit status 2 if nothing can be built here.
    """
    from rootstream.verbs import doctor as verb

    here = Path.cwd()
    archs, workspace = verb.architectures(here), verb.workspaces(here)
    found = verb.check(engine(), os.environ, archs=archs, workspace=workspace)
    shown = [need for need in found if not need.met and need.weight == "required"] if quiet else found
    if shown:
        echo(verb.as_json(shown) if as_json else verb.as_text(shown), nl=False, exact=as_json)
    return 0 if verb.enough(found) else 2


@click.command()
def schema() -> None:
    """Print the JSON Schema of system.yaml, for editors."""
    import json

    from rootstream.description.schema import json_schema

    echo(json.dumps(json_schema(), indent=1), exact=True)
