"""The schema against `load`: it takes what `load` takes, and refuses unknown words as `load` does."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rootstream.description.load import load
from rootstream.description.schema import DIALECT, json_schema
from rootstream.description.yaml_nodes import parse, plain
from rootstream.errors import Problems
from tests.loading import one

DATA = Path(__file__).parents[1] / "data" / "load"
EXAMPLES = sorted((Path(__file__).parents[3] / "src" / "rootstream" / "examples").glob("*/system.yaml"))
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def as_json(value: object) -> Any:  # noqa: ANN401  (JSON)
    """Return what an editor makes of YAML: lists, and words that are text."""
    if isinstance(value, dict):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def document(text: str) -> Any:  # noqa: ANN401
    node, _ = parse(text.encode(), Path("system.yaml"))
    return as_json(plain(node))


EVERYTHING = document((DATA / "everything" / "system.yaml").read_text())


def everything() -> Any:  # noqa: ANN401
    return copy.deepcopy(EVERYTHING)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(DATA / "everything", tmp_path, dirs_exist_ok=True)
    return tmp_path


def written(folder: Path, found: object) -> Path:
    """Write a document, each value on a line; JSON is YAML, but for the numbers that are words."""
    text = json.dumps(found, indent=0)
    for port in ("2222", "8080", "1"):
        text = text.replace(f'"{port}":', f"{port}:")
    path = folder / "system.yaml"
    path.write_text(text)
    return path


def loads(folder: Path, found: object) -> bool:
    try:
        load(written(folder, found))
    except Problems:
        return False
    return True


def mappings(value: object, depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return all mappings of a document, each with how deep it is."""
    if isinstance(value, dict):
        yield depth, value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from mappings(each, depth + 1)


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == DIALECT
    assert json_schema() == SCHEMA


def test_the_file_with_every_word(folder: Path) -> None:
    assert list(VALIDATOR.iter_errors(everything())) == []
    assert loads(folder, everything())


def test_the_file_has_every_word() -> None:
    """Keep the file honest: a new word of the models has to come into it."""
    written = {word for _, mapping in mappings(EVERYTHING) for word in mapping}
    full = [each for name, each in SCHEMA["definitions"].items() if not name.endswith(("Change", "Addition"))]
    words = {word for each in full for word in each["properties"]}
    assert words - written == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(document(path.read_text()))) == []


@pytest.mark.parametrize(
    "words",
    [
        "layers:",
        "machine:",
        "kernel:\nimages: [tar]",
        "images: [tar, {ext: }, {disk: {}}, {squashfs: {name: a}}]",
        "checks: [{console: x}, login, http, {login: }, {http: }]",
        "kernel: {source: debian}",
        "kernel: {source: {local: linux}, base: {file: linux.config}}",
        "kernel: {base: allnoconfig}",
        "machine: {memory: 512 MiB, timeout: 1.5, boot: , nics: [{}, ], disks: [{size: 1048576}]}",
        "machine: {memory: 1073741824, nics: [{forward: }]}",
        "layers: [{permissions: [{path: /a, mode: 0755}, {path: /a, mode: '0755'}, {path: /a, mode: 0o755}]}]",
        "layers: [{users: }, {groups: []}, {root_login: }]",
        "layers: [{users: [{name: a, sudo: true, password: locked, uid: }]}]",
        "variants: ",
        "variants: {b: , c: {}, d: {add: }, e: {add: {}}}",
        "variants: {b: {kernel: , images: [tar], machine: {cores: 2}}}",
        "variants: {b: {root: {elements: {target: x.bst, project: linux}}}}",
        "variants: {b: {add: {layers: [{hostname: a}], root: {busybox: {optional: [A]}}, images: []}}}",
        "variants: {b: {add: {kernel: {fragments: [linux.config]}, machine: {disks: [{size: 1M}]}}}}",
    ],
)
def test_both_take(folder: Path, words: str) -> None:
    text = one(words)
    (folder / "system.yaml").write_text(text)
    assert load(folder / "system.yaml").systems
    assert [error.message for error in VALIDATOR.iter_errors(document(text))] == []


@pytest.mark.parametrize(
    "words",
    [
        "arch: x86",
        "layers: {}",
        "layers: [overlay]",
        "layers: [{hostname: a, issue: b}]",
        "layers: [{hostname: 12}]",
        "layers: [{users: [{}]}]",
        "layers: [{users: [{name: a, sudo: 'yes'}]}]",
        "layers: [{users: [{name: a, password: {}}]}]",
        "layers: [{permissions: [{path: /a, mode: '0855'}]}]",
        "images: []",
        "images: [elements]",
        "images: [{disk: {partitions: []}}]",
        "images: [{disk: {sector_size: 513}}]",
        "checks: [port]",
        "checks: [console]",
        "checks: [{within: 5}]",
        "machine: {memory: 12X}",
        "machine: {timeout: 0}",
        "machine: {boot: []}",
        "machine: {nics: [{forward: {a: 1}}]}",
        "machine: {nics: [{mac: '12:34'}]}",
        "kernel: {base: {}}",
        "kernel: {source: tar}",
        "variants: {B: {}}",
        "variants: {b: {images: []}}",
        "variants: {b: {variants: {}}}",
        "variants: {b: {add: {arch: []}}}",
        "variants: {b: {add: {kernel: {modules: true}}}}",
        "variants: {b: {add: {add: {}}}}",
        "add: {}",
    ],
)
def test_both_refuse(folder: Path, words: str) -> None:
    found = document("systems: {a: {}}")
    found["systems"]["a"] = {"root": "busybox", "kernel": {}, "images": ["initramfs"], **document(f"{{{words}}}")}
    assert not loads(folder, found)
    assert not VALIDATOR.is_valid(found)


@pytest.mark.parametrize("depth", sorted({depth for depth, _ in mappings(EVERYTHING)}))
def test_load_refuses_an_unknown_word_anywhere(folder: Path, depth: int) -> None:
    found = everything()
    changed = [mapping for deep, mapping in list(mappings(found)) if deep == depth]
    for mapping in changed:
        mapping["strange"] = {"strange": 1}
    path = written(folder, found)
    with pytest.raises(Problems) as caught:
        load(path)
    refused = {problem.where and problem.where.line for problem in caught.value.problems}
    strange = [number for number, line in enumerate(path.read_text().splitlines(), 1) if '"strange": {' in line]
    assert len(strange) == len(changed)
    for number in strange:  # where all words are names, as of variants, what stands below the word is refused
        assert refused & {number, number + 1}, number


def test_the_schema_refuses_an_unknown_word_anywhere() -> None:
    found = everything()
    for _, mapping in list(mappings(found)):
        mapping["strange"] = {"strange": 1}
        assert not VALIDATOR.is_valid(found), mapping
        del mapping["strange"]
