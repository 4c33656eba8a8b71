"""The front page of the command line: every verb in the section where a user looks for it, said in a few words."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from rootstream.host.escape import escaped

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Project": {
        "init": "Create a project from a template.",
        "import": "Create a project from a Buildroot checkout.",
        "update": "Pin every input to its newest version in system.lock.",
        "accept": "Accept the project's code that runs outside of a sandbox.",
        "fetch": "Download everything that systems are built from.",
        "build": "Build systems into out/SYSTEM/.",
        "show": "Show systems, their elements, cache keys and cache state.",
        "log": "Print the log of an element's last build.",
        "shell": "Open a shell in the build sandbox of an element.",
        "clean": "Delete generated files of the project.",
    },
    "Know what is in it": {
        "report": "Write a page about the last build of a system.",
        "sbom": "Print the bill of materials of a system.",
        "why": "Say where a file of an image comes from.",
        "licenses": "List the licenses in a system, and conflicts.",
        "audit": "List known vulnerabilities of a system.",
        "diff": "Compare exports, builds, or revisions of a system.",
        "sources": "Collect the sources of a system, to pass them on.",
        "prove": "Build a system again elsewhere, and compare every file.",
        "provenance": "Print, and sign, what a system was built from.",
    },
    "Boot and check": {
        "run": "Boot a system in QEMU with its console on this terminal.",
        "verify": "Boot systems in QEMU and run their checks.",
    },
    "Boot over the network": {
        "serve": "Serve the project's machines: DHCP, TFTP, HTTP, status page.",
        "boot": "Power-cycle a machine and follow its boot.",
        "power": "Switch a machine on or off, or show whether it is on.",
        "builds": "List the builds that machines can boot.",
        "rollback": "Make machines boot an earlier build.",
        "publish": "Write the boot files for your own web server.",
    },
    "Buildroot": {
        "config": "Configure Buildroot, the kernel, BusyBox; check, set, save.",
        "make": "Run make targets of Buildroot.",
        "env": "Print the cross-compilation environment of a system.",
    },
    "This host, and help": {
        "cache": "Look at the caches, push to a shared one, check them.",
        "doctor": "Check the requirements on this host, and how to meet them.",
        "passwd": "Ask for a password and print its hash.",
        "schema": "Print the JSON Schema of system.yaml, for editors.",
        "completion": "Print a shell completion script.",
    },
}


class Front(click.Group):
    """A group whose help has its commands in sections; one that is in none is a defect, and a test finds it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, all columns in line."""
        width = max(len(verb) for verbs in SECTIONS.values() for verb in verbs)
        for heading, verbs in SECTIONS.items():
            rows = [(verb.ljust(width), text) for verb, text in verbs.items() if self.get_command(ctx, verb)]
            with formatter.section(heading):
                formatter.write_dl(rows)


def echo(text: object, *, nl: bool = True, err: bool = False, exact: bool = False) -> None:
    """Print a line of ours, whatever is quoted in it; what is `exact` reaches who is no terminal as it is."""
    stream = sys.stderr if err else sys.stdout
    click.echo(str(text) if exact and not stream.isatty() else escaped(str(text)), nl=nl, err=err)
