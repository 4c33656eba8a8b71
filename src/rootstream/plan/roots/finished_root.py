"""The finished root as one deterministic tar: a staged tree, the layers over it, and who owns what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from rootstream.description import layers
from rootstream.host.content import Content
from rootstream.plan import base, programs
from rootstream.plan.model import Dependency, Element
from rootstream.plan.roots.device_table import parse_device_table
from rootstream.plan.sources import local
from rootstream.sandbox import handover
from rootstream.sandbox.rootfs.services import ServiceSpec, Sshd
from rootstream.sandbox.rootfs.spec import Device, Group, Permission, RootLogin, RootSpec, User

PATH = "/root.tar"
REPORT = "/notes/dropped.json"
WARNINGS = "/notes/warnings.json"
INVENTORY = "/notes/inventory.jsonl"


def spec(  # noqa: C901, PLR0912  (one case for each kind of layer)
    described: tuple[layers.Layer, ...],
    keys: Mapping[str, tuple[str, ...]],
    tables: Mapping[str, str],
    epoch: int,
) -> RootSpec:
    """Return what the layers set in a root: accounts, permissions, nodes, services.

    `keys` holds the lines of each file with public keys, `tables` the text of each device table. The last
    layer that says something wins; lists add up. Raises `Problems` (device-table).
    """
    made = RootSpec(epoch=epoch)
    login, policy = layers.RootLogin(), None  # nobody logs in as root unless the description says how
    for layer in described:
        match layer:
            case layers.HostnameLayer():
                made = replace(made, hostname=layer.hostname)
            case layers.IssueLayer():
                made = replace(made, issue=layer.issue if layer.issue.endswith("\n") else layer.issue + "\n")
            case layers.RootLoginLayer():
                login = layer.root_login
            case layers.UsersLayer():
                made = replace(made, users=(*made.users, *(_user(user, keys) for user in layer.users)))
            case layers.GroupsLayer():
                made = replace(
                    made, groups=(*made.groups, *(Group(**group.model_dump()) for group in layer.groups))
                )
            case layers.PermissionsLayer():
                more = tuple(Permission(**permission.model_dump()) for permission in layer.permissions)
                made = replace(made, permissions=made.permissions + more)
            case layers.DevicesLayer():
                made = replace(
                    made, devices=(*made.devices, *(Device(**each.model_dump()) for each in layer.devices))
                )
            case layers.DeviceTableLayer():
                table = parse_device_table(tables[layer.device_table], Path(layer.device_table))
                permissions, devices = made.permissions + table.permissions, made.devices + table.devices
                made = replace(made, permissions=permissions, devices=devices)
            case layers.SecretsLayer():
                more = tuple(
                    Permission(path=secret.path, mode=secret.mode, owner=secret.owner, group=secret.group)
                    for secret in layer.secrets
                )
                made = replace(made, permissions=made.permissions + more)
            case layers.ServicesLayer():
                started = tuple(ServiceSpec(**service.model_dump()) for service in layer.services)
                made = replace(made, services=made.services + started)
            case layers.SshdLayer():
                policy = layer.sshd
            case _:
                pass
    root_login = RootLogin(
        password=_password(login.password),
        console=login.console,
        authorized_keys=_keys(login.authorized_keys, keys),
    )
    return replace(made, root_login=root_login, sshd=None if policy is None else _sshd(policy, root_login))


def _user(user: layers.User, keys: Mapping[str, tuple[str, ...]]) -> User:
    given = user.model_dump(exclude={"password", "authorized_keys", "sudo"})
    sudo = user.sudo if isinstance(user.sudo, str) else "yes" if user.sudo else "no"
    lines = _keys(user.authorized_keys, keys)
    return User(**given, password=_password(user.password), authorized_keys=lines, sudo=sudo)


def _keys(paths: Sequence[str], keys: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(line for path in paths for line in keys[path])


def _password(given: layers.Password) -> str:
    """Return the field for shadow(5)."""
    if isinstance(given, layers.PasswordHash):
        return given.hash
    return "!" if given == "locked" else ""


def _sshd(policy: layers.Sshd, login: RootLogin) -> Sshd:
    root = policy.root or ("prohibit-password" if login.authorized_keys else "no")
    return Sshd(root=root, passwords=policy.passwords, ports=policy.ports)


def notes_element(slug: str, root: str) -> Element:
    """Return the element that brings what was dropped beside the images, for the manifest."""
    return Element(
        name=f"notes-{slug}.bst",
        kind="manual",
        description=f"What {slug} leaves out",
        builds_with=(Dependency(element=base.NAME), Dependency(element=root)),
        commands=tuple(f'install -D -m 644 {path} "%{{install-root}}{path}"' for path in (REPORT, WARNINGS)),
        variables={"strip-binaries": ""},
    )


def inventory_element(recipe: Recipe, kernel: str | None) -> Element:
    """Return the element with the list of a root's files and where they come from, for the export.

    `kernel` is the element of a kernel that was compiled. No image is made of the list: a new one rebuilds none.
    """
    places = [each for each in recipe.needs() if each not in programs.needs()]
    places += [each for each in ([Dependency(element=kernel)] if kernel else []) if each not in places]
    words = [
        f"PYTHONPATH={programs.FOLDER} python3 -m {programs.module('inventory.root')}",
        *recipe.begin(),
        *recipe.finish("--over"),
        *(["--config linux=/kernel/config", "--release /kernel/release", "--sources /kernel"] if kernel else []),
        f'--output "%{{install-root}}{INVENTORY}"',
    ]
    return Element(
        name=f"inventory-{recipe.slug}.bst",
        kind="manual",
        description=f"What the files of {recipe.slug} come from",
        builds_with=(*places, Dependency(element=programs.INVENTORY)),
        sources=(local(str(recipe.folder), directory="layers"),),
        commands=('mkdir -p "%{install-root}/notes"', " \\\n  ".join(words)),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(recipe.epoch)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the root of a system is made.

    A `packed` tree is an element with a tar and a list of what it left out; `runs` are elements with lists of what
    its packages' scripts made. `laid` are elements and the path of a
    tar in each, laid over the tree before everything else; `folders` those whose files are laid over it then.
    `archives` are the layers as (name, tar), in order; `spec` is what to set in the root.
    """

    slug: str
    trees: tuple[Dependency, ...]
    packed: bool = False
    runs: tuple[Dependency, ...] = ()
    when_xattrs: Dependency | None = None
    laid: tuple[tuple[str, str], ...] = ()
    folders: tuple[Dependency, ...] = ()
    archives: tuple[tuple[str, Content], ...]
    spec: RootSpec
    epoch: int

    @property
    def folder(self) -> PurePosixPath:
        """Where the layers are in the plan; they are staged as `layers`."""
        return PurePosixPath("files") / f"root-{self.slug}"

    def files(self) -> dict[str, Content]:
        """Return the layers and the description as files of the plan."""
        found = {str(self.folder / name): content for name, content in self.archives}
        found[str(self.folder / "spec.json")] = handover.dump(self.spec)
        return found

    def lasting(self) -> tuple[Dependency, ...]:
        """Return what everything but the layers is made of."""
        return (
            Dependency(element=base.NAME),
            *programs.needs(),
            *(Dependency(element=name) for name, _ in self.laid),
            *self.trees,
            *(run for run in self.runs if run not in self.trees),
            *self.folders,
        )

    def needs(self) -> tuple[Dependency, ...]:
        """Return what a root is made of beside the layers."""
        return (*self.lasting(), *((Dependency(element=self.when_xattrs.element),) if self.when_xattrs else ()))

    def begin(self) -> list[str]:
        """Return the words for the tree with all over it that does not come from the layers."""
        place = self.trees[0].location
        words = [f"--base {place}/root.tar" if self.packed else f"--tree {place}"]
        words += [f"--made {run.location}/made" for run in self.runs]
        words += [f"--layer {path}" for _, path in self.laid]
        return words + [f"--layer {folder.location}" for folder in self.folders]

    def finish(self, option: str) -> list[str]:
        """Return the words for the layers, each with an option before it, and the description."""
        words = ["--spec layers/spec.json", *(f"{option} layers/{name}" for name, _ in self.archives)]
        return words + ([f"--when-xattrs {self.when_xattrs.location}"] if self.when_xattrs else [])

    def report(self) -> list[str]:
        """Return the words for JSON about a packed tree below /notes."""
        if not self.packed:
            return []
        return [
            f"--dropped {self.trees[0].location}/dropped",
            f'--report "%{{install-root}}{REPORT}"',
            f'--warnings "%{{install-root}}{WARNINGS}"',
        ]


def name_of(slug: str) -> str:
    """Return the name of the element of a finished root."""
    return f"root-{slug}.bst"


def element(recipe: Recipe) -> Element:
    """Return the element whose files are /root.tar and, of a packed tree, /notes with JSON."""
    words = [
        f"{programs.command('rootfs.assemble')} assemble",
        *recipe.begin(),
        *recipe.finish("--layer"),
        *recipe.report(),
        f'--output "%{{install-root}}{PATH}"',
    ]
    return Element(
        name=name_of(recipe.slug),
        kind="manual",
        description=f"The finished root of {recipe.slug}",
        builds_with=recipe.needs(),
        sources=(local(str(recipe.folder), directory="layers"),),
        commands=('mkdir -p "%{install-root}' + ("/notes" if recipe.packed else "") + '"', " \\\n  ".join(words)),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(recipe.epoch)},
    )
