"""A source tree with Kconfig: its base, its completed .config, and its own Kconfig code to ask about symbols."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.formats.kconfig import fragment
from rootstream.formats.kconfig.fragment import Request, merged

PLAIN_BASES = ("tinyconfig", "defconfig", "allnoconfig", "alldefconfig", "allmodconfig", "allyesconfig")
SMALLEST_BASES = ("tinyconfig", "allnoconfig")
OLD_BASES = ("defconfig", "allnoconfig", "allyesconfig")
# they would send conf to another file or another set of answers than the one given here
FOREIGN = frozenset(
    {
        *("ARCH", "CONFIG_", "KBUILD_DEFCONFIG", "KBUILD_KCONFIG", "KBUILD_OUTPUT", "O"),
        *("KCONFIG_ALLCONFIG", "KCONFIG_CONFIG", "KCONFIG_DEFCONFIG_LIST", "KCONFIG_NOTIMESTAMP"),
        *("KCONFIG_OVERWRITECONFIG", "KCONFIG_WERROR"),
    }
)
TIMEOUT = 600.0
ENVIRONMENT = ".kconfig-environment"


class KconfigError(Exception):
    """The tree could not be configured at all; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KconfigTree:
    """A source tree, the folder that it is built in, and the words that `make` gets."""

    kind: str
    source: Path
    objects: Path
    make_words: tuple[str, ...]
    prefix: tuple[str, ...] = ()
    """What is put before every command that runs something of the tree: that of another sandbox."""

    @property
    def old(self) -> bool:
        """Whether it has the Kconfig of 2006, as BusyBox does."""
        return self.kind == "busybox"

    @property
    def config(self) -> Path:
        """The resulting configuration."""
        return self.objects / ".config"

    @property
    def kconfig(self) -> str:
        """The Kconfig file that the tree begins with."""
        words = [word.partition("=")[2] for word in self.make_words if word.startswith("KBUILD_KCONFIG=")]
        return words[-1] if words else "Config.in" if self.old else "Kconfig"

    def make(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run make in the tree, return what it said on stderr."""
        where = () if self.objects == self.source else (f"O={self.objects}",)
        argv = [*self.prefix, "make", "-s", "-C", str(self.source), *where, *self.make_words, *words]
        return run(argv, cwd=self.source, env={**clean_environment(), **(env or {})}).stderr


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would lead Kconfig astray.

    BusyBox's Kconfig writes the time into the configuration unless it is told not to, or has SOURCE_DATE_EPOCH.
    """
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"LC_ALL": "C"}
    return kept if "SOURCE_DATE_EPOCH" in kept else kept | {"KCONFIG_NOTIMESTAMP": "1"}


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program with closed stdin; KconfigError with the end of its output when it fails."""
    paste = f"cd {shlex.quote(str(cwd))} && {shlex.join(argv)}"
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise KconfigError(f"{argv[0]} is missing in this sandbox") from error
    except subprocess.TimeoutExpired as error:
        raise KconfigError(f"{argv[0]} did not finish within {TIMEOUT:g} seconds: {paste}") from error
    if done.returncode != 0:
        output = (done.stdout[-2000:] + done.stderr).rstrip().split("\n")[-20:]
        raise KconfigError("\n  | ".join([f"exit status {done.returncode} from: {paste}", *output]))
    return done


def make_base(tree: KconfigTree, base: str) -> None:
    """Write the base to .config; KconfigError for one that there is not."""
    if base.startswith("file:"):
        content = _read(Path(base[5:]))
        tree.objects.mkdir(parents=True, exist_ok=True)
        if tree.old:
            # nothing less makes its `conf` and its Config.in files
            tree.make("allnoconfig")
        tree.config.write_bytes(content)
        return
    plain = OLD_BASES if tree.old else PLAIN_BASES
    if base not in plain and not re.fullmatch(r"(?:\w[\w.+-]*/)*\w[\w.+-]*_defconfig", base, re.ASCII):
        raise KconfigError(f"unknown base {base!r}: one of {', '.join(plain)}, NAME_defconfig, file:PATH")
    tree.objects.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        tree.config.unlink()
    tree.make(base)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KconfigError(f"{path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """Return the text of a file whatever its encoding; KconfigError if it cannot be read."""
    return _read(path).decode("utf-8", "surrogateescape")


def complete(tree: KconfigTree, requests: Mapping[str, Request]) -> str:
    """Lay the requests over .config and let Kconfig complete it; return what it said on stderr.

    The old Kconfig has no olddefconfig, but its `conf -D FILE` reads a file and takes the default of all else,
    which is the same; its `make` targets would also sleep a second.
    """
    text = merged(read_text(tree.config), requests, old=tree.old)
    tree.config.write_text(text, "utf-8", errors="surrogateescape")
    if tree.old:
        conf = str(tree.objects / "scripts/kconfig/conf")
        env = {**clean_environment(), "srctree": str(tree.source)}
        return run([*tree.prefix, conf, "-D", ".config", "Config.in"], cwd=tree.objects, env=env).stderr
    return tree.make("olddefconfig", env={"KCONFIG_WARN_UNKNOWN_SYMBOLS": "1"})


def says_unknown(tree: KconfigTree) -> bool:
    """Whether the tree's Kconfig can name unknown symbols by itself (Linux 6.6, and 6.1's stable releases)."""
    return tree.old or b"KCONFIG_WARN_UNKNOWN_SYMBOLS" in _read(tree.source / "scripts/kconfig/confdata.c")


def explain(tree: KconfigTree, symbols: Sequence[str]) -> list[str]:
    """Return the lines of explain.c about some symbols and those that they depend on."""
    env = explain_environment(tree)
    work = tree.objects / ".kconfig-explain"
    work.mkdir(exist_ok=True)
    try:
        program = work / "explain"
        run([*tree.prefix, *compile_command(tree, program, env.get("HOSTCC") or "cc")], cwd=tree.objects, env=env)
        run(
            [*tree.prefix, str(program), tree.kconfig, ".config", str(work / "out"), *symbols],
            cwd=tree.objects,
            env=env,
        )
        return read_text(work / "out").splitlines()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def compile_command(tree: KconfigTree, program: Path, compiler: str) -> list[str]:
    """Return the command that links explain.c with what the tree's `conf` was linked with."""
    linked = _read(tree.objects / "scripts/kconfig/.conf.cmd").decode().split("\n", 1)[0]
    objects = re.findall(r"scripts/kconfig/[\w.-]+\.o", linked.partition(":=")[2])
    header = _read(tree.source / "scripts/kconfig/expr.h")
    defines = ["-DOLD_KCONFIG"] if tree.old else []
    if re.search(rb"const char \*filename;", header):
        defines.append("-DPROPERTY_FILENAME")
    folders = [f"-I{tree.source / name}" for name in ("scripts/kconfig", "scripts/include")]
    source = Path(fragment.__file__).resolve().with_name("explain.c")
    used = [each for each in objects if each != "scripts/kconfig/conf.o"]
    return [*shlex.split(compiler), "-w", *defines, *folders, "-o", str(program), str(source), *used]


def explain_environment(tree: KconfigTree) -> dict[str, str]:
    """Return the environment that the tree's `make` gives to `conf`: compiler, architecture, version and more.

    A Kconfig file with a shell macro in it has `conf` write down its own environment (Linux 4.18 and later).
    """
    if tree.old:
        return {**clean_environment(), "srctree": str(tree.source)}
    probe = tree.objects / f"{ENVIRONMENT}.in"
    noted = tree.objects / ENVIRONMENT
    try:
        probe.write_text(f"$(shell,env -0 > {noted.name})\n", "ascii")
        tree.make("listnewconfig", f"KBUILD_KCONFIG={probe.name}")
        pairs = (entry.partition("=") for entry in read_text(noted).split("\0") if entry)
        return {name: value for name, _, value in pairs if name != "KBUILD_KCONFIG"}
    finally:
        for path in (probe, noted):
            path.unlink(missing_ok=True)
