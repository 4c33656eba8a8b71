"""The list of a root's files: what brought each, as dpkg's database and the layers say."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from rootstream.sandbox import handover
from rootstream.sandbox.inventory import dpkg, root
from rootstream.sandbox.rootfs.spec import RootSpec

STATUS = """\
Package: hello
Status: install ok installed
Maintainer: Jane Doe <jane@example.org>
Architecture: amd64
Source: greetings (1.0-2)
Version: 1.0-2+b1
Essential: yes
Built-Using: gcc-14 (= 14.2.0-19)
Static-Built-Using: rust-libc (= 0.2-1)
Pre-Depends: libc6
Depends: dash (>= 1),
 bash
Description: greets
 Homepage: not a field

Package: other
Status: install ok installed
Architecture: all
Version: 2

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 3
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: hello

Files: *
Copyright: Jane Doe
License: GPL-2+
 The text.

Files: debian/*
Copyright: Jane Doe
License: Expat

License: Apache-2.0
 Named by no file.
"""
METADATA = "Metadata-Version: 2.4\nName: My_Wheel\nVersion: 3.1\nLicense-Expression: MIT\n\nText\n"
SITE = "usr/local/lib/python3.13/dist-packages"


def archive(path: Path, files: dict[str, str | bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path


def listed(
    tmp_path: Path, files: dict[str, str | bytes], *layers: Path, spec: RootSpec | None = None
) -> list[Any]:
    base = archive(tmp_path / "base.tar", files, {"bin": "usr/bin"})
    (tmp_path / "spec.json").write_bytes(handover.dump(spec or RootSpec(epoch=1)))
    words = ["--base", str(base), "--spec", str(tmp_path / "spec.json"), "-o", str(tmp_path / "out.jsonl")]
    words += [word for path in layers for word in ("--over", str(path))]
    root.write(root._parser().parse_args(words))
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def debian(**more: str) -> dict[str, str | bytes]:
    return {
        "usr/bin/hello": "hello",
        "usr/bin/made": "made by a script",
        "usr/bin/both.distrib": "of other",
        "usr/bin/both": "of hello",
        "usr/share/doc/hello/copyright": COPYRIGHT,
        "usr/share/doc/other/copyright": "Written for people.\n",
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/info/hello.list": "/.\n/bin\n/bin/hello\n/usr/bin/both\n/usr/share/doc/hello/copyright\n",
        "var/lib/dpkg/info/other:all.list": "/usr/bin/both\n/usr/share/doc/other/copyright\n",
        "var/lib/dpkg/diversions": "/usr/bin/both\n/usr/bin/both.distrib\nhello\n",
        **more,
    }


def by_path(rows: list[Any]) -> dict[str, Any]:
    return {row["path"]: row for row in rows if row["record"] == "file"}


def test_files_belong_to_packages_and_layers(tmp_path: Path) -> None:
    layer = archive(tmp_path / "1-overlay.tar", {"bin/hello": "mine", "etc/motd": "hi"})
    rows = listed(tmp_path, debian(), layer)
    assert rows[0] == {"record": "format", "format": 1}
    files = by_path(rows)
    assert files["usr/bin/both"]["packages"] == ["hello"]
    assert files["usr/bin/both.distrib"]["packages"] == ["other"]
    assert "packages" not in files["usr/bin/made"]
    assert files["usr/bin/made"]["layer"] == "the root"
    replaced = files["usr/bin/hello"]
    assert (replaced["layer"], replaced["replaces"]) == ("1-overlay.tar", ["hello"])
    assert replaced["sha256"] == hashlib.sha256(b"mine").hexdigest()
    assert files["etc/motd"]["layer"] == "1-overlay.tar"
    assert list(files) == sorted(files)


def test_packages_are_those_that_are_installed(tmp_path: Path) -> None:
    found = {row["name"]: row for row in listed(tmp_path, debian()) if row["record"] == "deb"}
    assert sorted(found) == ["hello", "other"]
    hello = found["hello"]
    assert (hello["source"], hello["source_version"]) == ("greetings", "1.0-2")
    assert hello["licenses"] == ["Expat", "GPL-2+"]
    assert hello["essential"] is True
    assert hello["depends"] == "libc6, dash (>= 1), bash"
    assert hello["homepage"] == ""
    assert hello["built_using"] == "gcc-14 (= 14.2.0-19), rust-libc (= 0.2-1)"
    assert (found["other"]["source"], found["other"]["source_version"]) == ("other", "2")
    assert found["other"]["licenses"] is None
    assert found["other"]["copyright"] == hashlib.sha256(b"Written for people.\n").hexdigest()


def test_what_is_dropped_is_known_and_gone(tmp_path: Path) -> None:
    rows = listed(tmp_path, debian(), spec=RootSpec(epoch=1, drop=("/var/lib/dpkg", "/usr/bin/both*")))
    files = by_path(rows)
    assert files["usr/bin/hello"]["packages"] == ["hello"]
    assert not any(path.startswith(("var/lib/dpkg", "usr/bin/both")) for path in files)


def test_wheels_own_what_their_records_name(tmp_path: Path) -> None:
    record = "my_wheel/a.py,,\nmy_wheel-3.1.dist-info/RECORD,,\n../../../bin/my,,\n"
    layer = archive(
        tmp_path / "python.tar",
        {
            f"{SITE}/my_wheel-3.1.dist-info/METADATA": METADATA,
            f"{SITE}/my_wheel-3.1.dist-info/RECORD": record,
            f"{SITE}/my_wheel/a.py": "",
            f"{SITE}/my_wheel/__pycache__/a.cpython-313.pyc": "x",
            "usr/local/bin/my": "#!",
            "usr/local/bin/not": "#!",
        },
    )
    rows = listed(tmp_path, debian(**{"usr/lib/python3/dist-packages/x-1.dist-info/METADATA": METADATA}), layer)
    (wheel,) = (row for row in rows if row["record"] == "wheel")
    assert (wheel["name"], wheel["version"], wheel["license"]) == ("my-wheel", "3.1", "MIT")
    owned = {path for path, row in by_path(rows).items() if row.get("packages") == ["my-wheel"]}
    assert owned == {
        "usr/local/bin/my",
        f"{SITE}/my_wheel/a.py",
        f"{SITE}/my_wheel/__pycache__/a.cpython-313.pyc",
        f"{SITE}/my_wheel-3.1.dist-info/METADATA",
        f"{SITE}/my_wheel-3.1.dist-info/RECORD",
    }


def test_names_that_are_not_utf_8_are_readable_json(tmp_path: Path) -> None:
    folder = tmp_path / "layer"
    folder.mkdir()
    (Path(str(folder)) / b"caf\xe9".decode("utf-8", "surrogateescape")).write_text("x")
    assert "caf\\xe9" in by_path(listed(tmp_path, {"a": "x"}, folder))


def test_license_texts_are_listed_once(tmp_path: Path) -> None:
    layer = archive(
        tmp_path / "python.tar",
        {
            f"{SITE}/my_wheel-3.1.dist-info/METADATA": METADATA,
            f"{SITE}/my_wheel-3.1.dist-info/RECORD": "my_wheel-3.1.dist-info/licenses/LICENSE,,\n",
            f"{SITE}/my_wheel-3.1.dist-info/licenses/LICENSE": "Do as you like.\n",
        },
    )
    files = debian(**{"usr/share/doc/other/copyright": COPYRIGHT})
    texts = [row for row in listed(tmp_path, files, layer) if row["record"] == "text"]
    assert [(row["kind"], row["component"], row.get("text")) for row in texts] == [
        ("deb", "hello", COPYRIGHT),
        ("deb", "other", None),
        ("pypi", "my-wheel", "Do as you like.\n"),
    ]
    assert texts[0]["sha256"] == texts[1]["sha256"] == hashlib.sha256(COPYRIGHT.encode()).hexdigest()


def test_configurations_are_listed(tmp_path: Path) -> None:
    text = '# Busybox version: 1.37.0\nCONFIG_LS=y\n# CONFIG_VI is not set\nCONFIG_PREFIX="x"\n'
    rows = listed(tmp_path, {root.BUSYBOX_CONFIG: text, root.MUSL_VERSION: "1.2.5\n"})
    musl, config = (row for row in rows if row["record"] == "config")
    assert (musl["tree"], musl["release"], musl["symbols"]) == ("musl", "1.2.5", {})
    assert (config["tree"], config["release"]) == ("busybox", "1.37.0")
    assert config["symbols"] == {"LS": "y", "PREFIX": '"x"'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("License: MIT\n", None),
        ("Format: https://example.org/\nLicense: MIT\n", None),
        (COPYRIGHT, ("Expat", "GPL-2+")),
        (COPYRIGHT.replace("https://www.debian", "http://www.debian"), ("Expat", "GPL-2+")),
        (COPYRIGHT.split("\n\n", maxsplit=1)[0] + "\nLicense: ISC\n", ("ISC",)),
    ],
)
def test_only_copyright_files_for_programs_are_read(text: str, expected: tuple[str, ...] | None) -> None:
    assert dpkg.licenses(text) == expected


def test_sources_of_a_kernel(tmp_path: Path) -> None:
    (tmp_path / "sources").write_text("a.c\ninclude/x.h\nnet/b.c\nnet/c.c\n")
    (tmp_path / "compiled").write_text("net/c.c\n")
    assert list(root._sources(tmp_path)) == []
    (tmp_path / "compiled").write_text("init/main.c\nnet/../include//x.h\nnet/c.c\nnet/generated.c\n")
    assert list(root._sources(None)) == []
    (row,) = root._sources(tmp_path)
    assert row["compiled"] == {"include": ["x.h"], "net": ["c.c"]}
    assert row["other"] == {"": ["a.c"], "net": ["b.c"]}
