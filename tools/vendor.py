"""Fetch the JavaScript library of report pages by npm, check its hash, and put it in place.

`python tools/vendor.py` fetches what `vendor.json` names; `--check` only compares, and changes nothing. For a
newer version, write it and its integrity (`npm view echarts dist.integrity`) there, and run it. The exit status is
1 for a difference, 3 where npm cannot fetch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PLACE = Path(__file__).parents[1] / "src/rootstream/report/page"
RECORD = PLACE / "vendor.json"
UNREACHABLE = 3


def main(words: list[str]) -> int:
    """Fetch, check and place what the record names."""
    record = json.loads(RECORD.read_text())
    with tempfile.TemporaryDirectory() as folder:
        argv = ["npm", "pack", "--silent", "--ignore-scripts", f"{record['name']}@{record['version']}"]
        try:
            done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.stdout.write(f"npm: {error}\n")
            return UNREACHABLE
        packed = next(Path(folder).glob("*.tgz"), None)
        if done.returncode != 0 or packed is None:
            sys.stdout.write(done.stderr.decode(errors="replace"))
            return UNREACHABLE
        found = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if found != record["integrity"]:
            sys.stdout.write(f"{packed.name} has the integrity {found}, and not {record['integrity']}\n")
            return 1
        with tarfile.open(packed) as archive:
            return _place(archive, record, only_check="--check" in words)


def _place(archive: tarfile.TarFile, record: dict[str, dict[str, str]], *, only_check: bool) -> int:
    """Compare the files of an archive with those in place, or replace these."""
    different = 0
    for name, inside in record["files"].items():
        member = archive.extractfile(f"package/{inside}")
        content = member.read() if member else b""
        place = PLACE / "static" / name
        if place.is_file() and place.read_bytes() == content:
            continue
        different += 1
        sys.stdout.write(f"{name}: {'differs' if only_check else 'replaced'}\n")
        if not only_check:
            place.write_bytes(content)
            record["sha256"][name] = hashlib.sha256(content).hexdigest()
    if only_check:
        return 1 if different else 0
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
