"""What of Buildroot's tree, of external trees and of the configuration a package is built from.

Its make files, those of all packages that it is built with, Buildroot's own rules, and the symbols that these
name: what is not staged does not exist for the build, and does not decide its key. That the variables of the
package come out as with the whole tree is checked for each one (sandbox/buildroot/variables.py); where they do
not, it gets those packages, too, that name its variables, as one does that adds to the kernel's configuration;
where that is not enough, the whole tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rootstream.buildroot.info import BuildrootPackage

# Buildroot's own rules: what every package is built with.
_RULES = (
    *("Makefile", "Makefile.legacy", "support", "system", "arch", "fs", "linux", "toolchain", "boot/common.mk"),
    *("package/Makefile.in", "package/glibc/nsswitch.conf", "docs/conf.py"),
)
# Packages whose variables others read without depending on them: their folders are always there.
_READ_BY_ALL = ("package/pkgconf", "package/gettext-gnu", "package/gettext-tiny", "package/procps-ng")
_OF_EXTERNAL = ("external.mk", "external.desc", "Config.in", "provides")
EMPTY = ("docs/manual/manual.mk",)
"""Files that Buildroot's make includes and that need hold nothing."""
_SYMBOL = re.compile(rb"BR2_\w+")
_NO_RULES = (".patch", ".hash", ".txt", ".rst")
LARGEST = 1 << 20
# What only the last step needs, which makes the images: packages are built without.
_OF_IMAGES = re.compile(
    r"BR2_(DEFCONFIG|JLEVEL|TARGET_GENERIC_(HOSTNAME|ISSUE|ROOT_PASSWD|PASSWD_METHOD|GETTY\w*|REMOUNT\w*)"
    r"|TARGET_ENABLE_ROOT_LOGIN|SYSTEM_BIN_SH\w*|TARGET_ROOTFS_\w+|ROOTFS_\w+)$"
)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_LINE = re.compile(r"(?:# )?(BR2_\w+)(?:=| is not set$)")
_ALWAYS = re.compile(r"BR2_(HAVE_DOT_CONFIG|EXTERNAL_\w+)$")
# Names that Buildroot's rules make of a package's: package/pkg-generic.mk, linux/linux.mk, boot/common.mk.
_MADE = ("PACKAGE_{}", "PACKAGE_HOST_{}", "PACKAGE_HAS_{}", "PACKAGE_PROVIDES_{}", "TARGET_{}", "{}")
_MADE_WITH_MORE = ("LINUX_KERNEL_EXT_{}", "PACKAGE_LINUX_TOOLS_{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What a package is built from: paths below Buildroot's tree and in external trees, and its .config."""

    tree: tuple[str, ...]
    external: tuple[str, ...]
    config: str
    fuller: str
    """The same, with those symbols that its rules name and only images are usually made from."""
    others: tuple[BuildrootPackage, ...] = ()
    """The packages whose rules name its variables."""
    wider: Staged | None = None
    """The same with these, if there are some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Buildroot's tree and the external ones: folders of this machine with the paths of the sandbox in them."""

    tree: Path
    externals: Mapping[str, Path]
    """By where they are in the sandbox, in Buildroot's order."""

    def rules(self) -> tuple[str, ...]:
        """Return Buildroot's own rules, below the tree."""
        found = [path for path in _RULES if (self.tree / path).exists()]
        found += sorted(str(path.relative_to(self.tree)) for path in (self.tree / "package").glob("*.mk"))
        return tuple(found)

    def of_external(self) -> tuple[str, ...]:
        """Return what is always there of the external trees, by where it is in the sandbox."""
        found = []
        for place, external in self.externals.items():
            there = {external / name for name in _OF_EXTERNAL if (external / name).exists()}
            names = {str(path.relative_to(external)) for path in (*there, *external.rglob("*.mk"))}
            found += sorted(f"{place}/{name}" for name in names if not name.startswith("package/"))
        return tuple(found)

    def in_external(self, path: str) -> Path:
        """Return a path of the sandbox in an external tree as that of this machine."""
        place = next(each for each in self.externals if path.startswith(f"{each}/"))
        return self.externals[place] / path.removeprefix(f"{place}/")

    def folders(self, packages: Iterable[BuildrootPackage]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the folders of some packages, with make files above them: below the tree, and of externals."""
        inner: set[str] = {path for path in _READ_BY_ALL if (self.tree / path).is_dir()}
        outer: set[str] = set()
        for each in packages:
            if each.folder.startswith("/"):
                outer.add(each.folder)
            elif each.folder and each.folder.split("/")[0] not in _RULES:
                inner.add(each.folder)
                above = [parent for parent in Path(each.folder).parents if len(parent.parts) > 1]
                for parent in above:
                    inner |= {str(path.relative_to(self.tree)) for path in (self.tree / parent).glob("*.mk")}
        return tuple(sorted(inner)), tuple(sorted(outer))


def of_packages(
    trees: Trees, packages: Mapping[str, BuildrootPackage], config: Mapping[str, str]
) -> dict[str, Staged]:
    """Return what each package is built from; `config` are the lines of the whole .config by symbol."""
    found = {}
    for name, each in packages.items():
        below = [packages[lower] for lower in closure(packages, name)]
        staged = of_package(trees, each, below, config)
        others = tuple(
            other
            for other in packages.values()
            if other is not each and other not in below and names(trees, other, each.prefix)
        )
        wider = of_package(trees, each, [*below, *others], config) if others else None
        found[name] = replace(staged, others=others, wider=wider)
    return found


def names(trees: Trees, package: BuildrootPackage, prefix: str) -> bool:
    """Say whether the rules of a package name variables of another one, which begin with `prefix`."""
    folder = package.folder
    place = trees.in_external(folder) if folder.startswith("/") else trees.tree / folder
    return bool(folder) and folder.split("/")[0] not in _RULES and bool(prefix in _prefixes(place))


@cache
def _prefixes(folder: Path) -> frozenset[str]:
    """Return the beginnings of the variables that the rules in a folder name, up to each underscore."""
    found: set[str] = set()
    for path in (*folder.glob("*.mk"), *folder.glob("*.mk.in")):
        text = path.read_text("utf-8", "replace")
        words = set(_VARIABLE.findall(text)) | ({"LINUX_"} if "$(kernel-module)" in text else set())
        for word in words:
            parts = word.split("_")
            # FOO_LINUX_CONFIG_FIXUPS is for linux
            begins = (0, *(number for number in range(1, len(parts)) if word.endswith("_CONFIG_FIXUPS")))
            found |= {"_".join(parts[at:end]) + "_" for at in begins for end in range(at + 1, len(parts))}
    return frozenset(found)


def of_package(
    trees: Trees, package: BuildrootPackage, below: Sequence[BuildrootPackage], config: Mapping[str, str]
) -> Staged:
    """Return what a package is built from with the rules of some others."""
    inner, outer = trees.folders((package, *below))
    tree, external = (*trees.rules(), *inner), (*trees.of_external(), *outer)
    named = {name for path in tree for name in symbols(trees.tree / path)}
    named |= {name for path in external for name in symbols(trees.in_external(path))}
    named |= {name for each in (package, *below) for name in _made(each.name, config)}
    fuller = {name: line for name, line in config.items() if name in named or _ALWAYS.match(name)}
    parts = (line for name, line in fuller.items() if not _OF_IMAGES.match(name))
    return Staged(tree=tree, external=external, config=_text(parts), fuller=_text(fuller.values()))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def lines(text: str) -> dict[str, str]:
    """Return the lines of a .config by their symbols, also of those that are not set."""
    found = ((_LINE.match(line), line) for line in text.splitlines())
    return {match[1]: line for match, line in found if match}


def _made(name: str, config: Mapping[str, str]) -> Iterator[str]:
    own = re.sub(r"[-.]", "_", name.removeprefix("host-")).upper()
    yield from (f"BR2_{pattern.format(own)}" for pattern in _MADE)
    beginnings = tuple(f"BR2_{pattern.format(own)}" for pattern in _MADE_WITH_MORE)
    yield from (symbol for symbol in config if symbol.startswith(beginnings))


@cache
def symbols(path: Path) -> frozenset[str]:
    """Return the symbols that a file, or the files below a folder, name, but for those of Kconfig."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    rules = (each for each in files if not (each.name.startswith("Config.in") or each.suffix in _NO_RULES))
    texts = (each.read_bytes() for each in rules if each.stat().st_size <= LARGEST)
    return frozenset(name.decode() for text in texts for name in _SYMBOL.findall(text))


def closure(packages: Mapping[str, BuildrootPackage], name: str) -> tuple[str, ...]:
    """Return all that a package is built with, each after what it is built with itself."""
    found: dict[str, None] = {}
    todo = [(name, iter(packages[name].dependencies))]
    while todo:
        at, rest = todo[-1]
        below = next((each for each in rest if each in packages and each not in found), None)
        if below is None:
            todo.pop()
            if at != name:
                found[at] = None
        elif all(below != other for other, _ in todo):
            todo.append((below, iter(packages[below].dependencies)))
    return tuple(found)
