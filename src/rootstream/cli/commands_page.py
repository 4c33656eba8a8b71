"""The reference page of the command line, made from the commands themselves.

`python -m rootstream.cli.commands_page > docs/reference/commands.md` renews it; a test keeps it in step.
"""

from __future__ import annotations

import sys

import click

from rootstream.cli.main import cli

HEAD = """# Commands

Generated from `rootstream --help`. Exit status: 0 success, 1 a check failed, 2 something to fix, 130 interrupted.
"""


def page() -> str:
    """Return the page as Markdown: every command with its help."""
    names = cli.context_settings["help_option_names"]
    context = click.Context(
        cli, info_name="rootstream", max_content_width=90, terminal_width=90, help_option_names=names
    )
    parts = [HEAD, _block(cli.get_help(context))]
    for name, command in sorted(cli.commands.items()):
        inner = click.Context(command, parent=context, info_name=name, max_content_width=90, terminal_width=90)
        parts.append(f"## {name}\n\n{_block(command.get_help(inner))}")
        for below, each in sorted(command.commands.items()) if isinstance(command, click.Group) else ():
            deeper = click.Context(each, parent=inner, info_name=below, max_content_width=90, terminal_width=90)
            parts.append(f"### {name} {below}\n\n{_block(each.get_help(deeper))}")
    return "\n".join(parts)


def _block(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return f"```text\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
