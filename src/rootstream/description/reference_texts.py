"""What the reference page of `system.yaml` has besides tables: its introduction, an example for each section."""

from __future__ import annotations

from functools import cache
from importlib import resources

from ruamel.yaml import YAML

INTRODUCTION = """\
<!-- Written by `python -m rootstream.description.reference`; edit the models or texts there, not this page. -->

# system.yaml

A project is described by one file, `system.yaml`, written in YAML 1.2. Paths in it are relative to its folder and
may not lead out of it. All errors are reported at once, each with its line. `rootstream schema` prints a JSON
Schema for editors.

- A key without a value (`machine:`) is an empty mapping or list, or none if the default of the key is *none*.
- A choice that needs no settings can be written as its name alone: `root: busybox` is short for
  `root: {busybox: {}}`, and `- tar` for `- tar: {}`. Layers always need a value.
- `yes` and `no` are strings in YAML 1.2: write `true` and `false`. Text that looks like a number needs quotes:
  `"1.10"`.
- Anchors, aliases and merge keys (`&a`, `*a`, `<<: *a`) are supported.

| value | format |
|---|---|
| size | `512M`: a number with K, M, G or T (powers of 1024); without a unit, bytes |
| duration | `90s`: a number with ms, s, m or h; without a unit, seconds |
| mode | `0755` or `4755`: octal digits, quoted or not |
"""

VARIANTS = """\
A variant is its system with some changes. It is built, run and verified as `SYSTEM@VARIANT`, and has the same keys
as a system:

- a mapping is merged with the system's, key by key;
- any other value, including a list, replaces the system's;
- a different choice replaces the system's entirely: `root: {elements: ...}` keeps nothing of
  `root: {busybox: ...}`;
- `kernel: null` removes a key whose default is *none*;
- finally, lists below `add` are appended to those of the system.

The resulting system is validated as a whole. An error in the variant's own lines is reported there; an error that
only occurs in the combination names the variant.
"""

# The mappings whose keys are names given by the user, and choices that several keys have.
NAMED = {
    "systems": "mapping: names to [systems](#a-system)",
    "variants": "mapping: names to [variants](#variants)",
    "machines": "mapping: names to [machines](#a-machine)",
}
# What a mapping of names holds, where it has a section.
OF_NAMES = {"systems": "A system", "machines": "A machine"}
SHARED = {"source": "Source code to build."}


@cache
def examples() -> dict[str, str]:
    """Return the examples by the titles of their sections."""
    text = (resources.files("rootstream.description") / "reference_examples.yaml").read_text("utf-8")
    found: dict[str, str] = YAML(typ="safe", pure=True).load(text)
    return found
