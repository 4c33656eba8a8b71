"""The description of systems, as data: what `system.yaml` may say, each word with its meaning.

The JSON Schema, the reference documentation and the validation all come from these models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from rootstream.fetch import git_guard
from rootstream.formats.units import DURATION, SIZE, parse_duration, parse_size

_MODE = r"^(0o)?0*[0-7]{1,4}$"


class Model(BaseModel):
    """Frozen, with no unknown words, described by the text below each word."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Means:
    """Says in a user's words what a value must be; with `path`, what it names must be in the project."""

    text: str
    path: Literal["file", "folder"] | None = None


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{value!r} must be a path below the folder of system.yaml, without '..'")
    return value


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or "\0" in value or "\n" in value:
        raise ValueError(f"{value!r} must be an absolute path in the image, without '..'")
    return "/" + "/".join(path.parts[1:])


def _file_name(value: str) -> str:
    if not value or value.startswith((".", "-")) or "/" in value or any(ord(c) < 32 for c in value):  # noqa: PLR2004
        raise ValueError(f"{value!r} must be a plain file name")
    return value


def _kernel_args(value: str) -> str:
    if "\n" in value or "\0" in value:
        raise ValueError("kernel arguments must be on one line")
    if not all(char.isprintable() or char == "\t" for char in value):
        raise ValueError("kernel arguments must not contain control characters")
    return value


def _git_address(value: str) -> str:
    problem = git_guard.address_problem(value)
    if problem is not None:
        raise ValueError(f"{value!r} is not the address of a Git repository: {problem}")
    return value


def _git_ref(value: str) -> str:
    if git_guard.ref_problem(value) is not None:
        raise ValueError(f"{value!r} is not the name of a branch, tag or commit")
    return value


def _octal(value: object) -> int:
    """Return a file mode; YAML 1.2 reads `0644` as a decimal number, so digits are taken as octal."""
    text = str(value)
    if isinstance(value, bool) or not re.match(_MODE, text):
        raise ValueError(f"{value!r} is not a mode: expected octal digits such as 0755 or 4755")
    return int(text.removeprefix("0o"), 8)


def _one_line(value: str) -> str:
    if not value.strip() or any(ord(c) < 32 for c in value):  # noqa: PLR2004
        raise ValueError("expected text on one line")
    return value


OneLine = Annotated[str, AfterValidator(_one_line), Means("text on one line")]
Whole = Annotated[int, Field(ge=0)]
Size = Annotated[
    int,
    BeforeValidator(parse_size, json_schema_input_type=Whole | Annotated[str, Field(pattern=SIZE)]),
    Means("a size such as 512M, or a number of bytes"),
]
Duration = Annotated[
    float,
    BeforeValidator(
        parse_duration,
        json_schema_input_type=Annotated[float, Field(gt=0)] | Annotated[str, Field(pattern=DURATION)],
    ),
    Means("a duration such as 30s, or a number of seconds"),
]
Mode = Annotated[
    int,
    BeforeValidator(_octal, json_schema_input_type=Whole | Annotated[str, Field(pattern=_MODE)]),
    Means("a mode in octal such as 0755"),
]
Address = Annotated[int, Field(ge=0, lt=1 << 64), Means("an address such as 0x80200000")]
ProjectFile = Annotated[str, AfterValidator(_inside), Means("the path of a file in the project", "file")]
ProjectFolder = Annotated[str, AfterValidator(_inside), Means("the path of a folder in the project", "folder")]
ImagePath = Annotated[str, AfterValidator(_absolute), Means("an absolute path in the image")]
FileName = Annotated[str, AfterValidator(_file_name), Means("a plain file name")]
KernelArgs = Annotated[str, AfterValidator(_kernel_args), Means("kernel arguments on one line")]
Sha256 = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$"), Means("a SHA-256 hash: 64 lower-case hexadecimal digits")
]
GitAddress = Annotated[
    str, AfterValidator(_git_address), Means(f"the address of a repository: {git_guard.EXPECTED}")
]
GitRef = Annotated[str, AfterValidator(_git_ref), Means("the name of a branch or tag")]
Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$"),
    Means("a name of lower-case letters, digits, '.', '_' and '-'"),
]
Symbol = Annotated[str, Field(pattern=r"^(CONFIG_)?[A-Za-z0-9_]+$"), Means("a Kconfig symbol such as CONFIG_NET")]
Account = Annotated[
    str,
    Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"),
    Means("a name of lower-case letters, digits, '_' and '-' that begins with a letter"),
]
Number = Annotated[int, Field(ge=0, le=4294967294)]
Terminal = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_-]{1,32}$"), Means("a terminal such as ttyS0")]
Suite = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9./-]*$"), Means("a suite such as trixie")]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$"), Means("the name of a Debian package")]
Port = Annotated[int, Field(ge=1, le=65535)]


def word(value: object) -> object:
    """Turn the short form of a choice, a single word, into its long form: `tar` is `{tar: {}}`."""
    return {value: {}} if isinstance(value, str) else value


def first_of(*names: str) -> Callable[[Any], str | None]:
    """Return a discriminator: the one of `names` that is a key of the mapping (or a field of the model)."""

    def choose(value: Any) -> str | None:  # noqa: ANN401  (whatever the YAML held)
        for name in names:
            if name in value if isinstance(value, dict) else hasattr(value, name):
                return name
        return None

    return choose


@dataclass(frozen=True, slots=True)
class OneOf:
    """Annotates a union of models: which one a mapping is, the first of its words says that names one.

    `words` has a word for each model, by default its first field; with `short`, the word alone stands for
    `{word: {}}`. `choose` is another way to tell the word of a value.
    """

    words: tuple[str, ...] = ()
    short: bool = False
    choose: Callable[[Any], str | None] | None = None

    def models(self, union: Any) -> dict[str, type[Model]]:  # noqa: ANN401  (a type)
        """Return the models of the union by their words."""
        models = get_args(union) or (union,)
        words = self.words or tuple(next(iter(model.model_fields)) for model in models)
        return dict(zip(words, models, strict=True))

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # noqa: ANN401
        handler: GetCoreSchemaHandler,
    ) -> core_schema.CoreSchema:
        """Return the schema that pydantic validates by, with our own message where no word is known."""
        models = self.models(source)
        schema: core_schema.CoreSchema = core_schema.tagged_union_schema(
            {name: handler.generate_schema(model) for name, model in models.items()},
            discriminator=self.choose or first_of(*models),
            custom_error_type="choice",
            custom_error_message=f"expected one of: {', '.join(models)}",
        )
        return core_schema.no_info_before_validator_function(word, schema) if self.short else schema


# --- sources -------------------------------------------------------------------------------------------------


class DebianSourcePackage(Model):
    """A Debian source package: Debian's copy of the upstream tarball, with its version pinned by the lock."""

    package: PackageName | None = None
    """Name of the source package; by default linux, busybox or musl, depending on where it is used."""
    suite: Suite | None = None
    """Suite to take it from; by default those of the project."""
    version: (
        Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+~:-]*$"), Means("a Debian version such as 6.12.43-1")]
        | None
    ) = None
    """Exact Debian version; by default the newest in the suite when the lock is written."""
    patches: bool = False
    """Apply Debian's patches."""


class Tarball(Model):
    """A tarball from a URL."""

    url: str
    """URL to download; the tarball may be compressed with gzip, bzip2, xz or zstd."""
    sha256: Sha256 | None = None
    """SHA-256 of the tarball; by default the lock pins that of the first download."""


class GitRepository(Model):
    """A Git repository, at the commit pinned by the lock."""

    url: GitAddress
    """URL of the repository (https, ssh, git, http or file), USER@HOST:PATH, or a path."""
    track: GitRef = "HEAD"
    """Branch or tag that `rootstream update` follows."""
    submodules: bool = False
    """Also fetch its submodules, from the URLs in its .gitmodules; not for a Buildroot tree."""


class FromDebian(Model):
    debian: DebianSourcePackage
    """A Debian source package."""


class FromTarball(Model):
    tar: Tarball
    """A tarball."""


class FromGit(Model):
    git: GitRepository
    """A Git repository."""


class FromFolder(Model):
    local: ProjectFolder
    """A folder of the project."""


SourceTree = Annotated[FromDebian | FromTarball | FromGit | FromFolder, OneOf(short=True)]
FROM_DEBIAN = FromDebian(debian=DebianSourcePackage())


# --- kernel and roots ----------------------------------------------------------------------------------------


class NamedDefconfig(Model):
    defconfig: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$"), Means("the name of a defconfig")]
    """Name of a defconfig in the tree, such as `multi_v7_defconfig`."""


class ConfigFile(Model):
    file: ProjectFile
    """A complete configuration (.config) in the project."""


ConfigBase = Literal["tinyconfig", "defconfig", "allnoconfig"] | Annotated[NamedDefconfig | ConfigFile, OneOf()]


ModuleName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"),
    Means("the name of a kernel module such as virtio_net"),
]


class DebianKernel(Model):
    """A prebuilt Debian kernel package with its modules."""

    package: PackageName | None = None
    """Binary package, such as linux-image-cloud-amd64; by default linux-image-amd64, or its counterpart for the
    architecture."""
    suite: Suite | None = None
    """Suite to take it from; by default those of the root, or else of the project."""
    also: tuple[Suite, ...] | None = None
    """Suites to use in addition to `suite`; by default the updates and security suites of a stable suite, `[]` for
    none."""
    modules: Literal["all"] | tuple[ModuleName, ...] = "all"
    """Modules to install in the root, along with their dependencies."""
    initrd: tuple[ModuleName, ...] | None = None
    """Modules to put in the initrd, along with their dependencies; by default the usual disk and file system
    drivers."""


class Kernel(Model):
    """The Linux kernel, built from source or taken from a Debian package."""

    debian: PackageName | DebianKernel | None = None
    """A Debian kernel package to use instead of building from source."""
    source: SourceTree = FROM_DEBIAN
    """Where the source comes from."""
    base: ConfigBase = "tinyconfig"
    """Base configuration: tinyconfig, defconfig, a named defconfig, or a file."""
    fragments: tuple[ProjectFile, ...] = ()
    """Kconfig fragments in the project, merged in this order on top of the base and the built-in fragment."""
    builtin: bool = True
    """Merge Rootstream's own fragment for the architecture (drivers that QEMU and PCs need) before `fragments`."""
    optional: tuple[Symbol, ...] = ()
    """Requested symbols that may be missing from the final configuration, or have another value, without an
    error."""
    modules: bool = False
    """Build and install the modules that the configuration enables."""

    @property
    def package(self) -> DebianKernel | None:
        """Return the kernel package of Debian, if it is one."""
        return DebianKernel(package=self.debian) if isinstance(self.debian, str) else self.debian
