"""The files of a project that its description names, read once, so that planning itself is pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from rootstream.description import layers
from rootstream.description.model import Described, Description
from rootstream.description.roots import FromBusybox, FromDebianPackages, FromElements
from rootstream.description.system import ConfigBase, ConfigFile, FromFolder, SourceTree
from rootstream.errors import UserError, Where
from rootstream.formats import requirement
from rootstream.host.content import Content, Program
from rootstream.host.file_text import bytes_of, key_lines, openpgp_key, text_of
from rootstream.plan import overlay
from rootstream.plan.kernel.kconfig import BASE_FILE, Fragment
from rootstream.plan.model import short_hash
from rootstream.plan.software import packages

VCS = (".git", ".svn", ".hg")
DERIVED = ("out", ".rootstream", ".bst", "system.yaml", "system.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Contents by path in the project: overlays and payloads as tars, public keys, texts, fragments, source trees.

    `projects` holds BuildStream projects of the user as files of the plan. `secrets` never get into a plan.
    """

    archives: Mapping[str, Content] = field(default_factory=dict)
    payloads: Mapping[str, Content] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    openpgp_keys: Mapping[str, bytes] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, bytes] = field(default_factory=dict)
    trees: Mapping[str, Content] = field(default_factory=dict)
    projects: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def fragments(
        self, base: ConfigBase, names: tuple[str, ...], builtin: tuple[tuple[str, str], ...]
    ) -> tuple[Fragment, ...]:
        """Return the Kconfig fragments in their order: the built-in ones (kind, name) first."""
        found = []
        if isinstance(base, ConfigFile):
            found.append(Fragment(shown=base.file, file=BASE_FILE, content=self.configs[base.file]))
        for number, (kind, name) in enumerate(builtin):
            content = (resources.files("rootstream.recipes") / kind / f"{name}.config").read_bytes()
            file = f"0.{number}.config" if number else "0.config"
            found.append(Fragment(shown=f"built-in:{kind}/{name}.config", file=file, content=content))
        for number, path in enumerate(names, 1):
            found.append(Fragment(shown=path, file=f"{number}.config", content=self.configs[path]))
        return tuple(found)


def requirement_text(path: Path) -> str:
    """Return a requirement or constraint file as lines that pip may have. Raises `UserError` requirement-refused.

    Options would name other files, or indexes, which are the user's own and belong into pip's configuration; what
    is named by an address or a path would be built on this machine.
    """
    found = []
    for number, line in requirement.lines(text_of(path)):
        problem = requirement.problem(line)
        if problem is not None:
            raise UserError(
                "requirement-refused",
                problem,
                where=Where(path=path, line=number),
                hint="List files in system.yaml, indexes in pip's configuration, and use `from_source:` and\n"
                "  `git:` for packages without a wheel.",
            )
        found.append(line)
    return "".join(f"{line}\n" for line in found)


def gather(  # noqa: C901, PLR0912  (one look at each kind of file)
    description: Description, folder: Path, *, only: tuple[str, ...] | None = None
) -> Inputs:
    """Read what the description (or the named systems of it) names in the project's folder."""
    archives: dict[str, Content] = {}
    keys: dict[str, tuple[str, ...]] = {}
    openpgp_keys: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    configs: dict[str, bytes] = {}
    trees: dict[str, Content] = {}
    payloads: dict[str, Content] = {}
    projects: dict[str, Mapping[str, bytes]] = {}
    secrets: dict[str, bytes] = {}
    for described in description.systems:
        if only is not None and described.target not in only:
            continue
        for layer in described.system.layers:
            if isinstance(layer, layers.OverlayLayer) and layer.overlay not in archives:
                archives[layer.overlay] = overlay.archive(folder / layer.overlay, epoch=described.system.epoch)
            texts |= _layer_texts(layer, folder)
            if isinstance(layer, layers.SecretsLayer):
                secrets |= {secret.file: bytes_of(folder / secret.file) for secret in layer.secrets}
            for path in _key_files(layer):
                keys[path] = key_lines(folder / path)
        for image in described.system.images:
            for carried in image.folders:
                packed = overlay.archive(folder / carried, epoch=described.system.epoch, prefix="payload/")
                payloads[carried] = packed
        if isinstance(described.system.root, FromDebianPackages) and described.system.root.debian.preseed:
            path = described.system.root.debian.preseed
            texts[path] = text_of(folder / path)
        if isinstance(described.system.root, FromDebianPackages):
            files = [each.key for each in described.system.root.debian.repositories.values()]
            openpgp_keys |= {path: openpgp_key(folder / path) for path in files}
        if isinstance(described.system.root, FromElements):
            path = described.system.root.elements.project
            projects[path] = junction(folder, path, junction_name(path))
        for path in _config_files(described):
            configs[path] = bytes_of(folder / path)
        for tree in _trees(described):
            if isinstance(tree, FromFolder) and tree.local not in trees:
                trees[tree.local] = overlay.archive(
                    folder / tree.local, epoch=described.system.epoch, ignored=VCS, prefix="tree/"
                )
    return Inputs(
        archives=archives,
        payloads=payloads,
        keys=keys,
        openpgp_keys=openpgp_keys,
        texts=texts,
        configs=configs,
        trees=trees,
        projects=projects,
        secrets=secrets,
    )


def _layer_texts(layer: layers.Layer, folder: Path) -> dict[str, str]:
    if isinstance(layer, layers.DeviceTableLayer):
        return {layer.device_table: text_of(folder / layer.device_table)}
    if isinstance(layer, layers.PythonLayer):
        paths = (*layer.python.requirements, *layer.python.constraints)
        return {path: requirement_text(folder / path) for path in paths}
    return {}


def _key_files(layer: layers.Layer) -> tuple[str, ...]:
    if isinstance(layer, layers.UsersLayer):
        return tuple(path for user in layer.users for path in user.authorized_keys)
    if isinstance(layer, layers.RootLoginLayer):
        return layer.root_login.authorized_keys
    return ()


def _config_files(described: Described) -> tuple[str, ...]:
    system = described.system
    wanted: list[str] = []
    bases: list[ConfigBase] = []
    if system.kernel:
        wanted += system.kernel.fragments
        bases.append(system.kernel.base)
    if isinstance(system.root, FromBusybox):
        wanted += system.root.busybox.fragments
        bases.append(system.root.busybox.base)
    return (*wanted, *(base.file for base in bases if isinstance(base, ConfigFile)))


def _trees(described: Described) -> tuple[SourceTree, ...]:
    """Return source trees of the system, those of its packages among them."""
    system = described.system
    trees: list[SourceTree] = [system.kernel.source] if system.kernel else []
    if isinstance(system.root, FromBusybox):
        trees += [system.root.busybox.source, system.root.busybox.libc_source]
    trees += [FromFolder(local=package.source) for package in packages.wanted(system.layers)]
    return tuple(trees)


def junction_name(project: str) -> str:
    """Return the name of the junction element that leads to a project in a folder below ours."""
    return "project.bst" if project in (".", "") else f"project-{short_hash(project)}.bst"


def junction(folder: Path, project: str, name: str) -> dict[str, bytes]:
    """Return a BuildStream project below the project's folder as files of the plan, and its junction.

    BuildStream takes a subproject only from below the project that uses it. Raises `UserError` symlink-in-project.
    """
    root = folder / project
    files = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if relative.parts[0] in DERIVED or any(part in VCS for part in relative.parts):
            continue
        if path.is_symlink():
            raise UserError("symlink-in-project", "links are not supported here", where=Where(path=path))
        if path.is_file():
            content = bytes_of(path)
            is_program = path.stat().st_mode & 0o111
            files[f"junctions/{Path(name).stem}/{relative}"] = Program(content) if is_program else content
    text = f"kind: junction\nsources:\n- kind: local\n  path: junctions/{Path(name).stem}\n"
    files[f"elements/{name}"] = text.encode()
    return files
