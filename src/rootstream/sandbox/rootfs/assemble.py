"""Make a finished root filesystem: a base and layers merged, a description applied, one deterministic tar written.

Run as `python3 -m rootstream.sandbox.rootfs.assemble assemble --base base.tar --layer app.tar --spec spec.json
-o FILE`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rootstream.sandbox import handover, limits
from rootstream.sandbox.program import Mistake, run_main, source_date_epoch, whole_file
from rootstream.sandbox.rootfs import (
    apt_sources,
    caches,
    debian,
    identities,
    needed,
    private,
    replaced,
    services,
    unit_files,
)
from rootstream.sandbox.rootfs.settings import apply_spec
from rootstream.sandbox.rootfs.spec import RootSpec
from rootstream.sandbox.tar_files import lay_path, write_tar
from rootstream.sandbox.tree import BASE, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyReport:
    """Where to write what was dropped and what to warn of, and the list of what was not even unpacked."""

    output: Path
    left_out: Path | None
    warnings: Path | None = None


def epoch_of(spec: RootSpec) -> int:
    """Return the time of all files."""
    return source_date_epoch() if spec.epoch is None else spec.epoch


def begun(
    base: Path | None, layers: Sequence[Path], spec: RootSpec, epoch: int, *, runs: Sequence[Path] = ()
) -> Tree:
    """Return a base with layers over it; of the description it takes only what is said of a Debian.

    `runs` are lists of what the packages' scripts made, each time that they ran.
    """
    tree = Tree()
    if base is not None:
        lay_path(tree, base, base=True, origin=BASE)
    if spec.debian:
        debian.clean(tree, epoch)
        different = identities.differing([identities.read_run(run) for run in runs])
        identities.settle(tree, different, spec.identities)
    if spec.apt is not None:
        apt_sources.write(tree, spec.apt)
    for layer in layers:
        lay_path(tree, layer, origin=spec.names.get(layer.name))
    return tree


def complete(
    tree: Tree,
    layers: Sequence[Path],
    spec: RootSpec,
    epoch: int,
    *,
    report: AssemblyReport | None = None,
    when_xattrs: Path | None = None,
) -> None:
    """Lay further layers over a tree, apply a description, and report what was dropped."""
    for layer in layers:
        lay_path(tree, layer, origin=spec.names.get(layer.name))
    services.add_services(tree, spec.services)
    if spec.sshd is not None:
        services.set_sshd(tree, spec.sshd)
    warned = unit_files.choose(tree, spec.units)
    if spec.python is not None and tree.find(f"usr/bin/python{spec.python}") is None:
        raise Mistake(
            f"python: the root has no Python {spec.python}; add python3 to its packages, or set `version:`"
        )
    apply_spec(tree, spec, epoch)
    caches.expire(tree)
    libraries = needed.libraries(tree) if report is not None else frozenset()
    dropped = debian.drop(tree, spec.drop)
    if report is not None:
        unseen = debian.left_out(debian.read_lines(report.left_out), spec.left_out) if report.left_out else ()
        rows = [asdict(each) for each in (*unseen, *dropped)]
        report.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        if report.warnings is not None:
            told = (
                *warned,
                *replaced.lost(tree),
                *private.exposed(tree),
                *caches.unmade(tree),
                *debian.warnings(tree),
                *(apt_sources.warnings(tree, spec.apt) if spec.apt else ()),
                *needed.lacking(tree, libraries - needed.libraries(tree)),
            )
            report.warnings.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if when_xattrs is not None and any(inode.xattrs for _, _, inode in tree.walk()):
        lay_path(tree, when_xattrs)
    limits.require_possible(tree)


def assemble(
    base: Path | None,
    layers: list[Path],
    spec: RootSpec,
    output: Path,
    *,
    runs: Sequence[Path] = (),
    report: AssemblyReport | None = None,
    when_xattrs: Path | None = None,
) -> None:
    """Write the tar of a base (a folder or a tar) with layers (the same) over it and a description applied.

    `when_xattrs` is a layer for roots in which a file has extended attributes.
    """
    epoch = epoch_of(spec)
    tree = begun(base, layers, spec, epoch, runs=runs)
    complete(tree, (), spec, epoch, report=report, when_xattrs=when_xattrs)
    with whole_file(output) as draft, draft.open("wb") as file:
        write_tar(tree, file, epoch)


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add what says how a root is made."""
    base = verb.add_mutually_exclusive_group()
    base.add_argument(
        "--tree", type=Path, dest="base", metavar="DIR", help="the base as a folder; all becomes 0:0"
    )
    base.add_argument("--base", type=Path, metavar="TAR", help="the base as a tar, owners and modes kept")
    verb.add_argument(
        "--layer", type=Path, action="append", default=[], help="tar or folder to lay over; repeatable"
    )
    verb.add_argument(
        "--made",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what a run of scripts made; repeatable",
    )
    verb.add_argument("--spec", type=Path, help="JSON description of what to set")
    verb.add_argument("--dropped", type=Path, metavar="FILE", help="lines SIZE PATH of what is not in the base")
    verb.add_argument("--report", type=Path, metavar="JSON", help="where to write what was dropped")
    verb.add_argument("--warnings", type=Path, metavar="JSON", help="where to write what to warn of")
    verb.add_argument("--when-xattrs", type=Path, metavar="DIR", help="layer for roots with extended attributes")
    verb.add_argument("-o", "--output", type=Path, required=True)


def spec_of(options: argparse.Namespace) -> RootSpec:
    """Return the description that the options name."""
    return RootSpec() if options.spec is None else handover.load(RootSpec, options.spec)


def report_of(options: argparse.Namespace) -> AssemblyReport | None:
    """Return where the options want a report."""
    if not options.report:
        return None
    return AssemblyReport(output=options.report, left_out=options.dropped, warnings=options.warnings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rootfs", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    add_options(verbs.add_parser("assemble", help="merge a base and layers into one root.tar"))
    return parser


def _main(options: argparse.Namespace) -> None:
    spec = spec_of(options)
    report, when_xattrs = report_of(options), options.when_xattrs
    assemble(
        options.base,
        options.layer,
        spec,
        options.output,
        runs=options.made,
        report=report,
        when_xattrs=when_xattrs,
    )


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
