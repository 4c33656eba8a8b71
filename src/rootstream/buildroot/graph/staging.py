"""What of Buildroot's tree, of external trees and of the configuration a package is built from.

Its make files, those of all packages that it is built with, Buildroot's own rules, and the symbols that these
name: what is not staged does not exist for the build, and does not decide its key. That the variables of the
package come out as with the whole tree is checked for each one (sandbox/buildroot/variables.py); where they do
not, it gets those packages, too, that name its variables, as one does that adds to the kernel's configuration;
where that is not enough, the whole tree.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from rootstream.buildroot.info import BuildrootPackage

# Buildroot's own rules: what every package is built with.
_RULES = (
    *(
        "Makefile.legacy",
        "support/*",
        "support/misc/*",
        "support/scripts/*",
        "system/*",
        "arch/*.mk*",
        "toolchain/*",
    ),
    *("boot/common.mk", "package/Makefile.in", "package/glibc/nsswitch.conf", "docs/conf.py", "package/*.mk"),
)
_NO_USE = ("support/config-fragments", "support/docker", "support/testing", "support/misc", "support/scripts")
# What is run by people, or when images are made. A package that looks for one gets it (lookups.py).
_SCRIPTS = frozenset(
    f"support/{name}"
    for name in (
        *("misc/Vagrantfile", "misc/gitlab-ci.yml.in", "misc/relocate-sdk.sh", "scripts/boot-qemu-image.py"),
        *("scripts/brpkgutil.py", "scripts/check-dotconfig.py", "scripts/cpedb.py", "scripts/cve-check"),
        *("scripts/cve.py", "scripts/fix-rpath", "scripts/gen-bootlin-toolchains", "scripts/genimage.sh"),
        *("scripts/generate-gitlab-ci-yml", "scripts/graph-build-time", "scripts/graph-depends"),
        *("scripts/mkusers", "scripts/pkg-stats", "scripts/size-stats"),
    )
)
_MAKEFILE = "Makefile"
# The release, which hardly a package is built with. The time counts where BR2_REPRODUCIBLE is set.
_RELEASE = re.compile(rb"^(export BR2_VERSION :=|BR2_VERSION_EPOCH =) .+$", re.MULTILINE)
_NAMES_OF_RELEASE = frozenset(("BR2_VERSION", "BR2_VERSION_FULL", "BR2_VERSION_EPOCH"))
# What only the kernel and images are made with: for other packages, a file that holds nothing stands for it.
_LATE = {"linux": "linux/linux.mk", "fs": "fs/common.mk"}
# Packages whose variables others read without depending on them: their folders are always there.
_READ_BY_ALL = ("package/pkgconf", "package/gettext-gnu", "package/gettext-tiny", "package/procps-ng")
_OF_EXTERNAL = ("external.mk", "external.desc", "provides")
MENU = "Config.in"  # has to be there in an external tree, but nothing is configured where packages are built
_EMPTY = "docs/manual/manual.mk"
_SYMBOL = re.compile(rb"BR2_\w+")
OVERRIDE_FILE, PATCH_FOLDERS = "BR2_PACKAGE_OVERRIDE_FILE", "BR2_GLOBAL_PATCH_DIR"
_NO_RULES = (".patch", ".hash", ".txt", ".rst")
LARGEST = 1 << 20
# What only the last step needs, which makes the images: packages are built without.
_OF_IMAGES = re.compile(
    r"BR2_(DEFCONFIG|JLEVEL|TARGET_GENERIC_(HOSTNAME|ISSUE|ROOT_PASSWD|PASSWD_METHOD|GETTY\w*|REMOUNT\w*)"
    r"|TARGET_ENABLE_ROOT_LOGIN|SYSTEM_BIN_SH\w*|TARGET_ROOTFS_\w+|ROOTFS_\w+)$"
)
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_ASSIGNMENT = re.compile(r"([A-Z0-9_]+)\s*[:?+]?=(?!.*\\$)")
_PROVIDES = re.compile(r"^\s*\w+_PROVIDES\s*[+:?]?=(.*)$", re.MULTILINE)
_LINE = re.compile(r"(?:# )?(BR2_\w+)(?:=| is not set$)")
_ALWAYS = re.compile(r"BR2_(HAVE_DOT_CONFIG|EXTERNAL_\w+)$")
# Names that Buildroot's rules make of a package's: package/pkg-generic.mk, linux/linux.mk, boot/common.mk.
_MADE = (
    *("PACKAGE_{}", "PACKAGE_HOST_{}", "PACKAGE_HAS_{}", "PACKAGE_HAS_HOST_{}", "PACKAGE_PROVIDES_{}"),
    *("PACKAGE_PROVIDES_HOST_{}", "TARGET_{}", "{}"),
)
_MADE_WITH_MORE = ("LINUX_KERNEL_EXT_{}", "PACKAGE_LINUX_TOOLS_{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What something is built from beside the rules for all.

    `folders` are below Buildroot's tree, `outer` in external trees, by where they are in the sandbox; `instead` is
    what stands for files of the tree. `config` is its .config.
    """

    folders: tuple[str, ...]
    outer: tuple[str, ...]
    instead: Mapping[str, bytes]
    config: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a package is built from, from the least to more: what is the first to be enough is found out.

    `released` has Buildroot's release, if its rules do not name that; `fuller` the symbols that they name and only
    images are usually made from, and the rules for these; `wider` the release, and the packages that name its
    variables or whose variables it names, too, if there are some.
    """

    fewest: Staged
    released: Staged | None
    fuller: Staged
    wider: Staged | None

    def by_name(self) -> dict[str, Staged]:
        """Return the levels by their names, in order."""
        several = {
            "fewest": self.fewest,
            "released": self.released,
            "fuller": self.fuller,
            "wider": self.wider,
        }
        return {name: each for name, each in several.items() if each is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Buildroot's tree and the external ones: folders of this machine with the paths of the sandbox in them."""

    tree: Path
    externals: Mapping[str, Path]
    """By where they are in the sandbox, in Buildroot's order."""
    digest: str
    """Of all files of the tree."""

    def rules(self) -> tuple[str, ...]:
        """Return Buildroot's own rules, below the tree."""
        found = (path for pattern in _RULES for path in self.tree.glob(pattern))
        names = sorted(str(path.relative_to(self.tree)) for path in found)
        return tuple(each for each in names if each not in _NO_USE and each not in _SCRIPTS)

    def scripts(self) -> tuple[str, ...]:
        """Return the programs of the tree that only images are made with."""
        return tuple(sorted(each for each in _SCRIPTS if (self.tree / each).is_file()))

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

    def staged(
        self, packages: Sequence[BuildrootPackage], config: str, *, late: bool, release: bool = True
    ) -> Staged:
        """Return what is staged of some packages, with make files above their folders.

        With `late`, that are also the rules for kernels and images; without `release`, no number of Buildroot's.
        """
        inner: set[str] = {path for path in _READ_BY_ALL if (self.tree / path).is_dir()}
        inner |= {path for path in _LATE if late and (self.tree / path).is_dir()}
        outer: set[str] = set()
        for each in packages:
            if each.folder.startswith("/"):
                outer.add(each.folder)
            elif each.folder and not _is_rule(each.folder):
                inner.add(each.folder)
                above = [parent for parent in Path(each.folder).parents if len(parent.parts) > 1]
                for parent in above:
                    inner |= {str(path.relative_to(self.tree)) for path in (self.tree / parent).glob("*.mk")}
        missing = (file for folder, file in _LATE.items() if folder not in inner)
        instead = dict.fromkeys((_EMPTY, *(each for each in missing if (self.tree / each).is_file())), b"")
        if release:
            inner.add(_MAKEFILE)
        else:
            instead[_MAKEFILE] = _RELEASE.sub(rb"\1 0", (self.tree / _MAKEFILE).read_bytes())
        return Staged(folders=tuple(sorted(inner)), outer=tuple(sorted(outer)), instead=instead, config=config)

    def paths(self, staged: Staged) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return all that is there with something staged: paths below the tree, and in the external ones."""
        return (*self.rules(), *staged.folders), (*self.of_external(), *staged.outer)


@cache
def rules_of_ours() -> dict[str, bytes]:
    """Return the modules that decide what a package is built from, by their names."""
    found = resources.files("rootstream.buildroot.graph").iterdir()
    return {each.name: each.read_bytes() for each in found if each.name.endswith(".py")}


def _is_rule(folder: str) -> bool:
    return folder.partition("/")[0] in {rule.partition("/")[0] for rule in _RULES if rule.endswith("/*")}


def of_packages(
    trees: Trees,
    packages: Mapping[str, BuildrootPackage],
    config: Mapping[str, str],
    *,
    override: Iterable[str] = (),
    patched: Iterable[Path] = (),
) -> dict[str, Levels]:
    """Return what each package is built from; `config` are the lines of the whole .config by symbol.

    `override` are the texts of Buildroot's local.mk, `patched` the folders that have patches for any package.
    """
    found = {}
    given = _given(trees, config)
    named = {name: beginnings(trees, each) for name, each in packages.items()}
    of_all = any(_names_release(trees.in_external(path)) for path in trees.of_external())
    of_all = of_all or config.get("BR2_REPRODUCIBLE", "").endswith("=y")
    for name, each in packages.items():
        below = closure(packages, name)
        built = [each, *(packages[lower] for lower in below)]
        others = [
            packages[other]
            for other in packages.keys() - {name, *below}
            if each.prefix in named[other] or packages[other].prefix.removeprefix("HOST_") in named[name]
        ]
        release = of_all or any(_names_release(path) for path in _own_rules(trees, each))
        several = [*built, *others]
        unused = {OVERRIDE_FILE} if not any(overrides(text, prefixes(built)) for text in override) else set()
        unused |= {PATCH_FOLDERS} if not _is_patched(trees, each, patched) else set()
        found[name] = Levels(
            fewest=given.staged(built, unused=unused, release=release),
            released=None if release else given.staged(built, unused=unused, release=True),
            fuller=given.staged(built, release=release),
            wider=given.staged(several, release=True) if others else None,
        )
    return found


def _is_patched(trees: Trees, package: BuildrootPackage, folders: Iterable[Path]) -> bool:
    """Say whether folders with patches for any package concern one: by patches for it, or by its own rules."""
    own = package.name.removeprefix("host-")
    if any((folder / own).exists() for folder in folders):
        return True
    return any(PATCH_FOLDERS in symbols(path) for path in _own_rules(trees, package))


def prefixes(packages: Iterable[BuildrootPackage]) -> set[str]:
    """Return what the names of the variables of packages begin with, those for the host and the target."""
    found = {each.prefix for each in packages}
    return found | {each.removeprefix("HOST_") for each in found}


def _names_release(path: Path) -> bool:
    return not _NAMES_OF_RELEASE.isdisjoint(symbols(path))


def _own_rules(trees: Trees, package: BuildrootPackage) -> Iterator[Path]:
    """Yield the folder of a package, and the make files above it that it shares with others."""
    if package.folder:
        yield _place(trees, package)
        above = (parent for parent in Path(package.folder).parents if len(parent.parts) > 1)
        yield from (path for parent in above for path in (trees.tree / parent).glob("*.mk"))


def _place(trees: Trees, package: BuildrootPackage) -> Path:
    folder = package.folder
    return trees.in_external(folder) if folder.startswith("/") else trees.tree / folder


def beginnings(trees: Trees, package: BuildrootPackage) -> frozenset[str]:
    """Return the beginnings of the variables that the rules of a package name, up to each underscore."""
    found: set[str] = set()
    if not package.folder or _is_rule(package.folder):
        return frozenset()
    folder = _place(trees, package)
    for path in (*folder.glob("*.mk"), *folder.glob("*.mk.in")):
        text = path.read_text("utf-8", "replace")
        words = set(_VARIABLE.findall(text)) | ({"LINUX_"} if "$(kernel-module)" in text else set())
        for word in words:
            parts = word.split("_")
            # FOO_LINUX_CONFIG_FIXUPS is for linux
            begins = (0, *(number for number in range(1, len(parts)) if word.endswith("_CONFIG_FIXUPS")))
            found |= {"_".join(parts[at:end]) + "_" for at in begins for end in range(at + 1, len(parts))}
    return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What is the same for all packages: the trees, the configuration, and which of its symbols are special.

    `common` are those that rules for all packages name, `of_images` those that only images are made from, and
    `made` those that Buildroot's rules make of packages' names in ways of their own.
    """

    trees: Trees
    config: Mapping[str, str]
    common: frozenset[str]
    of_images: frozenset[str]
    made: tuple[str, ...]

    def staged(
        self, packages: Sequence[BuildrootPackage], *, unused: Collection[str] | None = None, release: bool
    ) -> Staged:
        """Return what some packages are staged with, with `unused` but for these symbols and those of images."""
        trees = self.trees
        staged = trees.staged(packages, "", late=unused is None, release=release)
        named = set(self.common)
        named.update(*(symbols(trees.tree / path) for path in staged.folders))
        named.update(*(symbols(trees.in_external(path)) for path in staged.outer))
        provided = (_provided(_place(trees, each)) for each in packages if each.folder)
        for name in {each.name for each in packages}.union(*provided):
            named.update(_made(name, self.made))
        if unused is not None:
            named.difference_update(self.of_images, unused)
        return replace(staged, config=_text(line for name, line in self.config.items() if name in named))


def _given(trees: Trees, config: Mapping[str, str]) -> _Given:
    rules = [*(trees.tree / path for path in (*trees.rules(), _MAKEFILE))]
    rules += [trees.in_external(path) for path in trees.of_external()]
    begin = tuple(f"BR2_{pattern.format('')}" for pattern in _MADE_WITH_MORE)
    return _Given(
        trees=trees,
        config=config,
        common=frozenset(filter(_ALWAYS.match, config)).union(*map(symbols, rules)),
        of_images=frozenset(filter(_OF_IMAGES.match, config)),
        made=tuple(symbol for symbol in config if symbol.startswith(begin)),
    )


def overrides(text: str, prefixes: Collection[str]) -> str:
    """Return the lines of Buildroot's local.mk that may concern packages with some prefixes.

    What is more than assignments, one to a line, is returned as it is.
    """
    lines = text.splitlines(keepends=True)
    found = [_ASSIGNMENT.match(line) for line in lines]
    if not all(
        match or not line.strip() or line.startswith("#") for match, line in zip(found, lines, strict=True)
    ):
        return text
    pairs = zip(found, lines, strict=True)
    return "".join(line for match, line in pairs if match and any(match[1].startswith(each) for each in prefixes))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def lines(text: str) -> dict[str, str]:
    """Return the lines of a .config by their symbols, also of those that are not set."""
    found = ((_LINE.match(line), line) for line in text.splitlines())
    return {match[1]: line for match, line in found if match}


def _made(name: str, config: Iterable[str]) -> Iterator[str]:
    own = re.sub(r"[-.]", "_", name.removeprefix("host-")).upper()
    yield from (f"BR2_{pattern.format(own)}" for pattern in _MADE)
    beginnings = tuple(f"BR2_{pattern.format(own)}" for pattern in _MADE_WITH_MORE)
    yield from (symbol for symbol in config if symbol.startswith(beginnings))


@cache
def _provided(folder: Path) -> frozenset[str]:
    """Return the virtual packages that rules in a folder provide: Buildroot compares who is chosen for them."""
    texts = (path.read_text("utf-8", "replace") for path in folder.glob("*.mk"))
    return frozenset(name for text in texts for words in _PROVIDES.findall(text) for name in words.split())


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
