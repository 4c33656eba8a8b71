"""Python sources: what they say of themselves, what the plan does with them, versions in the lock."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.model import Described, Description, System
from rootstream.formats.faults import Fault
from rootstream.plan import inputs, make, refs
from rootstream.plan.model import Plan
from rootstream_bst.python import source_metadata

SETUP = "[options]\ninstall_requires =\n    requests>=2  # for http\n    six\n"
INFO = "Metadata-Version: 2.1\nName: x\nRequires-Dist: six (>=1.9)\nRequires-Dist: pytest; extra == 'test'\n\n"
PBR = '[build-system]\nrequires = ["pbr>=6", "setuptools"]\n'
TABLE = '[project]\nname = "x"\ndependencies = ["MarkupSafe; python_version > \'3\'"]\n'


@pytest.mark.parametrize(
    ("texts", "build", "run"),
    [
        ({}, source_metadata.LEGACY, ()),
        ({"pyproject.toml": TABLE}, source_metadata.LEGACY, ("MarkupSafe; python_version > '3'",)),
        ({"PKG-INFO": INFO, "setup.cfg": SETUP}, source_metadata.LEGACY, ("six (>=1.9)",)),
        ({"setup.cfg": SETUP}, source_metadata.LEGACY, ("requests>=2", "six")),
        (
            {"pyproject.toml": PBR, "requirements.txt": "# all\n-r other.txt\noslo.log>=5 # Apache\n"},
            ("pbr>=6", "setuptools"),
            ("oslo.log>=5",),
        ),
    ],
)
def test_what_a_source_needs(texts: dict[str, str], build: tuple[str, ...], run: tuple[str, ...]) -> None:
    assert source_metadata.of_texts(texts, "x") == source_metadata.Needs(build=build, run=run)


@pytest.mark.parametrize(
    "text", ["[", '[build-system]\nrequires = "pbr"\n', "build-system = 1\n", "[project]\ndependencies = [1]\n"]
)
def test_what_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(Fault) as caught:
        source_metadata.of_texts({"pyproject.toml": text}, "x")
    assert caught.value.reason == "no-metadata"


def sdist(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_only_the_files_of_the_top_count(tmp_path: Path) -> None:
    path = sdist(
        tmp_path / "x-1.tar.gz",
        {"x-1/PKG-INFO": INFO.encode(), "x-1/tests/pyproject.toml": PBR.encode(), "pyproject.toml": b"["},
    )
    assert source_metadata.of_archive(path).run == ("six (>=1.9)",)


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x-1.tar.gz"
    path.write_bytes(b"no archive")
    with pytest.raises(Fault) as caught:
        source_metadata.of_archive(path)
    assert caught.value.reason == "invalid-sdist"


def test_links_are_not_followed_out_of_a_tree(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a-secret-requirement\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/requirements.txt").symlink_to(tmp_path / "secret")
    assert source_metadata.of_folder(tmp_path / "tree").run == ()
    with pytest.raises(Fault):
        source_metadata.of_folder(tmp_path / "none")


def plan(folder: Path, **words: object) -> Plan:
    layer: dict[str, Any] = {"python": {"install": ("six",), **words}}
    root = {"debian": {"suite": "trixie", "packages": ("python3",)}}
    system = System.model_validate({"root": root, "layers": (layer,), "images": ("tar",)})
    description = Description(systems=(Described(name="box", variant=None, system=system),))
    return make.plan(description, inputs.gather(description, folder), None)[0]


def test_wheels_alone_need_no_compiler(tmp_path: Path) -> None:
    assert not [name for name in plan(tmp_path).elements if name.startswith("python-builder")]


def test_sources_are_built_by_the_suites_own_python(tmp_path: Path) -> None:
    tree = {"name": "My.Agent", "url": "file:///srv/agent.git", "track": "main", "version": "1.10"}
    made = plan(tmp_path, from_source=("docopt",), git=(tree,), build_packages=("libffi-dev",))
    (builder,) = (each for name, each in made.elements.items() if name.startswith("python-builder-trixie"))
    assert {"python3-dev", "gcc", "libffi-dev"} <= set(builder.sources[0].words["packages"])
    (built,) = (each for name, each in made.elements.items() if name.startswith("python-x86_64"))
    kinds = [source.kind for source in built.sources]
    assert kinds == ["local", "git", "python_sources"]
    assert built.sources[2].words["trees"] == ["git/my-agent"]
    assert "PBR_VERSION=1.10 " in built.commands[-2]
    assert "--no-index" in built.commands[-2]


@pytest.mark.parametrize("version", ["1.10", "20240118", "0x10", "1e3"])
def test_a_version_is_no_number(tmp_path: Path, version: str) -> None:
    made = plan(tmp_path)
    (name,) = (name for name in made.elements if name.startswith("python-x86_64"))
    (tmp_path / "project.refs").write_text(
        f"projects:\n  rootstream:\n    {name}:\n    - ref:\n      - {{name: six, version: {version}, size: 7}}\n"
    )
    ((found,),) = refs.read(made, tmp_path).values()
    assert found == {"name": "six", "version": version, "size": 7}


@pytest.mark.parametrize("line", ["evil @ https://example.org/evil.zip", "./evil", "https://example.org/evil.whl"])
def test_what_a_source_needs_has_a_name(line: str) -> None:
    with pytest.raises(Fault) as caught:
        source_metadata.of_texts({"pyproject.toml": f"[build-system]\nrequires = ['{line}']\n"}, "x")
    assert caught.value.reason == "no-metadata"


def test_an_sdist_that_claims_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x-1.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("x-1/PKG-INFO")
        member.pax_headers = {f"key{number}": "v" * 100_000 for number in range(40)}
        archive.addfile(member)
    with pytest.raises(Fault) as caught:
        source_metadata.of_archive(path)
    assert caught.value.reason == "invalid-sdist"
