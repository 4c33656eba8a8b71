"""Puts a plan together: for each system its kernel, root, images, and one target that holds them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from rootstream.architectures import ARCHITECTURES
from rootstream.description import layers
from rootstream.description.images import Image
from rootstream.description.model import Debian, Described, Description, System
from rootstream.description.roots import FromBuildroot, FromBusybox, FromDebianPackages, FromElements
from rootstream.description.system import FROM_DEBIAN, DebianKernel, FromFolder, SourceTree
from rootstream.host.content import Content
from rootstream.plan import base, inputs, programs, toolchain
from rootstream.plan.images import image
from rootstream.plan.images.base import Context, PlannedImage
from rootstream.plan.kernel import debian_kernel, linux
from rootstream.plan.kernel.kconfig import Configured, Fragment
from rootstream.plan.model import Dependency, Element, Plan
from rootstream.plan.overlay import archive_of
from rootstream.plan.roots import busybox, finished_root
from rootstream.plan.roots import debian as plan_debian
from rootstream.plan.software import packages, python
from rootstream.plan.sources import Unpacked, source_tree, suites_with_updates
from rootstream.project import placeholders
from rootstream.project.lock import Lock
from rootstream.sandbox.rootfs.identities import Identity
from rootstream.sandbox.rootfs.services import UnitChoice
from rootstream.sandbox.rootfs.spec import Permission, RootSpec

TREE = "/tree"
RUN = "/run-"


@dataclass(slots=True)
class _Draft:
    """A plan as it grows."""

    elements: dict[str, Element] = field(default_factory=dict)
    files: dict[str, Content] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    configured: dict[str, dict[str, Configured]] = field(default_factory=dict)

    def add(self, *elements: Element) -> None:
        for element in elements:
            self.elements[element.name] = element


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What one system's target holds: for each image its kind and the name of the file.

    `secrets` are to be put into the exported files, into each as often as `times` says. `configured` are its trees
    with Kconfig: linux, busybox.
    """

    target: str
    element: str
    files: tuple[tuple[str, str], ...]
    secrets: tuple[placeholders.Secret, ...] = ()
    times: Mapping[str, int] = field(default_factory=dict)
    configured: Mapping[str, Configured] = field(default_factory=dict)


def plan(
    description: Description, read: inputs.Inputs, lock: Lock | None, *, only: tuple[str, ...] | None = None
) -> tuple[Plan, Mapping[str, Outputs]]:
    """Return the plan of a project (of all systems, or the named ones) and what each system will give.

    `read` holds the project's files that the description names; `lock` pins the sources, None leaves them open.
    """
    draft = _Draft()
    draft.add(base.element(description.debian))
    made, files = programs.elements()
    draft.add(*made)
    draft.files.update(files)
    outputs: dict[str, Outputs] = {}
    planned: dict[str, Outputs] = {}
    for described in description.systems:
        if isinstance(described.system.root, FromBuildroot):
            continue  # built in its own workspace
        if only is None or described.target in only:
            same = built_alike(description, described)
            if same.target not in planned:
                planned[same.target] = _system(draft, same, description.debian, read)
            outputs[described.target] = replace(planned[same.target], target=described.target)
            draft.targets[described.target] = outputs[described.target].element
    refs: dict[str, Any] = dict(lock.refs) if lock else {}
    finished = Plan(
        elements=draft.elements,
        files=draft.files,
        targets=draft.targets,
        refs=refs,
    )
    return finished, outputs


def built_alike(description: Description, described: Described) -> Described:
    """Return the first of a system and its variants that is built alike: booted and checked otherwise at most."""

    def built(each: Described) -> dict[str, Any]:
        return each.system.model_dump(
            exclude={"description", "product", "licenses", "audit", "budgets", "machine", "checks"}
        )

    wanted = built(described)
    family = (each for each in description.systems if each.name == described.name)
    return next(each for each in family if each is described or built(each) == wanted)


def _system(draft: _Draft, described: Described, debian: Debian, read: inputs.Inputs) -> Outputs:
    system = described.system
    built = _kernel(draft, described, debian, read) if system.kernel else None
    if built:
        draft.add(built.element)
        draft.files.update(built.files)
        if built.asked:
            configured = Configured(element=built.element.name, asked=built.asked)
            draft.configured.setdefault(described.target, {})["linux"] = configured
    tree, first, libc, runs = _tree(draft, described, debian, read)
    packed = isinstance(system.root, FromDebianPackages)
    overlays = [layer.overlay for layer in system.layers if isinstance(layer, layers.OverlayLayer)]
    archives = [
        *first,
        *((f"{number}-overlay.tar", read.archives[path]) for number, path in enumerate(overlays, 1)),
    ]
    hidden = placeholders.hide(described.target, system.layers, read.secrets)
    if hidden.files:
        archives.append(("secrets.tar", archive_of(hidden.files, epoch=system.epoch)))
    named = {f"{number}-overlay.tar": f"{path.rstrip('/')}/" for number, path in enumerate(overlays, 1)}
    named |= {"0-skeleton.tar": "BusyBox's skeleton"} if isinstance(system.root, FromBusybox) else {}
    spec = finished_root.spec(hidden.layers, read.keys, read.texts, system.epoch)
    spec = _own(system, debian, read, replace(spec, names=named))
    trees = [tree]
    if libc and any(permission.capabilities for permission in spec.permissions):
        program, files = busybox.xattr_program(libc, _tools(draft, described, debian), system.epoch)
        draft.add(program)
        draft.files.update(files)
        trees.append(Dependency(element=program.name, location=TREE))
    laid: list[tuple[str, str]] = []
    if built and _with_modules(system):
        laid.append((built.element.name, "/kernel/modules.tar"))
    laid += _python(draft, described, debian, read)
    recipe = finished_root.Recipe(
        slug=described.slug,
        trees=tuple(trees),
        packed=packed,
        runs=runs,
        when_xattrs=_xattrs(draft, system) if packed else None,
        laid=tuple(laid),
        folders=_packages(draft, described, debian, read, libc),
        archives=tuple(archives),
        spec=replace(spec, python=_python_version(system, debian)),
        epoch=system.epoch,
    )
    context = Context(
        slug=described.slug,
        arch=system.arch,
        label=system.label,
        tools=_tools(draft, described, debian),
        debian=debian,
        payloads=read.payloads,
        root=finished_root.name_of(described.slug),
        recipe=recipe,
        kernel=built.element.name if built else None,
        kernel_file=built.image if built else None,
        epoch=system.epoch,
        secrets=hidden.secrets,
        initrd=debian_kernel.INITRD if system.kernel and system.kernel.package else None,
        compiled=built is not None and built.asked is not None,
    )
    return _target(draft, described, context)


def _with_modules(system: System) -> bool:
    """Tell whether the kernel of a system has modules."""
    return system.kernel is not None and bool(system.kernel.modules or system.kernel.package)


def _packages(
    draft: _Draft, described: Described, debian: Debian, read: inputs.Inputs, libc: Element | None
) -> tuple[Dependency, ...]:
    """Add the elements of the software of the project and return what of it is laid over the root."""
    system = described.system
    wanted = packages.wanted(system.layers)
    if not wanted:
        return ()
    tools = _tools(draft, described, debian)
    if libc is None:
        libc = busybox.musl(_source(draft, FROM_DEBIAN, debian, "musl", read), tools, system.epoch)
        draft.add(libc)
    made = packages.packages(wanted, read.trees, tools, libc, debian, system.epoch)
    draft.add(*made.elements)
    draft.files.update(made.files)
    return tuple(Dependency(element=element, location=f"/packages/{name}") for name, element in made.roots.items())


def _own(system: System, debian: Debian, read: inputs.Inputs, spec: RootSpec) -> RootSpec:
    """Return what to set in a root with what only its kind has."""
    if isinstance(system.root, FromBusybox):
        # su and passwd need it; BusyBox gives the right away before it runs anything else.
        return replace(spec, permissions=(Permission(path="/bin/busybox", mode=0o4755), *spec.permissions))
    if isinstance(system.root, FromDebianPackages):
        root = system.root.debian
        return replace(
            spec,
            debian=True,
            units=UnitChoice(enable=root.enable, disable=root.disable, mask=root.mask),
            identities=tuple(Identity(path=path, choice=word) for path, word in sorted(root.identities.items())),
            apt=plan_debian.apt(root, debian, read.openpgp_keys),
            drop=root.drop,
            left_out=plan_debian.left_out(root)[0],
        )
    return spec


def _xattrs(draft: _Draft, system: System) -> Dependency | None:
    """Return what a Debian in an initramfs sets its capabilities with."""
    if not any(each.in_memory for each in system.images):
        return None
    program, files = plan_debian.xattr_program(system.epoch)
    draft.add(program)
    draft.files.update(files)
    return Dependency(element=program.name, location=plan_debian.XATTRS)


def _python(draft: _Draft, described: Described, debian: Debian, read: inputs.Inputs) -> list[tuple[str, str]]:
    """Add the elements of the Python layers and return them with the tars in them."""
    system = described.system
    if not isinstance(system.root, FromDebianPackages):
        return []
    suites = plan_debian.suites_of(system.root.debian, debian)
    found = []
    for layer in _python_layers(system):
        made, files, path = python.element(
            layer, read.texts, suites=suites, arch=system.arch, epoch=system.epoch, debian=debian
        )
        draft.add(*made)
        draft.files.update(files)
        found.append((made[-1].name, path))
    return found


def _python_layers(system: System) -> list[layers.PythonPackages]:
    return [layer.python for layer in system.layers if isinstance(layer, layers.PythonLayer)]


def _python_version(system: System, debian: Debian) -> str | None:
    """Return the version that the Python of a Debian root must have."""
    wanted = _python_layers(system)
    if not wanted or not isinstance(system.root, FromDebianPackages):
        return None
    return python.version_of(wanted[-1], plan_debian.suites_of(system.root.debian, debian)[0])


def _root(draft: _Draft, context: Context, made: Sequence[PlannedImage]) -> tuple[str, ...]:
    """Add the finished root where an image is made from it, and return the elements with notes about it."""
    if not context.recipe.packed and not any(context.root in done.element.uses() for done in made):
        return ()
    used = {name for done in made for name in done.element.uses()} | {name for name, _ in context.recipe.laid}
    kernel = context.kernel if context.compiled and context.kernel in used else None
    inventory = finished_root.inventory_element(context.recipe, kernel)
    draft.add(inventory)
    draft.files.update(context.recipe.files())
    return (inventory.name, *_noted(draft, context, made))


def _noted(draft: _Draft, context: Context, made: Sequence[PlannedImage]) -> tuple[str, ...]:
    noted = not context.recipe.packed or any(done.notes for done in made)
    if noted and not any(context.root in done.element.uses() for done in made):
        return ()
    draft.add(finished_root.element(context.recipe))
    if noted:
        return ()
    notes = finished_root.notes_element(context.slug, context.root)
    draft.add(notes)
    return (notes.name,)


def _target(draft: _Draft, described: Described, context: Context) -> Outputs:
    made: list[PlannedImage] = []
    for each in sorted(described.system.images, key=_turn):
        inner = next((done for done in made if done.kind == each.inner), None)
        done = image.element(each, context, inner)
        made.append(done)
        draft.add(*done.beside, done.element)
        draft.files.update(done.files)
    notes = _root(draft, context, made)
    target = Element(
        name=f"system-{described.slug}.bst",
        kind="stack",
        description=described.system.description or f"All images of {described.target}",
        needs=(*(done.element.name for done in made), *notes),
    )
    draft.add(target)
    order = [each.file_name(context.kernel_file, context.label) for each in described.system.images]
    files = sorted(((done.kind, done.file) for done in made), key=lambda item: order.index(item[1]))
    return Outputs(
        target=described.target,
        element=target.name,
        files=tuple(files),
        secrets=context.secrets,
        times={done.file: done.roots for done in made} if context.secrets else {},
        configured=draft.configured.get(described.target, {}),
    )


def _turn(each: Image) -> int:
    """Return when an image is made: those that others hold come first."""
    if each.kind == "initramfs":
        return 0
    return 2 if each.inner not in (None, "initramfs") else 1


def _kernel(draft: _Draft, described: Described, debian: Debian, read: inputs.Inputs) -> linux.KernelBuild:
    wanted = described.system.kernel
    assert wanted is not None  # noqa: S101  (the caller looked)
    if wanted.package:
        return _packaged(draft, described, debian, wanted.package)
    tools = _tools(draft, described, debian)
    tree = _source(draft, wanted.source, debian, "linux", read)
    recipes = tools.fragments
    uefi = ARCHITECTURES[described.system.arch].uefi
    if uefi and uefi.fragment and any(each.uefi for each in described.system.images):
        recipes = (*recipes, uefi.fragment)
    if isinstance(described.system.root, FromDebianPackages):
        recipes = (*recipes, "systemd")
    mounted = (recipe for each in described.system.images for recipe in each.kernel_fragments)
    recipes = tuple(dict.fromkeys((*recipes, *mounted)))
    builtin = tuple(("linux", recipe) for recipe in recipes) if wanted.builtin else ()
    fragments = read.fragments(wanted.base, wanted.fragments, builtin)
    linkable = any(each.compiled_kernel and each.bootable for each in described.system.images)
    return linux.kernel(wanted, tools, tree, fragments, described.system.epoch, linkable=linkable)


def _packaged(draft: _Draft, described: Described, debian: Debian, wanted: DebianKernel) -> linux.KernelBuild:
    system = described.system
    suites = suites_with_updates(debian.suites, wanted.also)
    if isinstance(system.root, FromDebianPackages):
        suites = plan_debian.suites_of(system.root.debian, debian)
    built, more = debian_kernel.elements(
        wanted,
        debian,
        system.arch,
        suites=suites,
        epoch=system.epoch,
        load=isinstance(system.root, FromBusybox),
    )
    draft.add(*more)
    return built


def _tools(draft: _Draft, described: Described, debian: Debian) -> toolchain.Toolchain:
    """Return the toolchain of a system, whose package sets are then in the plan."""
    tools = toolchain.toolchain(described.system.arch, described.system.isa)
    draft.add(*tools.elements(debian))
    return tools


def _tree(
    draft: _Draft, described: Described, debian: Debian, read: inputs.Inputs
) -> tuple[Dependency, list[tuple[str, bytes]], Element | None, tuple[Dependency, ...]]:
    """Return what the root is made of.

    That is the element that holds its files, archives that go over it before the layers, its libc, and elements
    that say what its packages' scripts made.
    """
    system = described.system
    if isinstance(system.root, FromElements):
        wanted = system.root.elements
        name = inputs.junction_name(wanted.project)
        draft.files.update(read.projects[wanted.project])
        return Dependency(element=f"{name}:{wanted.target}", location=TREE), [], None, ()
    if isinstance(system.root, FromDebianPackages):
        wanted_packages = system.root.debian
        preseed = read.texts[wanted_packages.preseed] if wanted_packages.preseed else ""
        configured = plan_debian.elements(
            wanted_packages,
            debian,
            system.arch,
            preseed,
            system.epoch,
            keys=read.openpgp_keys,
            modules=_with_modules(system),
        )
        draft.add(*configured.elements)
        draft.files.update(configured.files)
        archives = list(plan_debian.netboot(wanted_packages, system.epoch))
        runs = tuple(
            Dependency(element=run, location=TREE if run == configured.root else f"{RUN}{number}")
            for number, run in enumerate(configured.runs, 1)
        )
        return Dependency(element=configured.root, location=TREE), archives, None, runs
    assert isinstance(system.root, FromBusybox)  # noqa: S101  (Buildroot's roots are not planned)
    options = system.root.busybox
    tools = _tools(draft, described, debian)
    libc = busybox.musl(_source(draft, options.libc_source, debian, "musl", read), tools, system.epoch)
    tree = _source(draft, options.source, debian, "busybox", read)
    recipes = ("default", *tools.row.busybox_fragments) if options.builtin else ()
    builtin = tuple(("busybox", recipe) for recipe in recipes)
    fragments: tuple[Fragment, ...] = read.fragments(options.base, options.fragments, builtin)
    built = busybox.busybox(options, tools, tree, libc, fragments, system.epoch)
    draft.add(*built.elements)
    draft.files.update(built.files)
    draft.configured.setdefault(described.target, {})["busybox"] = Configured(
        element=built.root, asked=built.asked
    )
    archives = [("0-skeleton.tar", busybox.skeleton(options, system.epoch))]
    return Dependency(element=built.root, location=TREE), archives, libc, ()


def _source(draft: _Draft, tree: SourceTree, debian: Debian, package: str, read: inputs.Inputs) -> Unpacked:
    if not isinstance(tree, FromFolder):
        return source_tree(tree, debian, package=package)
    path = f"files/tree-{package}/source.tar"
    draft.files[path] = read.trees[tree.local]
    return source_tree(tree, debian, package=package, folder=PurePosixPath(path))
