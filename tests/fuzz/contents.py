"""Readers of what exports, feeds and packages say of their contents, as functions of a file."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from rootstream.description import vex
from rootstream.description.audit import Audit
from rootstream.engine import signed_list
from rootstream.engine.stored import Digest
from rootstream.errors import UserError
from rootstream.host import envelopes
from rootstream.report import audit as auditing
from rootstream.report import components, cyclonedx_bom, feeds, inventory, licenses, provenance, spdx_document
from rootstream.report.feeds import FeedFile
from rootstream.report.inventory import Inventory
from rootstream.sandbox.inventory import dpkg
from rootstream.verbs import contents
from tests.unit.report.exports import BUILDROOT, DEBIAN, ELEMENTS, HELLO, INVENTORY

_HEAD = {"system": "box", "arch": "x86_64", "rootstream": "0.1.0", "plan": "x", "epoch": 1735689600, "files": []}
EXPORTS = tuple(json.dumps({**_HEAD, **told}).encode() for told in (HELLO, DEBIAN, BUILDROOT, ELEMENTS))
LISTS = ("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in INVENTORY).encode(),)
_FORMAT = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
COPYRIGHTS = (
    _FORMAT + b"\nFiles: *\nLicense: GPL-2+ or MIT, and BSD-3-clause\n text\n",
    b"GPL-2.0+ (programs), LGPL-2.1+ (library), MIT or Apache-2.0",
)
CRATES = (b'version = 3\n[[package]]\nname = "libc"\nversion = "0.2.1"\nsource = "registry+x"\nchecksum = "ab"\n',)
MODULES = (b"# golang.org/x/sys v0.1.0 => ../sys v0.2.0\n## explicit; go 1.17\ngolang.org/x/sys/unix\n",)
_DECISION = b"vulnerability: CVE-1-2, component: zlib, systems: [box], status: affected, reason: r, author: a"
DECISIONS = (b"decisions:\n- {" + _DECISION + b', date: "2026-12-01", until: "2027-12-01"}\n',)
FEEDS = tuple(
    json.dumps(told).encode()
    for told in (
        {"glibc": {"CVE-1-2": {"releases": {"trixie": {"status": "resolved", "fixed_version": "2.41-13"}}}}},
        {"busybox": {"CVE-1-2": {"releases": {"trixie": {"status": "open", "urgency": "low"}}}}},
        {
            "id": "GHSA-1",
            "aliases": ["CVE-1-2"],
            "affected": [
                {
                    "package": {"ecosystem": "PyPI", "name": "my-wheel"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.2"}]}],
                    "versions": ["3.0"],
                }
            ],
        },
        {
            "vulnerabilities": [
                {
                    "cve": {
                        "id": "CVE-1-2",
                        "metrics": {"cvssMetricV31": [{"cvssData": {"baseSeverity": "HIGH"}}]},
                        "configurations": [
                            {
                                "nodes": [
                                    {
                                        "cpeMatch": [
                                            {
                                                "vulnerable": True,
                                                "criteria": "cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*",
                                                "versionEndExcluding": "1.4",
                                            }
                                        ]
                                    }
                                ]
                            }
                        ],
                    }
                }
            ]
        },
        {
            "dataType": "CVE_RECORD",
            "cveMetadata": {"cveId": "CVE-1-2", "state": "PUBLISHED"},
            "containers": {
                "cna": {
                    "affected": [
                        {
                            "product": "Linux",
                            "defaultStatus": "affected",
                            "programFiles": ["a.c"],
                            "versions": [{"version": "6.6", "lessThanOrEqual": "6.6.*", "status": "unaffected"}],
                        }
                    ]
                }
            },
        },
        {"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-1-2"}]},
    )
)


@cache
def _systems() -> tuple[components.System, ...]:
    return tuple(components.system(json.loads(each), _known(), Path("manifest.json")) for each in EXPORTS)


def _known() -> Inventory:
    return Inventory(debs=[inventory.Deb(**{**INVENTORY[1], "licenses": tuple(INVENTORY[1]["licenses"])})])


def exported(path: Path) -> None:
    """Read a manifest, and write bills of materials of it."""
    folder = path.parent / "export"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / "manifest.json")
    data, _ = components.find(folder)
    system = components.system(data, _known(), folder / "manifest.json")
    json.loads(cyclonedx_bom.document(system))
    json.loads(spdx_document.document(system))


def listed(path: Path) -> None:
    """Read a list of files, all of it and one path."""
    inventory.read(path)
    inventory.find(path, "etc/motd")


def audit(path: Path) -> None:
    """Read a feed, and audit systems by it."""
    for system in _systems():
        auditing.data(
            auditing.audit(
                system,
                feeds.read([FeedFile(path=path, name=path.name)], auditing.wanted(system)),
                Audit(),
                "2026-12-01",
            )
        )


def decisions(path: Path) -> None:
    """Read decisions on vulnerabilities."""
    vex.load(path.read_bytes(), path, ("box", "box@debug"))


def copyright_file(path: Path) -> None:
    """Read a copyright file of Debian, and a statement of Buildroot's; what comes out is a license expression."""
    text = path.read_bytes().decode("utf-8", "replace")
    for found in (
        licenses.debian(dpkg.licenses(text) or ()),
        licenses.buildroot(text),
        licenses.wheel(text, [text]),
    ):
        if found is not None:
            assert licenses.names(found)


def crates(path: Path) -> None:
    """Read a Cargo.lock."""
    shutil.copyfile(path, path.parent / "Cargo.lock")
    contents.crates(path.parent, path.parent)


def modules(path: Path) -> None:
    """Read a list of vendored modules, which is also the list of their hashes."""
    (path.parent / "vendor").mkdir(exist_ok=True)
    shutil.copyfile(path, path.parent / "vendor/modules.txt")
    shutil.copyfile(path, path.parent / "go.sum")
    contents.modules(path.parent, path.parent)


@cache
def _key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@cache
def statements() -> tuple[bytes, ...]:
    """Return a signed statement."""
    told = provenance.statement(_systems()[0], [("x", "0" * 64)], None)
    with tempfile.NamedTemporaryFile() as file:
        file.write(_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        return (provenance.signed(told, Path(file.name)),)


def provenance_file(path: Path) -> None:
    """Verify a statement by the key that has signed the seed."""
    key = path.parent / "key.pem"
    key.write_bytes(_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    found = provenance.verified(path, key)
    assert (found.subjects, found.builder) == ({"x": "0" * 64}, provenance.LOCAL)  # nothing else has a signature


@cache
def result_lists() -> tuple[bytes, ...]:
    """Return the statement of a list of signed results."""
    digest = Digest("0" * 64, 100)
    now = datetime(2026, 12, 1, tzinfo=UTC)
    told = signed_list.empty().renewed(now, more={"p/one/aa": digest}, revoke=["1" * 64])
    return (json.dumps(signed_list.statement(told)).encode(),)


def result_list(path: Path) -> None:
    """Read a list of signed results, whatever it says, signed by a key that is trusted."""
    signer = CryptoSigner(_key())
    envelope = Envelope(path.read_bytes(), envelopes.PAYLOAD, {})
    envelope.sign(signer)
    try:
        found = signed_list.decoded(json.dumps(envelope.to_dict()).encode(), signer.public_key)
    except signed_list.NotAList as error:
        raise UserError("bad-list", str(error)) from error
    assert all(each.size > 0 for each in found.entries.values())
