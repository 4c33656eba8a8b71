"""What is known of a build, asked for: seconds, CPU time and memory of `report`, `sbom`, `why` and `audit`.

A Debian root of so many packages with 72 files each, as a build exports it, and feeds of so many entries in the
formats of Debian, OSV and NVD are made first; or a build of yours is asked about. Byte code of Python is kept, as
it is where nobody forbids it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

SYSTEM = "systems:\n  box:\n    root: {debian: {packages: [pack0]}}\n    images: [tar]\n"
FILES = 72
SUITES = ("bookworm", "bullseye", "forky", "sid", "trixie")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def rows(packages: int) -> Iterator[dict[str, Any]]:
    yield {"record": "format", "format": 1}
    for number in range(packages):
        depends = ", ".join(f"pack{each}" for each in {number // 2, number // 3} if each < number)
        words: dict[str, Any] = {
            "name": f"pack{number}",
            "version": f"1.{number}-1",
            "architecture": "amd64",
            "depends": depends,
        }
        words |= {"source": f"pack{number}", "source_version": f"1.{number}-1", "licenses": ["GPL-2+", "MIT"]}
        yield {"record": "deb", **words}
    yield {
        "record": "file",
        "path": "usr",
        "kind": "directory",
        "mode": 493,
        "uid": 0,
        "gid": 0,
        "layer": "the root",
    }
    for number in range(packages):
        for file in range(FILES):
            path = f"usr/lib/pack{number}/file{file}"
            owned = {"layer": "the root", "packages": [f"pack{number}"]}
            told = {"record": "file", "path": path, "kind": "file", "mode": 420, "uid": 0, "gid": 0, **owned}
            yield {**told, "size": number * file, "sha256": digest(path)}


def export(folder: Path, packages: int) -> None:
    """Write what a build leaves of a Debian root."""
    place = folder / "out" / "box"
    place.mkdir(parents=True)
    (folder / "system.yaml").write_text(SYSTEM)
    pinned = [
        {"name": f"pack{each}", "version": f"1.{each}-1", "architecture": "amd64"}
        | {
            "path": f"pool/main/p/pack{each}/pack{each}_1.{each}-1_amd64.deb",
            "size": 1,
            "sha256": digest(str(each)),
        }
        for each in range(packages)
    ]
    source = {"kind": "debian_packages", "suites": ["trixie"], "architecture": "amd64"}
    image = {"name": "rootfs.tar", "kind": "tar", "size": 1 << 28, "sha256": digest("image")}
    told = {"version": 1, "system": "box", "arch": "x86_64", "rootstream": "0", "plan": digest("plan"), "epoch": 0}
    told |= {"files": [image], "inputs": [{"source": source, "ref": pinned, "ships": "packages"}]}
    told["contents"] = {"origins": {"the root": {"packages": ["pack0"]}}}
    (place / "manifest.json").write_text(json.dumps(told))
    lines = (json.dumps(row, separators=(",", ":")) for row in rows(packages))
    (place / "inventory.jsonl").write_text("".join(f"{line}\n" for line in lines))


def feeds(folder: Path, entries: int) -> dict[str, Path]:
    """Write feeds; few of their entries are about the packages."""
    tracker: dict[str, dict[str, Any]] = {}
    row = {"status": "resolved", "repositories": {"trixie": "1"}, "fixed_version": "9", "urgency": "low"}
    for number in range(entries):
        issue = {"description": "x" * 160, "scope": "local", "releases": dict.fromkeys(SUITES, row)}
        tracker.setdefault(f"pack{number % 4000}", {})[f"CVE-2026-{number}"] = issue
    (folder / "debian.json").write_text(json.dumps(tracker))
    with zipfile.ZipFile(folder / "osv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(entries):
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]
            affected = [{"package": {"ecosystem": "PyPI", "name": f"pack{number % 9000}"}, "ranges": ranges}]
            record = {"id": f"GHSA-{number}", "modified": "2026-01-01T00:00:00Z", "details": "x " * 400}
            archive.writestr(f"GHSA-{number}.json", json.dumps({**record, "affected": affected}))
    scored = []
    for number in range(entries):
        match = {"vulnerable": True, "criteria": f"cpe:2.3:a:vendor{number % 5000}:x:*:*:*:*:*:*:*:*"}
        metrics = {"cvssMetricV31": [{"cvssData": {"baseSeverity": "HIGH"}}]}
        words = {
            "id": f"CVE-2026-{number}",
            "descriptions": [{"lang": "en", "value": "x" * 200}],
            "metrics": metrics,
        }
        scored.append({"cve": {**words, "configurations": [{"nodes": [{"cpeMatch": [match]}]}]}})
    (folder / "nvd.json").write_text(json.dumps({"timestamp": "2026-11-30T00:00:00", "vulnerabilities": scored}))
    return {name: folder / name for name in ("debian.json", "osv.zip", "nvd.json")}


def measure(folder: Path, title: str, *words: str) -> None:
    """Run a verb three times and print the quickest."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found: list[tuple[float, float, int]] = []
    for _ in range(3):
        began = time.monotonic()
        argv = [sys.executable, "-m", "rootstream", *words]
        child = subprocess.Popen(argv, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1):
            sys.exit(f"rootstream {' '.join(words)} failed")
        found.append((time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss))
    seconds, cpu, memory = min(found)
    print(f"{title:<28}{seconds:6.2f} s {cpu:6.2f} s CPU {memory // 1024:6} MiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=300)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--project", type=Path, help="a project with a build, instead of one that is made up")
    parser.add_argument("--system", default="box")
    parser.add_argument("--file", default="/usr/lib/pack7/file7", help="what `why` is asked about")
    options = parser.parse_args()
    system = options.system
    with tempfile.TemporaryDirectory() as name:
        made_up = Path(name)
        folder = options.project or made_up
        if not options.project:
            export(folder, options.packages)
        measure(folder, "report", "report", system, "-o", str(made_up / "page.html"))
        print(f"  its page: {(made_up / 'page.html').stat().st_size / 1e6:.1f} MB")
        measure(folder, "sbom", "sbom", system, "-o", str(made_up / "sbom.json"))
        measure(folder, "why, a file", "why", system, options.file)
        measure(folder, "why, a folder", "why", system, "/usr")
        with ProcessPoolExecutor(1) as apart:  # what a process has used counts for those that it starts
            made = apart.submit(feeds, made_up, options.entries).result()
        for each, path in made.items():
            print(f"{each}: {path.stat().st_size / 1e6:.0f} MB")
            measure(folder, f"audit --feed {each}", "audit", system, "--feed", str(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
