"""How many vulnerabilities a feed knows of a kernel package whose list of compiled files nobody has.

    python bench/kernel_cves.py vulns 6.12.107 UNPACKED

counts the records of a checkout of the kernel CNA's repository that affect a release, and tells them apart by what
an unpacked package of Debian says: files in folders that it has a module or a built-in one of, and others. This is
an estimate: a module may be made of files of several folders, and a folder holds files of several. The exact
counts for a kernel that Rootstream has compiled are those of `rootstream audit SYSTEM --feed vulns`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rootstream.report import feed_folder, feeds, kernel
from rootstream.report.feeds import FeedFile, Wanted

OPTIONAL = ("drivers", "sound", "fs", "net")
"""Where most is a module of its own; what is right in `fs` and `net`, and elsewhere, is in every kernel."""


def folders(package: Path) -> frozenset[str]:
    """Return the folders of the tree that a package has modules of, built-in ones included."""
    (modules,) = package.glob("**/lib/modules/*")
    found = {str(path.parent.relative_to(modules / "kernel")) for path in modules.glob("kernel/**/*.ko*")}
    builtin = (modules / "modules.builtin").read_text().splitlines()
    return frozenset(found | {str(Path(line).parent.relative_to("kernel")) for line in builtin})


def kind(name: str, known: frozenset[str]) -> str:
    """Say whether a file is in a kernel: yes, no, or unknown."""
    folder = str(Path(name).parent)
    if name.startswith("arch/") and not name.startswith("arch/x86/"):
        return "no"
    if not name.endswith((".c", ".S")):
        return "unknown"
    if folder in known or name.split("/", 1)[0] not in OPTIONAL or folder in OPTIONAL:
        return "yes"
    within = any(folder.startswith(f"{each}/") for each in known if each not in (*OPTIONAL, "."))
    return "unknown" if within else "no"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vulns", type=Path)
    parser.add_argument("version")
    parser.add_argument("package", type=Path, nargs="?")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        packed = Path(name) / "feed"
        feed_folder.pack(options.vulns, packed)
        records = feeds.read([FeedFile(path=packed, name="vulns")], Wanted()).cve
    affecting = [identifier for identifier, _ in kernel.affecting(records, options.version)]
    print(f"{len(records)} records, {len(affecting)} affect {options.version}")
    if options.package:
        known, files = folders(options.package), kernel.files(records)
        told: Counter[str] = Counter()
        for each in affecting:
            kinds = {kind(name, known) for name in files[each]}
            told["yes" if "yes" in kinds else "unknown" if "unknown" in kinds or not kinds else "no"] += 1
        print(f"in a folder of the package: {told['yes']}, unknown: {told['unknown']}, in none: {told['no']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
