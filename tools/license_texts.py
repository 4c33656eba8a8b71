"""Makes the table of license texts that report/license_texts.py reads, of the texts in SPDX's list.

    npm pack spdx-license-list@6.12.0 && tar xf spdx-license-list-6.12.0.tgz
    python tools/license_texts.py package/licenses

Texts that several licenses have, such as those of the GPL with and without "or later", are in no row. MPL-2.0 is
the exception: what makes it MPL-2.0-no-copyleft-exception is a notice in the files, not in its text.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from rootstream.report import license_texts

SAME = {"MPL-2.0-no-copyleft-exception"}


def main() -> int:
    """Write the table."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        text = json.loads(path.read_text("utf-8"))["licenseText"]
        if path.stem not in SAME and len(text.split()) > 20:  # noqa: PLR2004  (less is no license, but a remark)
            found[license_texts.digest(text)].add(path.stem)
    table = {digest: names.pop() for digest, names in sorted(found.items()) if len(names) == 1}
    place = Path(license_texts.__file__).with_name(license_texts.TABLE)
    place.write_text(json.dumps(table, indent=0) + "\n", "utf-8")
    sys.stdout.write(f"{len(table)} licenses\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
