"""The command line: one short function per verb. Everything heavy is imported by the verb that needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from rootstream import __version__
from rootstream.cli import boot, build, buildroot, cache, host, netboot, projects, report
from rootstream.cli.config import config
from rootstream.cli.front import Front, echo
from rootstream.cli.passwd import passwd

CONTEXT: Mapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Front, context_settings=dict(CONTEXT))
@click.version_option(__version__, "-V", "--version", prog_name="rootstream", message="%(prog)s %(version)s")
def cli() -> None:
    """Build bootable Linux images from one description, boot them, and check them.

    A project is a folder with a system.yaml. Start with `rootstream init debian-server box`, then run
    `rootstream run` and `rootstream verify` in that folder.
    """


@cli.command()
@click.argument("shell_name", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell_name: str) -> None:
    """Print a shell completion script, for eval "$(rootstream completion bash)"."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell_name)
    assert script is not None  # noqa: S101  (click knows the three)
    echo(script(cli, {}, "rootstream", "_ROOTSTREAM_COMPLETE").source(), exact=True)


for command in (
    projects.init,
    projects.import_,
    projects.accept,
    projects.update,
    projects.fetch,
    projects.clean,
    build.build,
    build.show,
    build.log,
    build.shell,
    report.sbom,
    report.why,
    report.licenses,
    report.report,
    report.audit,
    report.diff,
    report.sources,
    report.prove,
    report.provenance,
    boot.run,
    boot.verify,
    buildroot.make,
    buildroot.env,
    host.doctor,
    host.schema,
    netboot.serve,
    netboot.boot,
    netboot.builds,
    netboot.rollback,
    netboot.power,
    netboot.publish,
    config,
    cache.cache,
    passwd,
):
    cli.add_command(command)
