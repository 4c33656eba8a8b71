"""Reasons for a symbol that is not as it was asked for, each from facts that lead to it and to no other."""

from __future__ import annotations

from typing import Any

import pytest

from rootstream.formats.kconfig.facts import (
    Facts,
    Reason,
    alternatives,
    described,
    expression,
    level,
    reason_for,
    symbols_of,
    unknown_reason,
    unmet,
)

Tree = list[Any]


def sym(name: str, value: str = "n", kind: str = "bool") -> Tree:
    return ["sym", {"n": 0, "m": 1, "y": 2}.get(value, 0), name, kind, value]


def both(*parts: Tree) -> Tree:
    return ["and", min(level(part) for part in parts), list(parts)]


def either(*parts: Tree) -> Tree:
    return ["or", max(level(part) for part in parts), list(parts)]


def without(part: Tree) -> Tree:
    return ["not", 2 - level(part), part]


def prompt(condition: Tree | None = None, text: str = "A thing", line: int = 2) -> dict[str, Any]:
    return {"text": text, "where": f"K:{line}", "value": level(condition), "if": condition}


def facts(symbol: str = "X", kind: str = "bool", value: str = "n", **more: Any) -> Facts:  # noqa: ANN401
    empty: dict[str, Any] = {
        "symbol": symbol,
        "type": kind,
        "modules": True,
        "transitional": False,
        "value": value,
        "where": "K:1",
        "prompts": [prompt()],
        "defaults": [],
        **dict.fromkeys(("selected", "depends", "implied", "range", "choice")),
    }
    return empty | more


A, B, C, ON = sym("A"), sym("B"), sym("C"), sym("ON", "y")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (None, "y"),
        (A, "A [=n]"),
        (sym("y", "y"), "y"),
        (sym("12", "n", "unknown"), "12"),
        (sym("0x1F", "n", "unknown"), "0x1F"),
        (sym("text", "text", "constant"), '"text"'),
        (sym("GONE", "n", "unknown"), "GONE [not in this tree]"),
        (both(A, either(B, ON)), "A [=n] && (B [=n] || ON [=y])"),
        (either(both(A, B), ON), "A [=n] && B [=n] || ON [=y]"),
        (either(A, either(B, C)), "A [=n] || B [=n] || C [=n]"),
        (without(either(A, ON)), "!(A [=n] || ON [=y])"),
        (without(both(A, ON)), "!(A [=n] && ON [=y])"),
        (without(A), "!A [=n]"),
        (["=", 0, A, B], "A [=n]=B [=n]"),
        (without(["!=", 2, A, B]), "!(A [=n]!=B [=n])"),
        (both(sym("<choice>", "y"), A), "A [=n]"),
    ],
)
def test_an_expression_as_menuconfig_shows_it(tree: Tree | None, expected: str) -> None:
    assert expression(tree) == expected


def test_parts_of_an_expression() -> None:
    tree = both(A, either(B, without(C)), ["=", 0, sym("T", "x"), sym("word", "word", "constant")], ON)
    assert symbols_of(tree) == ["A", "B", "C", "T", "ON"]
    assert symbols_of(None) == symbols_of(sym("<choice>", "y")) == []
    assert unmet(tree, 2) == [A, tree[2][2]]
    assert unmet(both(sym("M", "m"), ON), 2) == [sym("M", "m")]
    assert unmet(both(sym("M", "m"), ON), 1) == unmet(None, 2) == unmet(ON, 2) == []
    assert unmet(either(A, B), 1) == [either(A, B)]
    assert alternatives(None) == []
    assert alternatives(A) == [A]
    assert alternatives(either(A, B)) == [A, B]
    assert [level(each) for each in (None, A, sym("M", "m"), ON)] == [2, 0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "wanted", "fits"),
    [
        *(("bool", wanted, wanted in "yn") for wanted in ("y", "n", "m", "1")),
        *(("tristate", wanted, wanted in "ynm") for wanted in ("y", "n", "m", "1")),
        *(("string", wanted, wanted == '"a"') for wanted in ('"a"', "a")),
        *(("int", wanted, wanted in ("0", "-12")) for wanted in ("0", "-12", "012", "0x1", "y", "1 ")),
        *(("hex", wanted, wanted != "0y") for wanted in ("0x1F", "1f", "0XA", "0y")),
    ],
)
def test_a_value_that_the_type_does_not_fit(kind: str, wanted: str, *, fits: bool) -> None:
    reason = reason_for(wanted, None, facts(kind=kind), {})
    assert (reason.kind == "type") == (not fits)
    if not fits:
        assert reason.text == f"it is of type {kind}, which {wanted} does not fit (K:1)"


def test_what_it_depends_on_is_followed_to_what_can_be_set() -> None:
    condition = both(A, ON, without(C), sym("n"))
    others = {
        "A": facts("A", prompts=[prompt(both(B, sym("D")))]),
        "B": facts("B", prompts=[prompt(text="Bee", line=9)]),
        "D": facts("D", prompts=[], selected=either(both(sym("S"), ON), sym("T", "y"))),
        "ON": facts("ON", value="y"),
    }
    reason = reason_for("y", "n", facts(prompts=[prompt(condition)]), others)
    assert reason == Reason(
        kind="dependency",
        text="depends on A [=n] && ON [=y] && !C [=n] && n (K:2)",
        details=(
            "unmet: A [=n], n, which is set by a compiler test or belongs to another architecture",
            "A in turn needs B [=n] && D [=n]",
            "B can be set: 'Bee' (K:9)",
            "D has no prompt; it comes with what selects it: T [=y], S [=n]",
        ),
    )


def test_at_most_eight_further_symbols_and_each_once() -> None:
    names = [f"S{number}" for number in range(12)]
    tree = both(*(sym(name) for name in [*names, *names]))
    others = {name: facts(name, prompts=[]) for name in names}
    lines = reason_for("y", "n", facts(prompts=[prompt(tree)]), others).details[1:]
    assert lines == tuple(f"{name} has no prompt; nothing selects it" for name in names[:8])


def test_the_prompt_that_lacks_least_counts() -> None:
    many, few = prompt(both(A, B), line=3), prompt(C, line=4)
    assert reason_for("y", "n", facts(prompts=[many, few]), {}).text == "depends on C [=n] (K:4)"


@pytest.mark.parametrize(
    ("selected", "text"),
    [
        (either(both(ON, sym("P", "y")), A), "selected by ON [=y] && P [=y]"),
        (
            either(*(sym(f"S{n}", "y") for n in range(4))),
            "selected by " + ", and by ".join(f"S{n} [=y]" for n in range(4)),
        ),
        (
            either(*(sym(f"S{n}", "y") for n in range(7))),
            "selected by " + ", and by ".join(f"S{n} [=y]" for n in range(4)) + " (and 3 more)",
        ),
    ],
)
def test_what_is_selected_stays_on(selected: Tree, text: str) -> None:
    reason = reason_for("n", "y", facts(value="y", selected=selected), {})
    assert (reason.kind, reason.text) == ("selected", text)
    assert reason_for("y", "n", facts(selected=selected), {}).kind == "unexplained"


def test_a_selected_m_does_not_keep_m_from_being_chosen() -> None:
    reason = reason_for("m", "y", facts(kind="tristate", value="y", selected=sym("M", "m")), {})
    assert reason.kind == "unexplained"


@pytest.mark.parametrize(
    ("more", "details"),
    [
        ({}, ("nothing selects it and it has no default",)),
        (
            {"defaults": [{"to": ON, "if": A, "value": 0}, {"to": sym("n"), "if": None, "value": 2}]},
            ("default ON [=y] if A [=n]", "default n"),
        ),
        (
            {"selected": either(*(sym(f"S{number}") for number in range(8)), both(sym("Z", "y"), A))},
            ("it comes with what selects it: Z [=y], S0 [=n], S1 [=n], S2 [=n], S3 [=n], S4 [=n] and 3 more",),
        ),
        (
            {"defaults": [{"to": ON, "if": None, "value": 2}] * 9},
            ("default ON [=y]",) * 8,
        ),
    ],
)
def test_without_a_prompt_it_cannot_be_set(more: dict[str, Any], details: tuple[str, ...]) -> None:
    for kind, wanted in (("bool", "y"), ("int", "5")):
        reason = reason_for(wanted, "n", facts(kind=kind, prompts=[], **more), {})
        assert reason == Reason(
            kind="no-prompt", text="it has no prompt, so it cannot be set by hand (K:1)", details=details
        )


def test_it_is_hidden_while_it_is_on() -> None:
    reason = reason_for("n", "y", facts(value="y", prompts=[prompt(A)]), {})
    assert (reason.kind, reason.text) == ("hidden", "can only be changed with A [=n] (K:2)")


def test_no_modules() -> None:
    assert reason_for("m", "y", facts(kind="tristate", value="y", modules=False), {}).kind == "no-modules"
    assert reason_for("m", "y", facts(kind="tristate", value="y"), {}).kind == "unexplained"
    assert reason_for("y", "n", facts(kind="tristate", modules=False), {}).kind == "unexplained"


@pytest.mark.parametrize(
    ("wanted", "title", "members", "text"),
    [
        ("y", "Shell", (A, sym("Z", "y")), "only one member of the choice 'Shell' can be set, and that is Z"),
        ("y", None, (A, B), "only one member of a choice can be set, and that is none"),
        ("n", "Shell", (A, sym("Z", "y")), "the choice 'Shell' needs one member; set another one to y"),
    ],
)
def test_one_of_a_choice(wanted: str, title: str | None, members: tuple[Tree, ...], text: str) -> None:
    choice = {"prompt": title, "members": [list(member) for member in members]}
    # a member is ["sym", value, name, ...], as in expressions
    reason = reason_for(wanted, "n" if wanted == "y" else "y", facts(choice=choice), {})
    names = ", ".join(f"{member[2]} [={'nmy'[member[1]]}]" for member in members)
    assert reason == Reason(kind="choice", text=text, details=(f"members: {names}",))


@pytest.mark.parametrize(
    ("more", "wanted", "kind", "text"),
    [
        ({"prompts": [prompt(A)]}, "5", "dependency", "depends on A [=n] (K:2)"),
        ({"range": [sym("4"), sym("8")]}, "9", "range", "it may be 4 to 8 (K:1)"),
        ({}, "9", "unexplained", "nothing in K:1 forbids it"),
    ],
)
def test_numbers(more: dict[str, Any], wanted: str, kind: str, text: str) -> None:
    reason = reason_for(wanted, "8", facts(kind="int", value="8", **more), {})
    assert (reason.kind, reason.text) == (kind, text)


@pytest.mark.parametrize(
    ("wanted", "kind", "text"),
    [
        ("y", "renamed", "it is the old name of NEW, which has this value now: ask for CONFIG_NEW instead"),
        ('"word"', "renamed", "it is the old name of TEXT, which has this value now: ask for CONFIG_TEXT instead"),
        ("m", "dependency", "it is the old name of OTHER [=n], for which: depends on A [=n] (K:2)"),
    ],
)
def test_an_old_name(wanted: str, kind: str, text: str) -> None:
    successors = [sym("NEW", "y"), sym("TEXT", "word", "string"), sym("OTHER", "n", "tristate")]
    others = {"OTHER": facts("OTHER", kind="tristate", prompts=[prompt(A)])}
    reason = reason_for(wanted, "n", facts(transitional=True, successors=successors), others)
    assert (reason.kind, reason.text) == (kind, text)


def test_an_old_name_of_nothing() -> None:
    reason = reason_for("y", "n", facts(transitional=True, successors=[sym("NEW")]), {})
    assert (reason.kind, reason.text) == ("unexplained", "it is an old name, and nothing takes its value (K:1)")


def test_an_unknown_symbol_is_told_with_names_like_it() -> None:
    names = ("BRIDGE", "BRIDGE_NETFILTER", "Wlan_x", "USB")
    assert unknown_reason("BRIGDE", mentioned=False, names=names) == Reason(
        kind="unknown",
        text="there is no such symbol in this tree for this architecture",
        details=("nearest: CONFIG_BRIDGE",),
    )
    assert unknown_reason("WLAN_X", mentioned=True, names=names) == Reason(
        kind="unknown",
        text="there is no such symbol in this tree for this architecture"
        " (others depend on it, but nothing defines it)",
        details=("nearest: CONFIG_Wlan_x",),
    )
    assert unknown_reason("ZZZZ", mentioned=False, names=names).details == ()


def test_all_that_is_known_of_a_symbol() -> None:
    known = facts(
        prompts=[prompt(A), prompt(text="Again")],
        defaults=[{"to": ON, "if": B, "value": 0}, {"to": sym("n"), "if": None, "value": 2}],
        selected=either(A, ON),
        implied=sym("I", "m"),
        choice={"prompt": "Shell", "members": [A, ON]},
    )
    assert described(known).splitlines() == [
        "CONFIG_X (bool) [=n]  K:1",
        "  prompt 'A thing' if A [=n] (not in force) (K:2)",
        "  prompt 'Again' (in force) (K:2)",
        "  default ON [=y] if B [=n] (not in force)",
        "  default n (in force)",
        "  selected by ON [=y]",
        "  implied by I [=m]",
        "  members: A [=n], ON [=y]",
    ]
    assert described(facts(prompts=[])).splitlines()[1:] == ["  no prompt: it cannot be set by hand"]
