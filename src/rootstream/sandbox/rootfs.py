"""Make a finished root filesystem: a base and layers merged, a description applied, one deterministic tar written.

Run as `python3 -m rootstream.sandbox.rootfs assemble --base base.tar --layer app.tar --spec spec.json -o FILE`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rootstream.sandbox.program import run_main, source_date_epoch, whole_file
from rootstream.sandbox.rootspec import RootSpec, parse_root_spec
from rootstream.sandbox.settings import apply_spec
from rootstream.sandbox.spec import read_spec
from rootstream.sandbox.tarfiles import lay_path, write_tar
from rootstream.sandbox.tree import Tree


def assemble(base: Path | None, layers: list[Path], spec: RootSpec, output: Path) -> None:
    """Write the tar of a base (a folder or a tar) with layers (the same) over it and a description applied."""
    epoch = source_date_epoch() if spec.epoch is None else spec.epoch
    tree = Tree()
    if base is not None:
        lay_path(tree, base, base=True)
    for layer in layers:
        lay_path(tree, layer)
    apply_spec(tree, spec, epoch)
    with whole_file(output) as draft, draft.open("wb") as file:
        write_tar(tree, file, epoch)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rootfs", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("assemble", help="merge a base and layers into one root.tar")
    base = verb.add_mutually_exclusive_group()
    base.add_argument(
        "--tree", type=Path, dest="base", metavar="DIR", help="the base as a folder; all becomes 0:0"
    )
    base.add_argument("--base", type=Path, metavar="TAR", help="the base as a tar, owners and modes kept")
    verb.add_argument(
        "--layer", type=Path, action="append", default=[], help="tar or folder to lay over; repeatable"
    )
    verb.add_argument("--spec", type=Path, help="JSON description of what to set")
    verb.add_argument("-o", "--output", type=Path, required=True)
    return parser


def _main(options: argparse.Namespace) -> None:
    spec = RootSpec() if options.spec is None else parse_root_spec(read_spec(options.spec))
    assemble(options.base, options.layer, spec, options.output)


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
