"""The reference page of `system.yaml`, written from the models: `python -m rootstream.description.reference`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from rootstream.description.grammar import AnyOf, Choice, Field, Leaf, ListOf, Record, Shape, Table, record
from rootstream.description.model import ProjectFile, System, Variants
from rootstream.description.reference_texts import INTRODUCTION, NAMED, OF_NAMES, SHARED, VARIANTS, examples
from rootstream.description.schema import written

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_DEEPEST = 4


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(page())


def page() -> str:
    """Return the page as Markdown."""
    project, variants = record(ProjectFile), record(Variants)
    writer = _Page()
    writer.section("The file", project, "", level=2)
    writer.section("A system", record(System), "", level=2)
    writer.text += ["## variants\n", variants.fields["variants"].description + "\n", VARIANTS]
    writer.example("variants")
    return INTRODUCTION + "\n" + "\n".join(writer.text)


@dataclass(slots=True)
class _Page:
    """The text so far, and which shape has which title."""

    text: list[str] = field(default_factory=list)
    titles: list[tuple[Shape, str]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def section(self, title: str, shape: Record | Choice, meaning: str, *, level: int) -> None:
        """Write the section of a shape, and after it those of what is in it."""
        self.name(shape, title)
        if title in self.written:
            return
        self.written.append(title)
        parts = [(self.name(part, wish, within=title), part, text) for wish, part, text in _parts(title, shape)]
        own = shape.model.__doc__ if isinstance(shape, Record) else SHARED.get(title)
        doc = " ".join((own or meaning).split())
        self.text.append(f"{'#' * min(level, _DEEPEST)} {title}\n")
        if doc:
            self.text.append(f"{doc}\n")
        self.text.append("\n".join(self.rows(shape)) + "\n")
        self.example(title)
        for name, part, text in parts:
            self.section(name, part, text, level=level + 1)

    def example(self, title: str) -> None:
        """Write the example of a section."""
        if title in examples():
            self.text.append(f"```yaml\n{examples()[title].strip()}\n```\n")

    def name(self, shape: Shape, wish: str, *, within: str = "") -> str:
        """Return the title of a shape: the one that it has, or the one that is wished for and not taken."""
        found = next((title for known, title in self.titles if known == shape), None)
        if found is None:
            taken = any(title == wish for _, title in self.titles)
            found = f"{within}: {wish}" if taken and within else wish
            self.titles.append((shape, found))
        return found

    def rows(self, shape: Record | Choice) -> Iterator[str]:
        """Yield the table of a section."""
        if isinstance(shape, Choice):
            yield from ("One of:\n", "| key | value | meaning |", "|---|---|---|")
            for word, option in shape.options.items():
                value = self.option(word, option)
                yield f"| `{word}` | {value} | {_cell(option.fields[word].description)} |"
        elif not shape.fields:
            yield "It has no keys of its own."
        else:
            yield from ("| key | value | default | meaning |", "|---|---|---|---|")
            fields = shape.fields if shape.model is not System else {**shape.fields, **record(Variants).fields}
            for word, each in fields.items():
                value = NAMED.get(word) or self.value(each.shape)
                cells = (f"`{word}`", value, _default(each), _cell(each.description))
                yield f"| {' | '.join(cells)} |"

    def option(self, word: str, option: Record) -> str:
        """Return the value of a word that is chosen; with further words beside it, a link to them all."""
        return self.value(option) if len(option.fields) > 1 else self.value(option.fields[word].shape)

    def value(self, shape: Shape) -> str:
        """Return what may stand after a word, with links to other sections."""
        match shape:
            case Leaf():
                return ", ".join(f"`{word}`" for word in shape.words) or _cell(shape.expected)
            case ListOf():
                return f"list: {self.value(shape.item)}"
            case Table():
                return f"mapping: {self.value(shape.key)} to {self.value(shape.value)}"
            case AnyOf():
                return " or ".join(self.value(option) for option in shape.options)
            case Record() | Choice():
                title = self.name(shape, "?")
                return f"[{title}](#{_anchor(title)})"


def _parts(title: str, shape: Record | Choice) -> Iterator[tuple[str, Record | Choice, str]]:
    """Yield what has a section of its own in a section: the title that it should have, and its meaning."""
    if isinstance(shape, Choice):
        for word, option in shape.options.items():
            each = option.fields[word]
            if len(option.fields) > 1:
                yield f"{title}: {word}", option, each.description
            else:
                yield from ((f"{title}: {word}", part, each.description) for part in _inner(each.shape))
    else:
        for word, each in shape.fields.items():
            name = OF_NAMES.get(word, word) if title == "The file" else word
            yield from ((name, part, each.description) for part in _inner(each.shape))


def _inner(shape: Shape) -> Iterator[Record | Choice]:
    """Yield the models and choices that a value may consist of."""
    match shape:
        case Record() | Choice():
            yield shape
        case ListOf():
            yield from _inner(shape.item)
        case Table():
            yield from _inner(shape.value)
        case AnyOf():
            for option in shape.options:
                yield from _inner(option)
        case Leaf():
            return


def _default(each: Field) -> str:
    if each.required:
        return "required"
    if each.default is None:
        return "none"
    return f"`{_flow(written(each.shape, each.default))}`"


def _flow(value: object) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and not (_PLAIN.fullmatch(value) or value[:1].isdigit()):
        return json.dumps(value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(title: str) -> str:
    """Return the anchor of a heading, as the renderers of Markdown make it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
