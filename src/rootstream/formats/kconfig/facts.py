"""What a tree's own Kconfig code says about symbols, and the reasons that it gives for a request that failed.

The facts are the JSON lines of explain.c, which says what an expression looks like in them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rootstream.formats.kconfig.fragment import PREFIX, same

LEVELS = {"n": 0, "m": 1, "y": 2}
LETTERS = "nmy"
_NUMBER = re.compile(r"-?\d+|0[xX][0-9a-fA-F]+", re.ASCII)

Facts = Mapping[str, Any]  # one line of explain.c


def expression(tree: Any, outer: str = "") -> str:  # noqa: ANN401  (checked JSON of our own program)
    """Return an expression as text with the present value of each symbol, the way menuconfig shows it."""
    if tree is None:
        return "y"
    operator = tree[0]
    if operator == "sym":
        return _symbol_text(tree)
    if operator == "not":
        return f"!{expression(tree[2], 'not')}"
    if operator in ("and", "or"):
        sign = " && " if operator == "and" else " || "
        text = sign.join(expression(part, operator) for part in tree[2] if not _is_choice(part))
        return text if outer in ("", operator) or (operator, outer) == ("and", "or") else f"({text})"
    text = f"{expression(tree[2])}{operator}{expression(tree[3])}"
    return f"({text})" if outer == "not" else text


def _symbol_text(tree: Any) -> str:  # noqa: ANN401
    _, _, name, kind, value = tree
    if name in LEVELS or _NUMBER.fullmatch(name):
        return str(name)
    if kind == "constant":
        return f'"{name}"'
    return f"{name} [not in this tree]" if kind == "unknown" else f"{name} [={value}]"


def _is_choice(tree: Any) -> bool:  # noqa: ANN401
    return tree is not None and tree[0] == "sym" and tree[2] == "<choice>"


def level(tree: Any) -> int:  # noqa: ANN401
    """Return the value of an expression as the tree's code computed it: 0 n, 1 m, 2 y."""
    return 2 if tree is None else int(tree[1])


def unmet(tree: Any, wanted: int) -> list[Any]:  # noqa: ANN401
    """Return the parts, joined by &&, that keep an expression below a value."""
    if tree is None or level(tree) >= wanted:
        return []
    return [part for part in tree[2] if level(part) < wanted] if tree[0] == "and" else [tree]


def alternatives(tree: Any) -> list[Any]:  # noqa: ANN401
    """Return the parts of an expression that || joins."""
    if tree is None:
        return []
    return list(tree[2]) if tree[0] == "or" else [tree]


def symbols_of(tree: Any) -> list[str]:  # noqa: ANN401
    """Return the symbols named in an expression, but for constants."""
    if tree is None:
        return []
    if tree[0] == "sym":
        return [] if tree[3] == "constant" or tree[2] == "<choice>" else [tree[2]]
    parts = tree[2] if tree[0] in ("and", "or") else tree[2:]
    return [name for part in parts for name in symbols_of(part)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a symbol has not the value asked for; `kind` is one of the words in `reason_for`."""

    kind: str
    text: str
    details: tuple[str, ...] = ()


def reason_for(wanted: str, got: str | None, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    """Say why, from what the tree knows of the symbol (`facts`) and of those that it depends on (`others`).

    Kinds: type, no-modules, renamed, dependency, hidden, no-prompt, selected, choice, range, unexplained.
    """
    kind = str(facts["type"])
    if facts.get("transitional"):
        return _renamed_reason(wanted, facts, others)
    if not _fits(kind, wanted):
        return Reason(kind="type", text=f"it is of type {kind}, which {wanted} does not fit ({facts['where']})")
    if kind in ("bool", "tristate"):
        return _switch_reason(LEVELS[wanted], LEVELS.get(got or "n", 0), facts, others)
    return _value_reason(wanted, facts, others)


def _renamed_reason(wanted: str, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    for _, _, name, kind, value in facts["successors"]:
        if same(wanted, f'"{value}"' if kind == "string" else value):
            text = f"it is the old name of {name}, which has this value now: ask for {PREFIX}{name} instead"
            return Reason(kind="renamed", text=text)
    for _, _, name, _, value in facts["successors"]:
        if name in others:
            reason = reason_for(wanted, value, others[name], others)
            text = f"it is the old name of {name} [={value}], for which: {reason.text}"
            return Reason(kind=reason.kind, text=text, details=reason.details)
    return Reason(kind="unexplained", text=f"it is an old name, and nothing takes its value ({facts['where']})")


def _fits(kind: str, wanted: str) -> bool:
    if kind in ("bool", "tristate"):
        return wanted in (("y", "n") if kind == "bool" else LEVELS)
    if kind == "string":
        return wanted.startswith('"')
    pattern = r"-?(0|[1-9]\d*)" if kind == "int" else r"(0[xX])?[0-9a-fA-F]+"
    return re.fullmatch(pattern, wanted, re.ASCII) is not None


def _switch_reason(wanted: int, got: int, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    visible = max((int(prompt["value"]) for prompt in facts["prompts"]), default=0)
    if wanted < got and facts["selected"] and level(facts["selected"]) > wanted:
        reason = _selected_reason(wanted, facts)
    elif not facts["prompts"]:
        reason = _promptless_reason(facts)
    elif wanted > got and visible < wanted:
        reason = _dependency_reason("dependency", wanted, facts, others)
    elif wanted < got and visible == 0:
        reason = _dependency_reason("hidden", 1, facts, others)
    elif wanted == LEVELS["m"] and facts["type"] == "tristate" and not facts["modules"]:
        reason = Reason(kind="no-modules", text="m is not possible: MODULES [=n], so it became y")
    elif facts["choice"]:
        reason = _choice_reason(wanted, facts)
    else:
        reason = _unexplained(facts)
    return reason


def _unexplained(facts: Facts) -> Reason:
    return Reason(kind="unexplained", text=f"nothing in {facts['where']} forbids it")


def _value_reason(wanted: str, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    if not facts["prompts"]:
        return _promptless_reason(facts)
    if max(int(prompt["value"]) for prompt in facts["prompts"]) == 0:
        return _dependency_reason("dependency", 2, facts, others)
    if facts["range"] and not wanted.startswith('"'):
        low, high = (expression(bound) for bound in facts["range"])
        return Reason(kind="range", text=f"it may be {low} to {high} ({facts['where']})")
    return _unexplained(facts)


def _dependency_reason(kind: str, wanted: int, facts: Facts, others: Mapping[str, Facts]) -> Reason:
    prompt = min(facts["prompts"], key=lambda each: len(unmet(each["if"], wanted)))
    missing = unmet(prompt["if"], wanted)
    begin = "can only be changed with" if kind == "hidden" else "depends on"
    details = ["unmet: " + ", ".join(_unmet_text(part) for part in missing)]
    details += _further(missing, wanted, others)
    text = f"{begin} {expression(prompt['if'])} ({prompt['where']})"
    return Reason(kind=kind, text=text, details=tuple(details))


def _unmet_text(part: Any) -> str:  # noqa: ANN401
    """Return a part as text; a plain n is left of a question to the compiler or about the architecture."""
    if part[0] == "sym" and part[2] == "n":
        return "n, which is set by a compiler test or belongs to another architecture"
    return expression(part, "and")


def _further(missing: Sequence[Any], wanted: int, others: Mapping[str, Facts]) -> list[str]:
    """Follow what is missing to the symbols that a user can set, each once, at most eight of them."""
    lines: list[str] = []
    waiting = [name for part in missing if part[0] in ("sym", "or", "and") for name in symbols_of(part)]
    seen: set[str] = set()
    while waiting and len(lines) < 8:  # noqa: PLR2004
        name = waiting.pop(0)
        if name in seen or name not in others:
            continue
        seen.add(name)
        facts = others[name]
        if LEVELS.get(str(facts["value"]), 2) >= wanted:
            continue
        if not facts["prompts"]:
            lines.append(f"{name} has no prompt; {_selectors(facts) or 'nothing selects it'}")
            continue
        prompt = min(facts["prompts"], key=lambda each: len(unmet(each["if"], wanted)))
        parts = unmet(prompt["if"], wanted)
        if parts:
            lines.append(f"{name} in turn needs " + " && ".join(expression(part, "and") for part in parts))
            waiting += [other for part in parts for other in symbols_of(part)]
        else:
            lines.append(f"{name} can be set: {prompt['text']!r} ({prompt['where']})")
    return lines


def _selected_reason(wanted: int, facts: Facts) -> Reason:
    active = [expression(part) for part in alternatives(facts["selected"]) if level(part) > wanted]
    more = f" (and {len(active) - 4} more)" if active[4:] else ""
    return Reason(
        kind="selected",
        text="selected by " + ", and by ".join(active[:4]) + more,
        details=("a selected symbol cannot be turned off while those that select it are on",),
    )


def _selectors(facts: Facts) -> str:
    # the first symbol of each alternative is the one that selects, the rest its conditions
    parts = [part[2][0] if part[0] == "and" else part for part in alternatives(facts["selected"])]
    texts = [expression(part) for part in sorted(parts, key=level, reverse=True)]
    more = f" and {len(texts) - 6} more" if texts[6:] else ""
    return "it comes with what selects it: " + ", ".join(texts[:6]) + more if texts else ""


def _promptless_reason(facts: Facts) -> Reason:
    text = f"it has no prompt, so it cannot be set by hand ({facts['where']})"
    details = []
    for default in facts["defaults"]:
        condition = "" if default["if"] is None else f" if {expression(default['if'])}"
        details.append(f"default {expression(default['to'])}{condition}")
    details += [_selectors(facts)] if facts["selected"] else []
    if not details:
        details.append("nothing selects it and it has no default")
    return Reason(kind="no-prompt", text=text, details=tuple(details[:8]))


def _choice_reason(wanted: int, facts: Facts) -> Reason:
    choice = facts["choice"]
    chosen = [member[2] for member in choice["members"] if member[1] == 2]  # noqa: PLR2004  (y)
    names = ", ".join(f"{member[2]} [={LETTERS[member[1]]}]" for member in choice["members"])
    title = f"the choice {choice['prompt']!r}" if choice["prompt"] else "a choice"
    if wanted:
        text = f"only one member of {title} can be set, and that is {' '.join(chosen) or 'none'}"
    else:
        text = f"{title} needs one member; set another one to y"
    return Reason(kind="choice", text=text, details=(f"members: {names}",))


def unknown_reason(symbol: str, *, mentioned: bool, names: Sequence[str]) -> Reason:
    """Say that a symbol is not in the tree, with the names nearest to it."""
    upper = {name.upper(): name for name in names}
    near = [upper[name] for name in difflib.get_close_matches(symbol.upper(), list(upper), n=3, cutoff=0.75)]
    text = "there is no such symbol in this tree for this architecture"
    if mentioned:
        text += " (others depend on it, but nothing defines it)"
    details = ("nearest: " + ", ".join(PREFIX + name for name in near),) if near else ()
    return Reason(kind="unknown", text=text, details=details)


def described(facts: Facts) -> str:
    """Return what the tree knows about a symbol as text."""
    lines = [f"{PREFIX}{facts['symbol']} ({facts['type']}) [={facts['value']}]  {facts['where']}"]
    lines += [f"  prompt {each['text']!r} {_condition(each)} ({each['where']})" for each in facts["prompts"]]
    if not facts["prompts"]:
        lines.append("  no prompt: it cannot be set by hand")
    lines += [f"  default {expression(each['to'])} {_condition(each)}" for each in facts["defaults"]]
    for word in ("selected", "implied"):
        active = [part for part in alternatives(facts.get(word)) if level(part)]
        lines += [f"  {word} by {expression(part)}" for part in active]
    if facts["choice"]:
        lines.append(f"  {_choice_reason(1, facts).details[0]}")
    return "\n".join(lines)


def _condition(entry: Facts) -> str:
    condition = "" if entry["if"] is None else f"if {expression(entry['if'])} "
    return condition + ("(in force)" if entry["value"] else "(not in force)")
