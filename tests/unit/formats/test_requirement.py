"""Requirement lines: names and versions reach pip, and pip runs nothing of what it downloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.errors import Problems, UserError
from rootstream.formats import requirement
from rootstream.plan import inputs

HASH = "--hash=sha256:" + "0" * 64
GOOD = (
    "six",
    "six==1.16.0",
    "six (>=1.9)",
    "requests[security, socks] >= 2.8.1, == 2.8.* ; python_version < '3.7' and (os_name == \"posix\")",
    "a.b-c_d~=1.0,!=1.1",
    "x===1!2.0+local",
    "x;python_version>='3.8'",
    "x ; 'linux' in sys_platform",
    f"six==1.16.0 {HASH} {HASH}",
    "  six  ==  1.0  ",
)
BAD = (
    "evil @ file:///tmp/evil.tar.gz",
    "evil@https://example.org/evil.zip",
    "evil[x] @ git+https://example.org/evil",
    "file:///tmp/evil.tar.gz",
    "git+ext::sh -c x",
    "https://example.org/evil.whl",
    "/srv/evil",
    "./evil",
    ".",
    "..",
    "~/evil",
    "evil/",
    "evil-1.0.tar.gz",
    "evil-1.0-py3-none-any.whl",
    "EVIL.ZIP",
    "-e evil",
    "--editable=evil",
    "--index-url https://example.org",
    "-i https://example.org",
    "--extra-index-url=https://example.org",
    "--find-links /tmp",
    "--trusted-host example.org",
    "--no-binary :all:",
    "--pre",
    "-r other.txt",
    "-c other.txt",
    "six --config-settings=x=y",
    "six --global-option=x",
    "six --install-option=x",
    "six ; python_version > '3' --config-settings=x",
    "six --hash=sha256:0",
    "six; python_version @ '3'",
    "six==${SECRET}",
    "six==1.0 extra",
    "six\\",
    "six==1.0\x00",
    "six\n-e evil",
    "six\u2028-e evil",
    "",
    "s" * 5000,
    "x" + " " * 4000 + "!",
    "x;" + "a" * 4000 + "!",
    "x==" + "1," * 2000 + "!",
)


@pytest.mark.parametrize("line", GOOD)
def test_what_pip_may_have(line: str) -> None:
    assert requirement.problem(line) is None


@pytest.mark.parametrize("line", BAD)
def test_what_pip_may_not_have(line: str) -> None:
    assert requirement.problem(line)


def test_lines_are_joined_and_comments_taken_off() -> None:
    text = f"# all\n\nsix==1.0 \\\n    {HASH} \\\n    {HASH}\nx # why\n  # y\\\nz\\\n"
    assert list(requirement.lines(text)) == [(3, f"six==1.0 {HASH} {HASH}"), (6, "x"), (8, "z")]


@pytest.mark.parametrize("line", ["evil @ file:///x", "/srv/evil", "-e ./evil", "--index-url https://example.org"])
@pytest.mark.parametrize("word", ["install", "from_source", "build_requires"])
def test_a_description_names_packages_only(tmp_path: Path, word: str, line: str) -> None:
    words = "" if word == "install" else "          install: [six]\n"
    text = "systems:\n  a:\n    root: debian\n    images: [tar]\n    layers:\n      - python:\n"
    (tmp_path / "system.yaml").write_text(f"{text}{words}          {word}:\n            - {line!r}\n")
    with pytest.raises(Problems) as raised:
        load(tmp_path / "system.yaml")
    assert [(each.reason, each.where and each.where.line) for each in raised.value.problems] == [
        ("bad-value", 9 if words else 8)
    ]


def test_a_file_of_requirements_names_packages_only(tmp_path: Path) -> None:
    path = tmp_path / "wanted.txt"
    path.write_text(f"six==1.0 \\\n  {HASH}\n# more\n")
    assert inputs.requirement_text(path) == f"six==1.0 {HASH}\n"
    path.write_text("six # one\n\nevil @ https://example.org/evil.tar.gz\n")
    with pytest.raises(UserError) as raised:
        inputs.requirement_text(path)
    assert (raised.value.reason, raised.value.where and raised.value.where.line) == ("requirement-refused", 3)


@pytest.mark.parametrize(("length", "good"), [(4096, True), (4097, False)])
def test_a_line_has_a_bound(length: int, *, good: bool) -> None:
    assert (requirement.problem("s" * length) is None) == good
