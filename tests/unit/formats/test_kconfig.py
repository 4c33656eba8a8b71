"""The pure parts of the Kconfig check.

kconfig_facts.jsonl is what explain.c said of the tree in tests/engine/test_kconfig_tree.py, linked
with the Kconfig of Linux 6.12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rootstream.formats.kconfig.facts import Reason, expression, reason_for
from rootstream.formats.kconfig.fragment import (
    Problem,
    Request,
    config_values,
    fragment_requests,
    last_requests,
    merged,
    same,
)
from rootstream.formats.kconfig.report import (
    SHOWN_DIFFERENCES,
    base_differences,
    changed_since,
    chosen_later,
    doubtful,
    explained,
    log_text,
    not_static,
    problem_of,
    report_of,
    unbuilt_modules,
    unmet_selections,
    without_modules,
)
from rootstream.sandbox.kconfig import configure

LINES = Path(__file__).with_name("kconfig_facts.jsonl").read_text("utf-8").splitlines()
FACTS: Mapping[str, Any] = {entry["symbol"]: entry for line in LINES if "symbol" in (entry := json.loads(line))}


def request(symbol: str, value: str, file: str = "a.config", line: int = 1) -> Request:
    return Request(symbol=symbol, value=value, file=file, line=line)


def holding(*requests: Request) -> dict[str, Request]:
    return last_requests(requests)


def test_fragment_gives_requests_with_their_lines() -> None:
    text = (
        '# A comment\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x \\"y\\" # z"  \r\n'
        "CONFIG_D=-12\nCONFIG_E=0xFf\n#CONFIG_F=y\n"
    )
    requests, problems = fragment_requests("a.config", text)
    assert problems == []
    assert [(each.symbol, each.value, each.line) for each in requests] == [
        ("A", "y", 3),
        ("B", "n", 4),
        ("C", '"x \\"y\\" # z"', 5),
        ("D", "-12", 6),
        ("E", "0xFf", 7),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_A",
        "CONFIG_A = y",
        " CONFIG_A=y",
        "CONFIG_A=",
        "CONFIG_A=yes",
        "CONFIG_A=Y",
        "CONFIG_A=y # why",
        "CONFIG_A=word",
        'CONFIG_A="open',
        'CONFIG_A="open\\"',
        'CONFIG_A="one" two',
        'CONFIG_A="one\x0btwo"',
        'CONFIG_A="\0"',
        "CONFIG-A=y",
        "A=y",
        "config_a=y",
        "#CONFIG_A is not set",
        "# CONFIG_A is not set because",
        "# CONFIG_A  is not set",
        "CONFIG_Ä=y",
        "<<<<<<< HEAD",
    ],
)
def test_malformed_line_is_an_error_with_its_place(line: str) -> None:
    requests, problems = fragment_requests("a.config", f"CONFIG_GOOD=y\n{line}\n")
    assert [each.symbol for each in requests] == ["GOOD"]
    assert [(each.severity, each.kind, each.file, each.line) for each in problems] == [
        ("error", "malformed", "a.config", 2)
    ]


def test_all_malformed_lines_are_reported_at_once() -> None:
    _, problems = fragment_requests("a.config", "x\nCONFIG_A=y\ny\nz")
    assert [each.line for each in problems] == [1, 3, 4]


def test_two_values_in_one_fragment_are_a_warning_and_the_same_twice_is_not() -> None:
    _, problems = fragment_requests("a", "CONFIG_A=y\nCONFIG_B=0x10\nCONFIG_B=0x0010\nCONFIG_A=n\n")
    assert [(each.severity, each.kind, each.symbol, each.line) for each in problems] == [
        ("warning", "contradiction", "A", 4)
    ]


def test_later_fragment_wins_and_moves_to_the_end() -> None:
    last = holding(request("A", "y"), request("B", "y"), request("A", "m", "b.config", 7))
    assert [(each.symbol, each.value, each.file) for each in last.values()] == [
        ("B", "y", "a.config"),
        ("A", "m", "b.config"),
    ]


@pytest.mark.parametrize(
    ("wanted", "got", "expected"),
    [
        ("y", "y", True),
        ("y", "m", False),
        ("m", "y", False),
        ("y", None, False),
        ("n", None, True),
        ("n", "n", True),
        ("n", "y", False),
        ("8", "8", True),
        ("8", "0x8", True),  # a hex symbol takes digits without 0x
        ("16", "0x10", False),
        ("10", "0x10", True),
        ("0x10", "16", False),
        ("0x10", "0x00000010", True),
        ("0xAB", "0xab", True),
        ("-1", "-1", True),
        ('"8"', "8", False),
        ("8", '"8"', False),
        ('"a"', '"a"', True),
        ('"a\\z"', '"az"', True),
        ('"a\\"b"', '"a\\"b"', True),
        ('"a"', '"A"', False),
        ('""', '""', True),
        ('""', None, False),
    ],
)
def test_same(wanted: str, got: str | None, expected: bool) -> None:
    assert same(wanted, got) is expected


def test_config_values_reads_what_kconfig_writes() -> None:
    text = '# Linux/x86 6.12 Kernel\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="# x"\n# end of A\n'
    assert config_values(text) == {"A": "y", "B": "n", "C": '"# x"'}


def test_merged_replaces_and_orders_for_each_kconfig() -> None:
    base = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_KEPT=1\n"
    requests = holding(request("B", "y"), request("A", "n"))
    assert merged(base, requests, old=False) == "CONFIG_KEPT=1\nCONFIG_B=y\n# CONFIG_A is not set\n"
    assert merged(base, requests, old=True) == "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_KEPT=1\n"


def test_doubtful_are_the_differing_and_the_unknown() -> None:
    requests = holding(request("A", "y"), request("B", "y"), request("C", "n"), request("D", "n"))
    result = {"A": "y", "B": "m"}
    assert [each.symbol for each in doubtful(requests, result, ["C"])] == ["B", "C"]
    assert [each.symbol for each in doubtful(requests, result, None)] == ["B", "C", "D"]


@pytest.mark.parametrize(
    ("symbol", "wanted", "got", "kind", "says"),
    [
        ("HIDDEN", "n", "y", "hidden", "EXPERT [=n]"),
        ("DEVICE", "m", None, "dependency", "BRIDGE [=n]"),
        ("WARP", "y", None, "dependency", "EXPERT [=n]"),
        ("FORCED", "n", "y", "selected", "FORCER [=y] && BUS [=y]"),
        ("SIZE", "9", "8", "range", "4 to 8"),
        ("TITLE", "5", '"none"', "type", "string"),
        ("EXPERT", '"y"', "n", "type", "bool"),
        ("EXPERT", "m", "n", "type", "bool"),
        ("SIZE", "0x5", "5", "type", "int"),
        ("DERIVED", "4", "7", "no-prompt", "tiny.Kconfig:61"),
        ("SLOW", "y", "n", "choice", "FAST"),
        ("FAST", "n", "y", "choice", "Speed"),
        ("CORE_USER", "m", "y", "no-modules", "MODULES"),
        ("EXPERT", "y", "n", "unexplained", "tiny.Kconfig:7"),
    ],
)
def test_reason_for(symbol: str, wanted: str, got: str | None, kind: str, says: str) -> None:
    reason = reason_for(wanted, got, FACTS[symbol], FACTS)
    assert reason.kind == kind
    assert says in reason.text


def test_dependency_names_the_unmet_parts_and_what_can_be_set() -> None:
    facts = {**FACTS, "BRIDGE": {**FACTS["BRIDGE"], "prompts": [{**FACTS["WARP"]["prompts"][0]}]}}
    reason = reason_for("y", None, FACTS["DEVICE"], facts)
    assert reason.text.startswith(
        "depends on BRIDGE [=n] && (FOREIGN_ARCH [not in this tree] || !BLOCKER [=n]) (tiny.Kconfig:26)"
    )
    assert reason.details == (
        "unmet: BRIDGE [=n]",
        "BRIDGE in turn needs EXPERT [=n]",
        "EXPERT can be set: 'Expert' (tiny.Kconfig:8)",
    )


def test_old_name_whose_value_arrived_is_only_a_warning() -> None:
    old = {**FACTS["EXPERT"], "transitional": True, "successors": [["sym", 2, "FAST", "bool", "y"]]}
    reason = reason_for("y", None, old, FACTS)
    assert reason.kind == "renamed"
    problem = problem_of(request("EXPERT", "y"), None, reason, optional=False)
    assert problem.severity == "warning"


def test_old_name_whose_value_was_lost_is_an_error_with_the_new_ones_reason() -> None:
    old = {**FACTS["EXPERT"], "transitional": True, "successors": [["sym", 0, "WARP", "bool", "n"]]}
    reason = reason_for("y", None, old, FACTS)
    assert reason.kind == "dependency"
    assert "WARP" in reason.text
    assert problem_of(request("EXPERT", "y"), None, reason, optional=False).severity == "error"
    assert reason_for("y", None, {**old, "successors": []}, FACTS).kind == "unexplained"


def test_change_after_the_report_is_found() -> None:
    asked = holding(request("A", "y"), request("B", "n"), request("C", "4"))
    report = json.loads(json.dumps(report_of(asked, {"A": "y", "C": "4"}, [])))
    assert changed_since(report, {"A": "y", "B": "n", "C": "4", "D": "y"}) == []
    problems = changed_since(report, {"B": "y", "C": "5"})
    assert [(each.symbol, each.kind, each.got) for each in problems] == [
        ("A", "changed-later", None),
        ("B", "changed-later", "y"),
        ("C", "changed-later", "5"),
    ]


def test_check_verb(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps(report_of(holding(request("A", "y")), {"A": "y"}, [])))
    config = tmp_path / ".config"
    argv = ["check", "--report", str(report), "--config", str(config)]
    assert configure.main(argv) == 2
    config.write_text("CONFIG_A=y\n")
    assert configure.main(argv) == 0
    config.write_text("# CONFIG_A is not set\n")
    assert configure.main(argv) == 2
    for nonsense in ("", "[]", "{}", '{"requested": [{}], "result": {}}'):
        report.write_text(nonsense)
        assert configure.main(argv) == 2


def test_report_is_written_when_the_tree_cannot_be_configured(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    argv = ["configure", "--kind", "linux", "--tree", str(tmp_path), "--base", "tinyconfig"]
    assert configure.main([*argv, "--report", str(report)]) == 2
    assert [each["kind"] for each in json.loads(report.read_text())["problems"]] == ["not-configured"]


def test_unknown_symbol_gets_the_nearest_names() -> None:
    known = explained([request("BRIGDE", "y")], LINES)
    reason = known["BRIGDE"]
    assert isinstance(reason, Reason)
    assert reason.kind == "unknown"
    assert reason.details == ("nearest: CONFIG_BRIDGE",)


def test_silence_is_no_consent() -> None:
    silence = explained([request("ABSENT", "y")], LINES)["ABSENT"]
    assert isinstance(silence, Reason)
    assert silence.kind == "unexplained"


@pytest.mark.parametrize(
    ("wanted", "got", "optional", "severity"),
    [("y", None, False, "error"), ("y", "m", True, "note"), ("n", None, False, "warning")],
)
def test_problem_severity(wanted: str, got: str | None, optional: bool, severity: str) -> None:
    problem = problem_of(request("A", wanted), got, Reason(kind="unknown", text="x"), optional=optional)
    assert (problem.severity, problem.symbol, problem.wanted, problem.got) == (severity, "A", wanted, got)


def test_message_names_place_request_and_result() -> None:
    reason = Reason(kind="selected", text="selected by B [=y]", details=("more",))
    problem = problem_of(request("A", "n", "linux.config", 12), "y", reason, optional=False)
    assert str(problem).split("\n") == [
        'linux.config:12: CONFIG_A=n was requested, but the final configuration has "y"',
        "    selected by B [=y]",
        "    more",
    ]


def test_another_choice_of_a_later_fragment_overrides() -> None:
    slow = request("SLOW", "y", "recipe.config")
    later = holding(slow, request("FAST", "y", "user.config"))
    assert chosen_later(slow, FACTS["SLOW"], later)
    assert not chosen_later(slow, FACTS["SLOW"], holding(slow, request("FAST", "y", "recipe.config")))
    assert not chosen_later(slow, FACTS["SLOW"], holding(request("FAST", "y", "early.config"), slow))
    assert not chosen_later(slow, FACTS["SLOW"], holding(slow))


def test_expression_brackets() -> None:
    a, b, c = (["sym", 0, name, "bool", "n"] for name in "ABC")
    assert expression(["and", 0, [a, ["or", 0, [b, c]]]]) == "A [=n] && (B [=n] || C [=n])"
    assert expression(["or", 0, [a, ["and", 0, [b, c]]]]) == "A [=n] || B [=n] && C [=n]"
    assert expression(["not", 2, ["or", 0, [a, b]]]) == "!(A [=n] || B [=n])"
    assert expression(["not", 2, ["=", 0, a, ["sym", 1, "m", "constant", "m"]]]) == "!(A [=n]=m)"
    assert expression(["and", 0, [["sym", 2, "<choice>", "bool", "y"], a]]) == "A [=n]"


def test_base_file_differences_leave_out_what_fragments_asked_for() -> None:
    base = {"A": "y", "B": "y", "C": "n", "D": '"x"'}
    problems = base_differences("old.config", base, {"A": "m", "B": "n", "D": '"x"'}, ["B"])
    assert [(each.symbol, each.severity, each.kind) for each in problems] == [("A", "warning", "base-changed")]


def test_selection_against_dependencies_is_a_warning() -> None:
    said = (
        "\nWARNING: unmet direct dependencies detected for A\n  Depends on [n]: B [=n]\n"
        "  Selected by [y]:\n  - C [=y]\n\nother\n"
    )
    problems = unmet_selections(said)
    assert [(each.symbol, each.severity, each.kind) for each in problems] == [("A", "warning", "unmet-selection")]
    assert problems[0].details == ("Depends on [n]: B [=n]", "Selected by [y]:", "- C [=y]")


def test_a_module_that_nobody_builds_is_an_error_where_it_was_asked_for() -> None:
    asked = holding(request("DUMMY", "m", "linux.config", 2), request("BRIDGE", "m"), request("NET", "y"))
    result = {"NET": "y", "DUMMY": "m", "BRIDGE": "m"}
    problems = unbuilt_modules("", {}, asked, result, frozenset({"BRIDGE"}), wanted=True)
    assert [(each.symbol, each.severity, each.kind) for each in problems] == [
        ("DUMMY", "error", "module-not-built"),
        ("BRIDGE", "note", "module-not-built"),
    ]
    assert (problems[0].file, problems[0].line) == ("linux.config", 2)
    assert "CONFIG_DUMMY=y" in problems[0].reason
    assert "modules: true" in problems[0].reason


@pytest.mark.parametrize(("asked", "place"), [((), ("", 0)), (("n",), ("linux.config", 3))])
def test_modules_that_cannot_be_are_an_error(asked: tuple[str, ...], place: tuple[str, int]) -> None:
    requests = holding(*(request("MODULES", value, "linux.config", 3) for value in asked))
    (problem,) = without_modules(requests, {"NET": "y", **dict.fromkeys(("MODULES",) * len(asked), "n")})
    assert (problem.severity, problem.kind, (problem.file, problem.line)) == ("error", "modules-off", place)
    assert without_modules(requests, {"MODULES": "y"}) == []


def test_modules_that_nobody_asked_for_are_one_warning() -> None:
    result = {f"S{number}": "m" for number in range(30)} | {"MINE": "m", "NET": "y"}
    (problem,) = unbuilt_modules("my.config", {"MINE": 7}, {}, result, frozenset(), wanted=True)
    assert (problem.severity, problem.symbol, problem.file, problem.line) == ("warning", "MINE", "my.config", 7)
    assert "30 more" in problem.message
    (problem,) = unbuilt_modules("defconfig", {}, {}, result, frozenset(), wanted=True)
    assert (problem.severity, problem.file, problem.line) == ("warning", "", 0)
    (problem,) = unbuilt_modules("", {}, {}, result, frozenset(), wanted=False)
    assert problem.severity == "note"
    assert unbuilt_modules("", {}, {}, {"NET": "y"}, frozenset(), wanted=True) == []


def test_report_is_plain_data() -> None:
    asked = holding(request("A", "y"), request("B", "n"))
    problem = problem_of(asked["A"], "n", Reason(kind="selected", text="x"), optional=False)
    report = report_of(asked, {"A": "n", "C": "y"}, [problem])
    assert json.loads(json.dumps(report))["ok"] is False
    assert report["result"] == {"A": "n", "B": None}
    assert report["problems"][0]["kind"] == "selected"


def test_long_list_of_base_differences_is_cut_in_the_message() -> None:
    base = {f"S{number}": "y" for number in range(40)}
    problems = base_differences("old.config", base, {}, [])
    text = log_text(problems)
    assert "40 values" in text
    assert len(text.splitlines()) < 20


@pytest.mark.parametrize(
    "argv",
    [
        ["configure", "--kind", "linux", "--tree", "/nonexistent", "--base", "tinyconfig"],
        ["explain", "--kind", "linux", "--tree", "/nonexistent", "--symbol", "A"],
    ],
)
def test_missing_tree_is_the_users_to_mend(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert configure.main(argv) == 2
    assert "/nonexistent" in capsys.readouterr().err


def test_fragment_is_shown_by_the_users_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scripts/kconfig").mkdir(parents=True)
    fragment = tmp_path / "1.config"
    fragment.write_text("nonsense\n")
    argv = ["configure", "--kind", "linux", "--tree", str(tmp_path), "--base", "tinyconfig"]
    assert configure.main([*argv, "--fragment", f"mine=yours.config={fragment}"]) == 2
    assert capsys.readouterr().err.startswith("rootstream: error symbol-malformed: mine=yours.config:1: ")


@pytest.mark.parametrize("base", ["../../x_defconfig", "-f_defconfig", "oldconfig", "clean", "", "a b_defconfig"])
def test_base_is_no_way_to_run_other_targets(tmp_path: Path, base: str) -> None:
    (tmp_path / "scripts/kconfig").mkdir(parents=True)
    argv = ["configure", "--kind", "linux", "--tree", str(tmp_path), f"--base={base}"]
    assert configure.main(argv) == 2


def test_a_program_without_its_c_library_is_told_at_its_line() -> None:
    (request,) = fragment_requests("my.config", "\n# CONFIG_STATIC is not set\n")[0]
    (problem,) = not_static("defconfig", {"STATIC": request}, {"STATIC": "n"})
    assert (problem.severity, problem.kind, problem.file, problem.line) == ("error", "not-static", "my.config", 2)
    (problem,) = not_static("my_defconfig", {}, {})
    assert (problem.file, problem.line) == ("my_defconfig", 0)
    (refused,) = fragment_requests("my.config", "CONFIG_STATIC=y\n")[0]
    (problem,) = not_static("defconfig", {"STATIC": refused}, {})  # an optional one is told as a note, and no more
    assert (problem.severity, problem.line) == ("error", 1)
    assert not_static("defconfig", {}, {"STATIC": "y"}) == []


@pytest.mark.parametrize("count", [1, 2, SHOWN_DIFFERENCES, SHOWN_DIFFERENCES + 1, SHOWN_DIFFERENCES + 5])
def test_a_log_has_the_first_differences_of_a_base(count: int) -> None:
    changed = [
        Problem(severity="warning", kind="base-changed", message=f"S{number} changed", symbol="S", file="base")
        for number in range(count)
    ]
    first, *lines = log_text(changed).splitlines()
    values = "one value" if count == 1 else f"{count} values"
    have = "of the base have other values in the final configuration:"
    assert first == f"rootstream: warning symbol-base-changed: base: {values} {have}"
    shown = [f"rootstream:       S{number} changed" for number in range(min(count, SHOWN_DIFFERENCES))]
    rest = count - SHOWN_DIFFERENCES
    assert lines == shown + ([f"rootstream:       ... and {rest} more, listed in the report"] if rest > 0 else [])


@pytest.mark.parametrize("count", [1, 2, SHOWN_DIFFERENCES + 1, SHOWN_DIFFERENCES + 2])
def test_further_modules_are_named(count: int) -> None:
    result = {f"S{number:02}": "m" for number in range(count)}
    (problem,) = unbuilt_modules("", {}, {}, result, frozenset(), wanted=True)
    names = [f"CONFIG_S{number:02}" for number in range(1, count)]
    shown = ", ".join(names[:SHOWN_DIFFERENCES]) + (" ..." if len(names) > SHOWN_DIFFERENCES else "")
    assert problem.details == ((f"also: {shown}",) if names else ())
    assert problem.message.startswith("CONFIG_S00=m" + (f" (and {count - 1} more)," if names else ","))
