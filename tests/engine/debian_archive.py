"""A small signed Debian archive that is made here and served locally, and the real bst to use it."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SUITES = ("steady", "steady-security")
PROJECT = """\
name: debian
min-version: 2.5
element-path: elements
plugins:
- origin: pip
  package-name: rootstream
  sources: [debian_packages, debian_source]
"""


@dataclass
class Bst:
    """A project with its own cache, driven by the real bst."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    python: str = sys.executable

    def __post_init__(self) -> None:
        (self.path / "elements").mkdir(parents=True)
        (self.path / "project.conf").write_text(PROJECT)
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(self.path),
            "XDG_CACHE_HOME": str(self.path / "cache"),
            "XDG_CONFIG_HOME": str(self.path / "config"),
            "LC_ALL": "C.UTF-8",
            "ROOTSTREAM_DEBIAN_MIRRORS": "",
            **self.env,
        }

    def element(self, name: str, source: str) -> Path:
        lines = "\n".join(f"  {line}" for line in source.strip().splitlines())
        path = self.path / "elements" / name
        path.write_text(f"kind: import\nsources:\n- {lines.strip()}\n")
        return path

    def argv(self, *words: str) -> list[str]:
        return [*self.prefix, self.python, "-m", "buildstream", "--no-interactive", "--no-colors", *words]

    def run(self, *words: str, status: int = 0) -> str:
        """Run bst and return what it says; its own exit status is 255 for any failure."""
        done = subprocess.run(
            self.argv(*words),
            cwd=self.path,
            env=self.env,
            text=True,
            capture_output=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        assert " BUG " not in done.stderr
        return done.stderr + done.stdout

    def fails(self, *words: str) -> str:
        return self.run(*words, status=255)

    def key(self, name: str) -> str:
        return self.run("show", "--deps", "none", "--format", "%{full-key}", name).strip().splitlines()[-1]

    def checkout(self, name: str) -> Path:
        self.run("build", name)
        place = self.path / "out" / name
        self.run("artifact", "checkout", name, "--directory", str(place))
        return place


def tar(files: dict[str, str | tuple[str, int]], packer: Literal["gz", "bz2", "xz"] = "xz") -> bytes:
    """Return a compressed tar; a text beginning with `-> ` is a symbolic link."""
    out = io.BytesIO()
    modes: dict[str, Literal["w:gz", "w:bz2", "w:xz"]] = {"gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}
    with tarfile.open(fileobj=out, mode=modes[packer], format=tarfile.GNU_FORMAT) as archive:
        for name, given in files.items():
            text, mode = given if isinstance(given, tuple) else (given, 0o644)
            member = tarfile.TarInfo(name)
            member.mode = mode
            if text.startswith("-> "):
                member.type, member.linkname = tarfile.SYMTYPE, text[3:]
            else:
                member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def deb(files: dict[str, str | tuple[str, int]], control: str = "") -> bytes:
    out = b"!<arch>\n"
    about: dict[str, str | tuple[str, int]] = {"./control": control} if control else {}
    members = (("debian-binary", b"2.0\n"), ("control.tar.xz", tar(about)), ("data.tar.xz", tar(files)))
    for name, content in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return out


class Repository:
    """A Debian archive in a folder, signed with a key of its own; `suites` may be a flat repository's `./`."""

    def __init__(self, root: Path, home: str, suites: tuple[str, ...] = SUITES) -> None:
        self.root = root
        self.suites = suites
        self.gpg = ["gpg", "--batch", "--homedir", home, "--pinentry-mode", "loopback", "--passphrase", ""]
        self.binaries: dict[tuple[str, str], list[str]] = {}
        self.sources: dict[str, list[str]] = {}
        self.keyring, self.armored = root / "archive.gpg", root / "archive.asc"
        self._gpg("--quick-gen-key", "archive@example.invalid", "ed25519", "sign", "never")
        self._gpg("--output", str(self.keyring), "--export")
        self._gpg("--armor", "--output", str(self.armored), "--export")

    def _gpg(self, *words: str) -> None:
        subprocess.run([*self.gpg, *words], check=True, capture_output=True)

    def put(self, path: str, content: bytes) -> dict[str, str]:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return {"path": path, "size": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}

    def package(
        self,
        name: str,
        version: str,
        files: dict[str, str | tuple[str, int]],
        *,
        arch: str = "amd64",
        suite: str | None = None,
        fields: str = "",
    ) -> None:
        suite = suite or self.suites[0]
        pool = "pool/updates" if suite.endswith("-security") else "pool"
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: nobody\n{fields}"
            f"Description: {name}\n"
        )
        path = f"{pool}/main/{name}_{version.rsplit(':', maxsplit=1)[-1]}_{arch}.deb"
        entry = self.put(path, deb(files, control))
        shown = f"./{path}" if suite.endswith("/") else path
        for target in ("amd64", "riscv64") if arch == "all" else (arch,):
            self.binaries.setdefault((suite, target), []).append(
                f"{control}Filename: {shown}\nSize: {entry['size']}\nSHA256: {entry['sha256']}\n"
            )

    def source(self, name: str, version: str, files: dict[str, bytes], suite: str = SUITES[0]) -> None:
        entries = [self.put(f"pool/main/{name}/{file}", content) for file, content in files.items()]
        rows = "".join(f" {e['sha256']} {e['size']} {e['path'].rpartition('/')[2]}\n" for e in entries)
        self.sources.setdefault(suite, []).append(
            f"Package: {name}\nBinary: {name}\nVersion: {version}\nMaintainer: nobody\nFormat: 3.0 (quilt)\n"
            f"Directory: pool/main/{name}\nFiles:\n{''.join(re.sub('[0-9a-f]{64}', '0' * 32, rows))}"
            f"Checksums-Sha256:\n{rows}"
        )

    def publish(self) -> None:
        """Write the indexes and sign them."""
        for suite in self.suites:
            flat = suite.endswith("/")
            if flat:
                texts = {"Packages": self.binaries.get((suite, "amd64"), [])}
            else:
                texts = {
                    f"main/binary-{arch}/Packages": self.binaries.get((suite, arch), [])
                    for arch in ("amd64", "riscv64")
                }
                texts["main/source/Sources"] = self.sources.get(suite, [])
            place = suite if flat else f"dists/{suite}/"
            folder = self.root / place
            sums = ""
            for path, stanzas in texts.items():
                content = "".join(f"{stanza}\n" for stanza in stanzas).encode()
                for name, data in ((path, content), (f"{path}.xz", lzma.compress(content))):
                    self.put(f"{place}{name}", data)
                    sums += f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n"
            (folder / "Release").write_text(
                f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64 riscv64\n"
                f"Components: main\nDate: Sat, 01 Aug 2026 00:00:00 UTC\nSHA256:\n{sums}"
            )
            (folder / "InRelease").unlink(missing_ok=True)
            self._gpg("--clearsign", "--output", str(folder / "InRelease"), str(folder / "Release"))


@dataclass
class Site:
    """The repository, served; `hold` keeps back the second half of packages until `release` is set."""

    repository: Repository
    address: str = ""
    asked: list[str] = field(default_factory=list)
    hold: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def text(self, *, suites: str = SUITES[0], more: str = "") -> str:
        """Return the keys of a source that say where this archive is."""
        keys = f"suites: [{suites}]\nmirrors: ['{self.address}']\nkeyring: {self.repository.keyring}\n"
        return keys + more

    def packages(self, *names: str, arch: str = "amd64", suites: str = SUITES[0], more: str = "") -> str:
        head = f"kind: debian_packages\narchitecture: {arch}\npackages: [{', '.join(names)}]\n"
        return head + self.text(suites=suites, more=more)

    def source(self, name: str, more: str = "") -> str:
        return f"kind: debian_source\npackage: {name}\n" + self.text(more=more)


def refs(path: Path) -> list[str]:
    return re.findall(r"^  - name: (\S+)$", path.read_text(), re.MULTILINE)
