"""The part of a manifest that says what a system is made of, checked before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootstream.errors import UserError, Where
from rootstream.project.artifact import INVENTORY

__all__ = ["INVENTORY", "Contents", "Input", "Own", "Product", "Row", "Told", "read"]
_MOST = 100_000
_Text = Annotated[str, Field(max_length=65_536)]
_Texts = Annotated[tuple[_Text, ...], Field(max_length=_MOST)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    # JSON has no tuples: lists become ones
    model_config = ConfigDict(frozen=True, extra="ignore")


class Row(_Part):
    """A file of a lock's entry: a package of Debian, a wheel, an sdist, or a file of a source package."""

    name: _Text = ""
    version: _Text = ""
    architecture: _Text = ""
    path: _Text = ""
    file: _Text = ""
    role: _Text = ""
    repository: _Text | None = None
    sha256: _Sha256


class Input(_Part):
    """An entry of the lock. `ships` says that what it pins gets into images, and names a tree."""

    source: dict[_Text, Any]
    ref: Any
    ships: _Text | None = None

    def rows(self, place: Path) -> tuple[Row, ...]:
        """Return the files of an entry. Raises `UserError` bad-manifest."""
        given = self.ref.get("files") if isinstance(self.ref, dict) else self.ref
        if not isinstance(given, list):
            raise _fault(place, f"inputs: the ref of {self.source.get('kind')!s:.40} is not a list of files")
        try:
            return tuple(Row.model_validate(each) for each in given)
        except ValidationError as error:
            raise _invalid(place, error, "inputs.ref") from error

    def text(self, word: str) -> str | None:
        """Return a word of the source that is a text."""
        value = self.source.get(word)
        return value if isinstance(value, str) else None


class Product(_Part):
    """What the description says of the system as a product."""

    name: _Text | None = None
    version: _Text | None = None
    supplier: _Text | None = None
    license: _Text | None = None
    cpe: _Text | None = None


class File(_Part):
    """A license file of something vendored; its text is among those of the manifest, if at all."""

    path: _Text
    sha256: _Sha256


_Files = Annotated[tuple[File, ...], Field(max_length=_MOST)]


class Crate(_Part):
    """A crate of a Cargo.lock; `license` is what its Cargo.toml says."""

    name: _Text
    version: _Text
    checksum: _Sha256 | None = None
    source: _Text | None = None
    license: _Text | None = None
    texts: _Files = ()


class GoModule(_Part):
    """A module of vendor/modules.txt; `sum` is its line in go.sum, `license` that of its license files."""

    path: _Text
    version: _Text
    sum: _Text | None = None
    license: _Text | None = None
    texts: _Files = ()


class Own(_Part):
    """Something of the project itself: a package, an overlay, a source tree."""

    kind: _Text
    name: _Text
    folder: _Text
    sha256: _Sha256 | None = None
    version: _Text | None = None
    supplier: _Text | None = None
    license: _Text | None = None
    crates: Annotated[tuple[Crate, ...], Field(max_length=_MOST)] = ()
    modules: Annotated[tuple[GoModule, ...], Field(max_length=_MOST)] = ()


class Download(_Part):
    """A file that a package of Buildroot is built from."""

    name: _Text
    sha256: _Text | None = None
    url: _Text | None = None


class BuildrootPackage(_Part):
    """A package of a Buildroot configuration, as Buildroot describes it."""

    name: _Text
    version: _Text = ""
    host: bool = False
    license: _Text = ""
    cpe: _Text | None = None
    ignored: _Texts = ()
    patches: _Texts = ()
    downloads: Annotated[tuple[Download, ...], Field(max_length=_MOST)] = ()
    virtual: bool = False
    override: _Text | None = None
    """The folder that it was built from instead of its release."""
    homepage: _Text | None = None


class Origin(_Part):
    """What a layer of a root is: a component, packages of one of the lock's sets, or something unknown."""

    component: _Text | None = None
    packages: _Texts = ()
    overlay: _Text | None = None
    unknown: _Text | None = None


class Contents(_Part):
    """What a manifest has under `contents`."""

    product: Product = Product()
    own: Annotated[tuple[Own, ...], Field(max_length=_MOST)] = ()
    buildroot: Annotated[tuple[BuildrootPackage, ...], Field(max_length=_MOST)] = ()
    graph: bool | None = None
    """Whether Buildroot's packages were built one by one (`graph: true`), not by its make in the workspace."""
    origins: dict[_Text, Origin] = {}
    linked: _Texts = ()
    texts: Annotated[dict[_Sha256, Annotated[str, Field(max_length=1 << 21)]], Field(max_length=_MOST)] = {}


class _Manifest(_Part):
    system: _Text = ""
    arch: _Text = ""
    rootstream: _Text = ""
    plan: _Text = ""
    epoch: int | None = None
    inputs: Annotated[tuple[Input, ...], Field(max_length=_MOST)] = ()
    contents: Contents = Contents()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a manifest says, checked; `place` is where it was read."""

    place: Path
    system: str
    arch: str
    rootstream: str
    plan: str
    epoch: int | None
    inputs: tuple[Input, ...]
    contents: Contents


def read(data: Any, place: Path) -> Told:  # noqa: ANN401  (JSON)
    """Return what a manifest says. Raises `UserError` bad-manifest."""
    try:
        found = _Manifest.model_validate(data)
    except ValidationError as error:
        raise _invalid(place, error, "") from error
    return Told(
        place=place,
        system=found.system,
        arch=found.arch,
        rootstream=found.rootstream,
        plan=found.plan,
        epoch=found.epoch,
        inputs=found.inputs,
        contents=found.contents,
    )


def _invalid(place: Path, error: ValidationError, below: str) -> UserError:
    first = error.errors()[0]
    return _fault(place, f"{'.'.join(filter(None, (below, *map(str, first['loc']))))}: {first['msg']}")


def _fault(place: Path, message: str) -> UserError:
    hint = f"It is not used. Delete {place.parent} if you did not create it, and build again."
    return UserError("bad-manifest", message[:300], where=Where(path=place), hint=hint)
