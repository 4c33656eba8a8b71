"""An initramfs in two archives: the stem, which no layer changes, and behind it what the layers make different.

The stem is packed once and kept; a changed layer packs only its own files. Run as
`python3 -m rootstream.sandbox.images.base_archive pack --base root.tar ... -o FILE` and
`... grow --stem FILE ... -o FILE`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rootstream.sandbox.images.compress import LEVELS, Packer, packer
from rootstream.sandbox.images.delta import changed
from rootstream.sandbox.images.image import prepare_initramfs, write_initramfs
from rootstream.sandbox.images.secrets import bearing
from rootstream.sandbox.program import run_main
from rootstream.sandbox.rootfs import assemble, debian


def _pack(options: argparse.Namespace) -> None:
    spec = assemble.spec_of(options)
    tree = assemble.begun(options.base, options.layer, spec, assemble.epoch_of(spec), runs=options.made)
    debian.drop(tree, spec.drop)
    write_initramfs(tree, options.output, _filter(options))


def _grow(options: argparse.Namespace) -> None:
    spec = assemble.spec_of(options)
    epoch = assemble.epoch_of(spec)
    tree = assemble.begun(options.base, options.layer, spec, epoch, runs=options.made)
    stem = tree.copy()
    debian.drop(stem, spec.drop)
    report, when_xattrs = assemble.report_of(options), options.when_xattrs
    assemble.complete(tree, options.over, spec, epoch, report=report, when_xattrs=when_xattrs)
    prepare_initramfs(tree, link_init=True)
    only = changed(stem, tree)
    first = None if only is None else options.stem  # a name that went cannot be taken from the stem
    apart = frozenset(bearing(tree, only)) if options.secrets else frozenset()
    write_initramfs(tree, options.output, _filter(options), first=first, only=only, apart=apart)


def _filter(options: argparse.Namespace) -> Packer:
    return packer(options.compression, options.level)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stem", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    pack = verbs.add_parser("pack", help="the archive of a root before the layers that change")
    pack.set_defaults(run=_pack)
    grow = verbs.add_parser("grow", help="that archive, and one of what is different in the finished root")
    grow.add_argument("--stem", type=Path, required=True)
    grow.add_argument("--over", type=Path, action="append", default=[], help="further layer; repeatable")
    grow.add_argument("--secrets", action="store_true", help="leave placeholders of secrets as they are")
    grow.set_defaults(run=_grow)
    for verb in (pack, grow):
        assemble.add_options(verb)
        verb.add_argument("--compression", choices=sorted(LEVELS), default="zstd")
        verb.add_argument("--level", type=int)
    return parser


def _main(options: argparse.Namespace) -> None:
    options.run(options)


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
