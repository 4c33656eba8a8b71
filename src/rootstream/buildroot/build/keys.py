"""Keys of packages: what stands for everything that decides what a package's build gives.

Two parts: `base` (variables of its make rules, its folder, patches, symbols, local sources, the keys of what it
depends on) and `kconfig` (the files of its own Kconfig configuration), since only a change of the latter can be
built on. What went into `base` is kept in pieces beside it, to say later what changed. Pure but for reading the
files that are named.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rootstream.buildroot.info import BuildrootPackage, Info

# What of the variables says nothing about the result, or is said better by something else.
_IDLE = re.compile(
    r"_(CPE_ID\w*|IGNORE_CVES|DL_DIR|DL_SUBDIR|ALL_DOWNLOADS|ACTUAL_SOURCE_SITE|SITE|REDISTRIBUTE|LICENSE\w*"
    r"|RDEPENDENCIES|R?DEPENDS\w*|FINAL_\w*DEPENDENCIES|FINAL_RECURSIVE\w*|LEGAL_\w+|MANIFEST_\w+|KCONFIG_FILE"
    r"|KCONFIG_FRAGMENT_FILES|PKGDIR|HASH_FILES?|PATCHES_?\w*|BUILD_ORDER)$"
)
_KCONFIG = re.compile(r"_(KCONFIG_FILE|KCONFIG_FRAGMENT_FILES)$")
_LOCAL = re.compile(r"_OVERRIDE_SRCDIR$")
_SYMBOL = re.compile(r"\bBR2_\w+")
# Symbols that decide how everything is compiled; the package `toolchain` stands for them.
_EVERYWHERE = re.compile(
    r"BR2_(ARCH|GCC_|TOOLCHAIN|BINFMT|OPTIMIZE|DEBUG|STATIC|SHARED|SSP|PIC_PIE|RELRO|FORTIFY|ENDIAN|KERNEL_HEADERS"
    r"|TARGET_OPTIMIZATION|TARGET_LDFLAGS|HOST_GCC|x86|X86|ARM_|arm|aarch64|RISCV|riscv|mips|MIPS|powerpc|POWERPC"
    r"|USE_MMU|USE_WCHAR|ENABLE_LOCALE|REPRODUCIBLE|STRIP|CCACHE|PER_PACKAGE|TIME_BITS|INIT_|PACKAGE_GLIBC"
    r"|PACKAGE_MUSL|PACKAGE_UCLIBC|UCLIBC|BINUTILS|COMPILER|ENABLE_DEBUG|ENABLE_RUNTIME_DEBUG|ROOTFS_MERGED_USR"
    r"|ROOTFS_MERGED_BIN|ROOTFS_SKELETON)"
)
# Of the skeleton's symbols and variables, those that only decide what is done to target/, which is made again
# after every change: nothing that is compiled sees them (package/skeleton-init-common, system/Config.in).
_ONLY_TARGET = re.compile(
    r"BR2_(TARGET_(GENERIC_\w+|ENABLE_ROOT_LOGIN)|SYSTEM_(BIN_SH|DEFAULT_PATH)\w*|ROOTFS_(DEVICE|USERS|STATIC)\w*)"
    r"|SKELETON_\w*_(HOSTNAME|HOSTS_LINE|SHORT_HOSTNAME|ISSUE|ROOT_PASSW\w+|PASSWD_METHOD|BIN_SH|SET_\w+|ADD_SH_\w+"
    r"|ROOT_RO_OR_RW|PRE_ROOTFS_\w+|SWAPON_\w+|ROOTFS_PRE_CMD_HOOKS|TARGET_FINALIZE_HOOKS|INSTALL_TARGET_CMDS"
    r"|POST_INSTALL_TARGET_HOOKS|INSTALL_INIT_\w+)$"
)
SKELETON = "skeleton"
TOOLCHAIN = "toolchain"
NAMED = 3  # symbols, packages or reasons that are named before they are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """What went into a key: digests, but for the version and the names of dependencies; symbols by name."""

    version: str = ""
    core: str = ""
    files: str = ""
    patches: str = ""
    local: str = ""
    reads: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What decides a package: `base`, and `kconfig` (empty for a package without Kconfig files of the user)."""

    base: str
    kconfig: str
    parts: KeyParts = field(default=KeyParts(), compare=False)


def digest(*parts: object) -> str:
    """Return a hash of JSON-like parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def compute(
    info: Info,
    *,
    config: Mapping[str, str],
    core: str,
    files: Callable[[str], str],
    named: Callable[[str], Iterable[str]],
    reads: Callable[[Mapping[str, str]], Iterable[str]] = lambda _variables: (),
) -> dict[str, Key]:
    """Return the keys of all packages.

    `config` are the values of the .config by symbol, `core` stands for the tree without its packages, `files`
    gives the digest of a file or folder that Buildroot names, `named` the symbols that a package's own files name,
    `reads` the files and folders that variables name.
    """
    found: dict[str, Key] = {}
    everywhere = {symbol: value for symbol, value in config.items() if _EVERYWHERE.match(symbol)}
    for name in in_order(info.packages):
        each = info.packages[name]
        variables = {key: value for key, value in info.variables.get(name, {}).items() if _decides(name, key)}
        below = [_for_dependents(info.packages, known, found) for known in sorted(set(each.dependencies))]
        symbols = named(each.folder) if each.folder else ()
        options = {symbol: config.get(symbol) for symbol in symbols if _decides(name, symbol)}
        folder = files(each.folder) if each.folder else ""
        patches = [files(patch) for patch in each.patches]
        local = [files(value) for key, value in variables.items() if _LOCAL.search(key) and value.strip()]
        kconfig = [
            path for key, value in sorted(variables.items()) if _KCONFIG.search(key) for path in value.split()
        ]
        beside = {
            *kconfig,
            *(value.strip() for key, value in variables.items() if _LOCAL.search(key)),
            each.folder,
        }
        deciding = {
            key: value for key, value in variables.items() if not (_IDLE.search(key) or _LOCAL.search(key))
        }
        read = [files(path) for path in reads(deciding) if not any(_below(path, other) for other in beside)]
        base = digest(
            core,
            everywhere if name == TOOLCHAIN else "",
            each.version,
            {key: value for key, value in variables.items() if not _IDLE.search(key)},
            read,
            folder,
            patches,
            options,
            local,
            below,
        )
        decisive = {**options, **everywhere} if name == TOOLCHAIN else options
        parts = KeyParts(
            version=each.version,
            core=core,
            files=folder,
            patches=digest(patches),
            local=digest(local),
            reads=digest(read),
            options={symbol: digest(value)[:8] for symbol, value in decisive.items()},
            dependencies=tuple(sorted(set(each.dependencies))),
        )
        own = digest([files(path) for path in kconfig]) if kconfig else ""
        found[name] = Key(base=base, kconfig=own, parts=parts)
    return found


def _below(path: str, folder: str) -> bool:
    return bool(folder) and Path(path).is_relative_to(folder)


def _decides(name: str, key: str) -> bool:
    """Say whether a symbol or variable of a package decides more than what is done to target/."""
    return not (name.startswith(SKELETON) and _ONLY_TARGET.match(key))


def difference(old: KeyParts, new: KeyParts) -> str:
    """Return what of a package changed by itself, for people; empty if it is nothing of this."""
    if old.core != new.core:
        return "Buildroot's own rules changed"
    if old.version != new.version:
        return f"version {old.version} changed to {new.version}"
    found: list[str] = []
    symbols = sorted(old.options.keys() | new.options.keys())
    changed = [each for each in symbols if old.options.get(each) != new.options.get(each)]
    if changed:
        found.append(f"{some(changed)} changed")
    for words, before, after in (
        ("its make rules or files changed", old.files, new.files),
        ("its patches changed", old.patches, new.patches),
        ("its source folder changed", old.local, new.local),
        ("files that its rules name changed", old.reads, new.reads),
    ):
        if before != after:
            found.append(words)
    added = [each for each in new.dependencies if each not in old.dependencies]
    gone = [each for each in old.dependencies if each not in new.dependencies]
    if added:
        found.append(f"it now needs {some(added)}")
    if gone:
        found.append(f"it no longer needs {some(gone)}")
    return ", ".join(found)


def some(names: list[str], between: str = ", ") -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - NAMED
    return between.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _for_dependents(packages: Mapping[str, BuildrootPackage], name: str, found: Mapping[str, Key]) -> str:
    """Return what of a dependency's key decides those that depend on it.

    A kernel's configuration decides its modules; that of BusyBox and others nothing outside of them.
    """
    key = found.get(name)
    if key is None:
        return name
    return f"{key.base}{key.kconfig}" if name == "linux" and name in packages else key.base


def in_order(packages: Mapping[str, BuildrootPackage]) -> tuple[str, ...]:
    """Return the packages so that each comes after what it depends on (a cycle is cut where it is met)."""
    order: list[str] = []
    seen: set[str] = set()
    for start in sorted(packages):
        stack = [(start, iter(sorted(packages[start].dependencies)))]
        if start in seen:
            continue
        seen.add(start)
        while stack:
            name, rest = stack[-1]
            below = next((each for each in rest if each in packages and each not in seen), None)
            if below is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(below)
                stack.append((below, iter(sorted(packages[below].dependencies))))
    return tuple(order)


def symbols_in(folder: Path) -> frozenset[str]:
    """Return the symbols of Buildroot that the make files of a package name."""
    found: set[str] = set()
    for path in sorted(folder.glob("*.mk*")) if folder.is_dir() else ():
        found |= set(_SYMBOL.findall(path.read_text("utf-8", "replace")))
    return frozenset(found)
