"""Rules of layers: what a root can take, software that needs other software, services in their order."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES
from rootstream.description.layers import PackagesLayer, PythonLayer, SecretsLayer, ServicesLayer, SshdLayer
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot, FromBusybox, FromDebianPackages
from rootstream.description.system import Model
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError, Where

# Layers that not every root can take: those that can.
_ROOTS: dict[type[Model], tuple[type[Model], ...]] = {
    SshdLayer: (FromBuildroot, FromDebianPackages),
    ServicesLayer: (FromBuildroot, FromDebianPackages, FromBusybox),
    PackagesLayer: (FromBusybox, FromDebianPackages, FromBuildroot),
    PythonLayer: (FromDebianPackages, FromBuildroot),
}
PACKAGES = ("make", "autotools", "cmake", "meson", "go", "cargo")  # how software is built on a root of ours
_ISAS = tuple(isa for row in ARCHITECTURES.values() for isa in row.isas)
# What there is a compiler for that is not C's.
COMPILERS = {
    "go": ("Go", tuple(isa.label for isa in _ISAS if isa.go)),
    "cargo": ("Rust", tuple(isa.label for isa in _ISAS if isa.rust)),
}


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield layers that a root cannot take yet, and services that wait for others that are not there."""
    for number, layer in enumerate(system.layers):
        word = next(iter(type(layer).model_fields))
        able = _ROOTS.get(type(layer))
        if able and not isinstance(system.root, able):
            names = " and ".join(next(iter(root.model_fields)) for root in able)
            message = f"{word}: this layer is not available for this root yet, only for {names}"
            yield UserError("not-available", message, where=at(node, "layers", number, word))
        if isinstance(layer, SecretsLayer) and isinstance(system.root, FromBuildroot):
            message = (
                "secrets: not available with a buildroot root, whose output stays in the project; use an overlay"
            )
            yield UserError("not-available", message, where=at(node, "layers", number, word))
        if isinstance(layer, PackagesLayer) and not isinstance(system.root, FromBuildroot):
            yield from _packages(system, layer, node, ("layers", number, word))
        if isinstance(layer, PythonLayer) and not _installs(layer):
            message = "python: nothing to install; list packages in `install`, or files in `requirements`"
            yield UserError("bad-value", message, where=at(node, "layers", number, word))
        if isinstance(layer, PythonLayer) and isinstance(system.root, FromBuildroot):
            yield from _python_on_buildroot(layer, at(node, "layers", number, word))
        if isinstance(layer, ServicesLayer):
            others = [service.name for service in layer.services]
            for index, service in enumerate(layer.services):
                where = at(node, "layers", number, word, index)
                for name in (each for each in service.after if each not in others[:index]):
                    message = f"services: {service.name} has `after: {name}`, which is not earlier in this list"
                    yield UserError("bad-value", message, where=where)


def _python_on_buildroot(layer: PythonLayer, where: Where) -> Iterator[UserError]:
    """Yield what cannot be there: Buildroot itself builds what is no wheel, and only its tree has the version."""
    wanted = layer.python
    if wanted.version is None:
        message = "python: with a buildroot root, `version` is required"
        hint = 'For example `version: "3.13"`: see PYTHON3_VERSION_MAJOR in package/python3/python3.mk.'
        yield UserError("python-unknown", message, where=where, hint=hint)
    if wanted.from_source or wanted.git or wanted.build_requires or wanted.build_packages:
        message = (
            "python: with a buildroot root, only wheels can be installed here, and sources are built as packages"
        )
        hint = "For example `- packages: [{name: x, source: x, build: python}]`, or BR2_PACKAGE_PYTHON_...=y."
        yield UserError("not-available", message, where=where, hint=hint)


def _installs(layer: PythonLayer) -> bool:
    wanted = layer.python
    return bool(wanted.install or wanted.requirements or wanted.from_source or wanted.git)


def _packages(
    system: System, layer: PackagesLayer, node: Node, path: tuple[str | int, ...]
) -> Iterator[UserError]:
    """Yield software that cannot be built on a root of ours, or needs what is not there."""
    before: list[str] = []
    for index, package in enumerate(layer.packages):
        where = at(node, *path, index)
        if package.build not in PACKAGES:
            message = f"build: {package.build} is not available for this root yet, only {', '.join(PACKAGES)}"
            yield UserError("not-available", message, where=at(node, *path, index, "build"))
        language, able = COMPILERS.get(package.build, ("", (system.label,)))
        if system.label not in able:
            message = f"build: Debian has no {language} compiler for {system.label}, only for {', '.join(able)}"
            yield UserError("not-available", message, where=at(node, *path, index, "build"))
        if package.build == "cargo" and package.depends:
            message = (
                f"depends: {package.name} is Rust with its own C library, so it cannot link to other packages"
            )
            hint = "Bundle C sources, as crates do, or run the other package as a program."
            yield UserError("bad-value", message, where=at(node, *path, index, "depends"), hint=hint)
        if package.name in before:
            message = f"packages: two packages have the name {package.name!r}"
            yield UserError("duplicate-name", message, where=where)
        for name in (each for each in package.depends if each not in before):
            message = f"packages: {package.name} depends on {name}, which is not earlier in this list"
            hint = "On this root, packages can only depend on each other."
            yield UserError("bad-value", message, where=where, hint=hint)
        before.append(package.name)
