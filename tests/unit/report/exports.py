"""An export of each kind of root, small and written by hand, for tests that read exports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HASH = {name: hashlib.sha256(name.encode()).hexdigest() for name in "abcdefghij"}


def deb(name: str, version: str, letter: str, **more: str) -> dict[str, Any]:
    path = f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb"
    row = {
        "name": name,
        "version": version,
        "architecture": "amd64",
        "path": path,
        "size": 1,
        "sha256": HASH[letter],
    }
    return {**row, **more}


def packages(*rows: Mapping[str, Any], ships: str | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    source = {"kind": "debian_packages", "suites": ["trixie", "trixie-security"], "architecture": "amd64", **more}
    return {"source": source, "ref": list(rows)} | ({"ships": ships} if ships else {})


def source(name: str, version: str, *, patches: bool = False, ships: str | None = None) -> dict[str, Any]:
    folder = f"pool/main/{name[0]}/{name}"
    files = [
        {"path": f"{folder}/{name}_{version}.orig.tar.xz", "size": 1, "sha256": HASH["a"]},
        {"path": f"{folder}/{name}_{version}.debian.tar.xz", "size": 1, "sha256": HASH["b"]},
    ]
    made = {"kind": "debian_source", "package": name, "patches": patches, "suites": ["trixie"], "version": ""}
    return {"source": made, "ref": {"version": version, "files": files}, "ships": ships or name}


BASE = packages(deb("gcc-14", "14.2.0-19", "c"), deb("syslinux", "6.04-1", "d"))
HELLO: dict[str, Any] = {
    "inputs": [
        BASE,
        source("linux", "6.12.107-1", patches=True),
        source("busybox", "1:1.37.0-6"),
        source("musl", "1.2.5-3.1~deb13u1"),
    ],
    "contents": {
        "product": {"name": "Hello", "version": "1.4", "supplier": "Example Ltd", "license": "MIT"},
        "own": [
            {"kind": "overlay", "name": "overlay", "folder": "overlay/", "sha256": HASH["e"]},
            {
                "kind": "package",
                "name": "agent",
                "folder": "agent",
                "license": "LicenseRef-own",
                "crates": [
                    {
                        "name": "libc",
                        "version": "0.2.1",
                        "checksum": HASH["f"],
                        "source": "registry+https://github.com/rust-lang/crates.io-index",
                    },
                ],
                "modules": [{"path": "golang.org/x/sys", "version": "v0.1.0", "sum": "h1:x="}],
            },
        ],
        "origins": {"the root": {"component": "busybox"}, "0-skeleton.tar": {"component": "rootstream"}},
        "linked": ["syslinux"],
    },
}
DEBIAN: dict[str, Any] = {
    "inputs": [
        BASE,
        packages(
            deb("libc6", "2.41-12", "g"),
            deb("tool", "1.0", "h", repository="vendor"),
            ships="packages",
            repositories=[{"name": "vendor", "url": "https://apt.example.org/"}],
        ),
        {
            "source": {"kind": "python_wheels", "python": "3.13", "machine": "x86_64"},
            "ref": [
                {
                    "name": "My.Wheel",
                    "version": "3.1",
                    "file": "my_wheel-3.1-py3-none-any.whl",
                    "size": 1,
                    "sha256": HASH["i"],
                }
            ],
            "ships": "python",
        },
    ],
    "contents": {"product": {}, "origins": {"the root": {"packages": ["dpkg"]}}},
}
BUILDROOT: dict[str, Any] = {
    "inputs": [
        {
            "source": {"kind": "buildroot_git", "url": "https://example.org/b.git", "track": "2026.08"},
            "ref": {"commit": "a" * 40},
        }
    ],
    "contents": {
        "product": {},
        "buildroot": [
            {
                "name": "zlib",
                "version": "1.3.1",
                "license": "Zlib",
                "cpe": "cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*",
                "ignored": ["CVE-2023-45853"],
                "patches": ["0001-fix.patch"],
                "downloads": [
                    {
                        "name": "zlib-1.3.1.tar.xz",
                        "sha256": HASH["j"],
                        "url": "https://example.org/zlib-1.3.1.tar.xz",
                    }
                ],
            },
            {"name": "host-m4", "version": "1.4.19", "host": True, "license": "GPL-3.0+"},
        ],
    },
}
ELEMENTS: dict[str, Any] = {
    "inputs": [],
    "contents": {"product": {}, "origins": {"the root": {"unknown": "project:image.bst"}}},
}
INVENTORY: list[dict[str, Any]] = [
    {"record": "format", "format": 1},
    {
        "record": "deb",
        "name": "libc6",
        "version": "2.41-12",
        "architecture": "amd64",
        "source": "glibc",
        "source_version": "2.41-12",
        "maintainer": "GNU Libc Maintainers <x@example.org>",
        "licenses": ["GPL-2+", "LGPL-2.1+"],
        "built_using": "gcc-14 (= 14.2.0-19)",
        "copyright": HASH["a"],
    },
    {"record": "wheel", "name": "my-wheel", "version": "3.1", "license": "MIT"},
    {"record": "config", "tree": "linux", "release": "6.12.107-hello", "symbols": {"NET": "y"}},
    {"record": "file", "path": "", "kind": "directory", "mode": 493, "uid": 0, "gid": 0, "layer": "the root"},
    {
        "record": "file",
        "path": "etc/motd",
        "kind": "file",
        "mode": 420,
        "uid": 0,
        "gid": 0,
        "layer": "1-overlay.tar",
        "size": 3,
        "sha256": HASH["b"],
    },
]


def export(folder: Path, told: Mapping[str, Any], inventory: list[dict[str, Any]] | None = None) -> Path:
    """Write an export as a build does."""
    folder.mkdir(parents=True)
    (folder / "bzImage").write_bytes(b"kernel")
    data = {
        "version": 1,
        "system": folder.name,
        "arch": "x86_64",
        "rootstream": "0.1.0",
        "plan": HASH["a"],
        "epoch": 1735689600,
        "files": [
            {"name": "bzImage", "kind": "kernel", "size": 6, "sha256": hashlib.sha256(b"kernel").hexdigest()}
        ],
        **told,
    }
    (folder / "manifest.json").write_text(json.dumps(data))
    if inventory is not None:
        (folder / "inventory.jsonl").write_text(
            "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in inventory)
        )
    return folder
