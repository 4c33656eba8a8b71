"""The commands that say what is in a system."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from rootstream.cli.front import echo
from rootstream.cli.options import (
    complete_systems,
    engine,
    find_project,
    named,
    out_option,
    project_option,
    reporter,
    variant_option,
)


def complete_first_system(context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the systems for the first word; the second is a path of the image."""
    return [] if context.params.get("words") else complete_systems(context, parameter, start)


html_option = click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write a page to look at."
)


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]", shell_complete=complete_systems)
@variant_option
@project_option
@out_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to FILE instead of out/SYSTEM/report.html.",
)
def report(system: str | None, variant: str | None, folder: Path, output: Path | None) -> None:
    """Write a page about the last build of SYSTEM: sizes, changes, times, dependencies, boots, licenses.

    It is one file that needs no network. Vulnerabilities on it are those of the last `rootstream audit`, boots
    those of the last `rootstream verify`.
    """
    from rootstream.verbs import pages
    from rootstream.verbs import report as verb

    project = find_project(folder)
    target = verb.target(project, named((system,) if system else (), variant))
    place = output or pages.default(project, target)
    verb.write(place, pages.report(project, target))
    echo(place)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[SYSTEM] PATH", shell_complete=complete_first_system)
@variant_option
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def why(words: tuple[str, ...], variant: str | None, folder: Path, as_json: bool) -> None:
    """Say where PATH in SYSTEM comes from: its component, source with hash, layer, line of system.yaml.

    PATH is the path in the booted system, or the name of a file in out/SYSTEM/. SYSTEM can be omitted if the
    project has only one.
    """
    from rootstream.verbs import why as verb

    if len(words) > 2:  # noqa: PLR2004  (a system and a path)
        raise click.UsageError("Expected PATH, or SYSTEM and PATH.")
    systems = named(words[:-1], variant)
    echo(verb.why(find_project(folder), (*systems, words[-1]), as_json=as_json), nl=False, exact=as_json)


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]", shell_complete=complete_systems)
@click.option(
    "--feed",
    "feeds",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True),
    help="A feed of Debian, OSV, NVD, CVE or KEV: a file, archive or folder. By default, those given before.",
)
@variant_option
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write JUnit XML."
)
@click.option(
    "--vex",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the decisions of vex.yaml and system.yaml as OpenVEX.",
)
@html_option
def audit(
    system: str | None,
    feeds: tuple[Path, ...],
    variant: str | None,
    folder: Path,
    as_json: bool,
    junit: Path | None,
    vex: Path | None,
    html: Path | None,
) -> int:
    """List known vulnerabilities of SYSTEM as it is in out/, from feeds that you have downloaded.

    Nothing is downloaded. Feeds that were given once are stored in the project, for the next audit. Decisions are
    in vex.yaml, beside system.yaml.

    The exit status is 1 if there are vulnerabilities that the key `audit` in system.yaml
    fails on: by default, critical ones and those known to be exploited.
    """
    import time

    from rootstream.verbs import audit as verb
    from rootstream.verbs import report

    found = verb.audit(find_project(folder), named((system,) if system else (), variant), feeds, time.time())
    if junit is not None:
        report.write(junit, found.junit())
    if vex is not None:
        report.write(vex, found.vex())
    if html is not None:
        report.write(html, found.html())
    echo(found.json() if as_json else found.table(), nl=False, exact=as_json)
    return 1 if found.failed else 0


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]", shell_complete=complete_systems)
@variant_option
@project_option
@out_option
@click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Sign with this private key, in PEM.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="File with the passphrase of the key in its first line; by default, you are asked for it.",
)
@click.option("--builder", metavar="URI", help="Who has built it, as those who verify know you.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to FILE instead of stdout.",
)
def provenance(
    system: str | None,
    variant: str | None,
    folder: Path,
    key: Path | None,
    passphrase_file: Path | None,
    builder: str | None,
    output: Path | None,
) -> None:
    """Print what SYSTEM in out/ was built from, as a statement of in-toto with SLSA provenance 1.

    With a key, it is signed (DSSE). `rootstream verify --provenance` checks it.
    """
    from rootstream.verbs import provenance as verb
    from rootstream.verbs import report

    wanted = named((system,) if system else (), variant)
    passphrase = _passphrase(key, passphrase_file)
    content = verb.provenance(find_project(folder), wanted, key, builder, passphrase)
    if output is None:
        echo(content.decode(), nl=False, exact=True)
    else:
        report.write(output, content)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[SYSTEM] DIR", shell_complete=complete_first_system)
@variant_option
@project_option
@click.option(
    "--own", is_flag=True, help="With the project's own packages, and its project of BuildStream elements."
)
@click.option("--tools", is_flag=True, help="With compilers and tools, so that it can be built from DIR alone.")
def sources(words: tuple[str, ...], variant: str | None, folder: Path, own: bool, tools: bool) -> int:
    """Write the sources of what SYSTEM has in its images into DIR, with patches and build instructions.

    `rootstream update` has pinned them. The exit status is 1 if something could not be had; README.md in DIR lists
    it.
    """
    from rootstream.verbs import sources as verb

    if len(words) > 2:  # noqa: PLR2004  (a system and a folder)
        raise click.UsageError("Expected DIR, or SYSTEM and DIR.")
    with reporter(None) as report:
        found = verb.sources(
            find_project(folder),
            named(words[:-1], variant),
            Path(words[-1]),
            engine(),
            report,
            own=own,
            tools=tools,
        )
    echo(f"{words[-1]}: {len(found.rows)} sources, {len(found.missing)} missing")
    for name, reason in found.missing:
        echo(f"missing  {name}: {reason}")
    for name in found.left_out:
        echo(f"left out  {name}: the project's own; --own takes it")
    return 1 if found.missing else 0


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]", shell_complete=complete_systems)
@variant_option
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with everything that differs.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Copy the second export to DIR.")
def prove(system: str | None, variant: str | None, folder: Path, as_json: bool, keep: Path | None) -> int:
    """Build SYSTEM again from its sources alone, elsewhere, and compare every file of the export.

    The second build has an empty cache and no servers. Folder, user, umask, time zone, locale, jobs and times are
    others, as far as this host allows. It takes as long as a build from nothing, and needs space in the folder for
    temporary files (TMPDIR). The exit status is 1 if a file differs.
    """
    from rootstream.verbs import prove as verb

    with reporter(None) as report:
        found = verb.prove(
            find_project(folder), named((system,) if system else (), variant), engine(), report, keep
        )
    echo(found.json() if as_json else found.text(), nl=False, exact=as_json)
    return 0 if found.same else 1


def _passphrase(key: Path | None, file: Path | None) -> bytes | None:
    """Return the passphrase of a key from a file, or ask for it where somebody can answer."""
    import sys

    if file is not None:
        with file.open("rb") as lines:
            return lines.readline(1 << 16).rstrip(b"\r\n")
    if key is not None and sys.stdin.isatty():
        from rootstream.host import envelopes

        if envelopes.is_encrypted(key):
            return str(click.prompt(f"Passphrase of {key}", hide_input=True, err=True)).encode()
    return None


@click.command()
@click.argument("before", metavar="A", shell_complete=complete_systems)
@click.argument("after", metavar="B", shell_complete=complete_systems)
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with everything that differs.")
@click.option("--all", "whole", is_flag=True, help="Show long lists completely.")
@html_option
def diff(before: str, after: str, folder: Path, as_json: bool, whole: bool, html: Path | None) -> int:
    """Compare A and B: components, versions, files, modes, sizes, symbols of configurations.

    Each is a system (its export in out/), the folder of an export, a build of the boot server (see `rootstream
    builds`), or REVISION:SYSTEM, a system as it was in Git, which is built from the cache. The exit status is 1 if
    they differ.
    """
    from rootstream.verbs import difference as verb
    from rootstream.verbs import report as verbs

    with reporter("plain") as report:
        found = verb.diff(find_project(folder), (before, after), engine(), report)
    if html is not None:
        verbs.write(html, found.html())
    echo(found.json() if as_json else found.text(whole=whole), nl=False, exact=as_json)
    return 1 if found.found else 0


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]", shell_complete=complete_systems)
@variant_option
@project_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--texts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write all license texts to FILE.",
)
def licenses(system: str | None, variant: str | None, folder: Path, as_json: bool, texts: Path | None) -> int:
    """List the licenses in SYSTEM as it is in out/, and conflicts with the key `licenses` in system.yaml.

    The exit status is 1 if there are conflicts.
    """
    from rootstream.verbs import licenses as verb
    from rootstream.verbs import report

    found = verb.licenses(find_project(folder), named((system,) if system else (), variant))
    if texts is not None:
        report.write(texts, verb.require_texts(found))
    echo(found.json() if as_json else found.table(), nl=False, exact=as_json)
    return 1 if found.conflicts else 0


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]", shell_complete=complete_systems)
@variant_option
@project_option
@out_option
@click.option("--spdx", is_flag=True, help="Print SPDX 2.3 instead of CycloneDX 1.6.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to FILE instead of stdout.",
)
def sbom(system: str | None, variant: str | None, folder: Path, spdx: bool, output: Path | None) -> None:
    """Print the bill of materials of SYSTEM as it is in out/: its components, where they are from, their licenses.

    SYSTEM can be omitted if the project has only one. The result is JSON, the same bytes for the same export.
    """
    from rootstream.verbs import report as verb

    wanted = named((system,) if system else (), variant)
    content = verb.sbom(find_project(folder), wanted, "spdx" if spdx else "cyclonedx")
    if output is None:
        echo(content.decode(), nl=False, exact=True)
    else:
        verb.write(output, content)
