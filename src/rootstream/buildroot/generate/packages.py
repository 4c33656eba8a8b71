"""Software of the user as packages of Buildroot: `packages:` become packages of the generated external tree."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rootstream.description import layers
from rootstream.errors import UserError, Where
from rootstream.project.project import DESCRIPTION

# What make and the tables of Buildroot take as it is; a colon separates external trees, and fields of passwd.
_PLAIN = re.compile(r"[A-Za-z0-9/._+-][A-Za-z0-9/._+@=-]*")
HASH = "ROOTSTREAM_HASH"
# Targets of Buildroot's Makefile, and what the names of some begin with.
_TARGETS = re.compile(
    r"all|world|clean|distclean|help|images|source|sdk|staging|dirs|prepare|\w*defconfig|legal-info|external-deps"
    r"|printvars|pkg-stats|cpe-info|check-package|manual|release|(host|rootfs|target|list|graph|show|update|print)-.*"
)
# How it is built: Buildroot's macro, the variable that takes options, what its Config.in needs.
_MACROS = {
    "autotools": ("autotools-package", "CONF_OPTS", ()),
    "cmake": ("cmake-package", "CONF_OPTS", ()),
    "meson": ("meson-package", "CONF_OPTS", ()),
    "make": ("generic-package", "MAKE_OPTS", ()),
    "cargo": (
        "cargo-package",
        "CARGO_BUILD_OPTS",
        ("depends on BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", "select BR2_PACKAGE_HOST_RUSTC"),
    ),
    # trees before 2024.05 do not know the selected symbol, which Kconfig takes without a word
    "go": (
        "golang-package",
        "BUILD_OPTS",
        ("depends on BR2_PACKAGE_HOST_GO_TARGET_ARCH_SUPPORTS", "select BR2_PACKAGE_HOST_GO"),
    ),
    "python": ("python-package", "BUILD_OPTS", ("depends on BR2_PACKAGE_PYTHON3",)),
}
# What a folder of source that is built in this way holds: one of these.
_MARKS = {
    "autotools": ("configure", "configure.ac", "configure.in"),
    "cmake": ("CMakeLists.txt",),
    "meson": ("meson.build",),
    "make": ("Makefile", "makefile", "GNUmakefile"),
    "cargo": ("Cargo.toml",),
    "go": ("go.mod", "*.go", "*/*.go", "*/*/*.go"),
    "python": ("pyproject.toml", "setup.py", "setup.cfg"),
}
_GO_MODULE = re.compile(
    r'^[ \t]*module[ \t]+"?([A-Za-z0-9][A-Za-z0-9._~/-]{0,199})"?[ \t\r]*(?://.*)?$', re.MULTILINE
)
_LONGEST_GO_MOD = 1 << 20
_MAKE_COMMANDS = """\
define {prefix}_BUILD_CMDS
\t$(TARGET_MAKE_ENV) $(MAKE) $(TARGET_CONFIGURE_OPTS) $({prefix}_MAKE_OPTS) -C $(@D)
endef

define {prefix}_INSTALL_TARGET_CMDS
\t$(TARGET_MAKE_ENV) $(MAKE) $(TARGET_CONFIGURE_OPTS) $({prefix}_MAKE_OPTS) -C $(@D) \\
\t\tDESTDIR=$(TARGET_DIR) PREFIX=/usr prefix=/usr install
endef

"""


def is_plain(word: str) -> bool:
    """Say whether a path or word can stand in Buildroot's make files and tables as it is."""
    return bool(_PLAIN.fullmatch(word))


def for_make(word: str) -> str:
    """Return a word of a command as make and then the shell must read it to give just that word."""
    # "\\#" would do but for a backslash before it, which make then takes for quoted itself
    return shlex.quote(word).replace("$", "$$").replace("#", f"$({HASH})")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedPackage:
    """Files of the external tree, and the symbols that select its packages."""

    files: Mapping[str, str] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()


def symbol(name: str) -> str:
    """Return the symbol that selects a package (Buildroot's manual, "Package name")."""
    return "BR2_PACKAGE_" + prefix(name)


def prefix(name: str) -> str:
    """Return what a package's make variables begin with."""
    return re.sub(r"[-.]", "_", name).upper()


def sources(found: Sequence[layers.Layer]) -> tuple[layers.SourcePackage, ...]:
    """Return the packages that layers describe."""
    return tuple(each for layer in found if isinstance(layer, layers.PackagesLayer) for each in layer.packages)


def external(found: Sequence[layers.Layer], project: Path) -> GeneratedPackage:
    """Return the packages that layers describe, as files of an external tree.

    Raises `UserError` path-not-possible for a source folder that make cannot name, name-taken, not-possible.
    """
    packages = sources(found)
    if not packages:
        return GeneratedPackage()
    for each in packages:
        if _TARGETS.fullmatch(each.name):
            message = f"packages: {each.name!r} has another meaning in Buildroot's make"
            raise UserError("name-taken", message, where=Where(path=project / DESCRIPTION))
    twice = [each.name for number, each in enumerate(packages) if each.name in names_of(packages[:number])]
    if twice:
        message = f"packages: two packages have the name {twice[0]!r}"
        raise UserError("not-possible", message, where=Where(path=project / DESCRIPTION))
    files: dict[str, str] = {}
    for each in packages:
        folder = (project / each.source).resolve()
        if not is_plain(str(folder)):
            raise UserError(
                "path-not-possible",
                f"packages: {each.name}: Buildroot's make does not support a space or this character in a path",
                where=Where(path=folder),
                hint="Use letters, digits, '/', '.', '_', '+' and '-'.",
            )
        marks = _MARKS[each.build]
        if not any(next(folder.glob(mark), None) for mark in marks):
            message = f"packages: {each.name}: `build: {each.build}`, but there is no {' or '.join(marks[:3])}"
            raise UserError("not-possible", message, where=Where(path=folder))
        files[f"package/{each.name}/Config.in"] = config_in(each)
        files[f"package/{each.name}/{each.name}.mk"] = make_file(each, folder)
    return GeneratedPackage(files=files, symbols=tuple(symbol(each.name) for each in packages))


def config_in(package: layers.SourcePackage) -> str:
    """Return the Config.in of a package."""
    lines = [f"config {symbol(package.name)}", f'\tbool "{package.name}"']
    lines += [f"\t{need}" for need in _MACROS[package.build][2]]
    selected = [each for each in package.depends if not each.startswith("host-") and each != "linux"]
    lines += [f"\tselect {symbol(each)}" for each in selected]
    lines += ["\tdepends on BR2_LINUX_KERNEL"] if "linux" in package.depends else []
    lines += ["\thelp", f"\t  {package.name}, from a folder of the project.", ""]
    return "\n".join(lines)


def make_file(package: layers.SourcePackage, folder: Path) -> str:
    """Return the make file of a package."""
    name = prefix(package.name)
    macro, variable, _ = _MACROS[package.build]
    lines = [
        f"{name}_VERSION = local",
        f"{name}_SITE = {folder}",
        f"{name}_SITE_METHOD = local",
        f"{name}_LICENSE = unknown",
    ]
    if package.depends:
        lines.append(f"{name}_DEPENDENCIES = {' '.join(package.depends)}")
    if package.options:
        lines.append(f"{name}_{variable} = {' '.join(map(for_make, package.options))}")
    if package.build == "autotools" and not (folder / "configure").is_file():
        lines.append(f"{name}_AUTORECONF = YES")
    if package.build == "go":
        lines.append(f"{name}_GOMOD = {for_make(package.module or go_module(folder) or package.name)}")
    if package.build == "python":
        lines.append(f"{name}_SETUP_TYPE = {for_make(package.module or 'setuptools')}")
    if package.build == "make":
        lines += ["", _MAKE_COMMANDS.format(prefix=name).rstrip("\n")]
    return "\n".join([*lines, "", f"$(eval $({macro}))", ""])


def go_module(folder: Path) -> str:
    """Return the module path that a folder's go.mod declares, or nothing (Go Modules Reference, "module")."""
    try:
        text = (folder / "go.mod").read_text("utf-8", "surrogateescape")[:_LONGEST_GO_MOD]
    except OSError:
        return ""
    match = _GO_MODULE.search(text)
    return match[1] if match else ""


def names_of(packages: Iterable[layers.SourcePackage]) -> set[str]:
    """Return the names of packages."""
    return {each.name for each in packages}


def _has(folder: Path, name: str) -> bool:
    """Say whether a tree has a package of a name (pkg-utils.mk: the folder's name is the package's)."""
    patterns = (f"*/{name}/{name}.mk", f"*/*/{name}/{name}.mk", f"{name}/{name}.mk")
    return any(next(folder.glob(pattern), None) for pattern in patterns)


def against(found: Sequence[layers.Layer], trees: Sequence[Path], description: Path) -> tuple[UserError, ...]:
    """Return the packages that the trees, Buildroot's first, have already, and those asked for that none has."""
    packages = sources(found)
    problems: list[UserError] = []
    for each in packages:
        if any(_has(tree, each.name) for tree in trees):
            message = f"packages: Buildroot or an external tree already has a package {each.name!r}"
            hint = "Give yours another name."
            problems.append(UserError("name-taken", message, where=Where(path=description), hint=hint))
        for need in each.depends:
            name = need.removeprefix("host-")
            if name not in names_of(packages) and not any(_has(tree, name) for tree in trees):
                message = f"packages: {each.name}: depends: there is no package {name!r} in Buildroot"
                problems.append(UserError("unknown-package", message, where=Where(path=description)))
    return tuple(problems)
