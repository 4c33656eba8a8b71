"""The finished root as one deterministic tar: a staged tree, the layers over it, and who owns what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rootstream.description import layers
from rootstream.errors import Problems, UserError, Where
from rootstream.host.content import Content
from rootstream.plan import base, programs
from rootstream.plan.model import Dependency, Element, Json
from rootstream.plan.sources import local
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.device_table import DeviceTable, parse_device_table

PATH = "/root.tar"
REPORT = "/notes/dropped.json"
WARNINGS = "/notes/warnings.json"


def spec(  # noqa: C901, PLR0912  (one case for each kind of layer)
    described: tuple[layers.Layer, ...],
    keys: Mapping[str, tuple[str, ...]],
    tables: Mapping[str, str],
    epoch: int,
) -> dict[str, Json]:
    """Return what rootfs.py is told: accounts, permissions, nodes.

    `keys` holds the lines of each file with public keys, `tables` the text of each device table. The last
    layer that says something wins; lists add up.
    """
    told: dict[str, Any] = {
        "epoch": epoch,
        "groups": [],
        "users": [],
        "permissions": [],
        "devices": [],
    }
    for layer in described:
        match layer:
            case layers.HostnameLayer():
                told["hostname"] = layer.hostname
            case layers.IssueLayer():
                told["issue"] = layer.issue if layer.issue.endswith("\n") else layer.issue + "\n"
            case layers.RootLoginLayer():
                told["root_login"] = _login(layer.root_login, keys)
            case layers.UsersLayer():
                told["users"] += [_login(user, keys) for user in layer.users]
            case layers.GroupsLayer():
                told["groups"] += [group.model_dump() for group in layer.groups]
            case layers.PermissionsLayer():
                told["permissions"] += [permission.model_dump() for permission in layer.permissions]
            case layers.DevicesLayer():
                told["devices"] += [device.model_dump() for device in layer.devices]
            case layers.DeviceTableLayer():
                table = _table(tables[layer.device_table], layer.device_table)
                told["permissions"] += [asdict(permission) for permission in table.permissions]
                told["devices"] += [asdict(device) for device in table.devices]
            case layers.SecretsLayer():
                told["permissions"] += [
                    {"path": secret.path, "mode": secret.mode, "owner": secret.owner, "group": secret.group}
                    for secret in layer.secrets
                ]
            case layers.ServicesLayer():
                told.setdefault("services", []).extend(service.model_dump() for service in layer.services)
            case layers.SshdLayer():
                told["sshd"] = layer.sshd.model_dump()
            case _:
                pass
    # Nobody logs in as root unless the description says how.
    told.setdefault("root_login", _login(layers.RootLogin(), keys))
    if "sshd" in told and told["sshd"]["root"] is None:
        told["sshd"]["root"] = "prohibit-password" if told["root_login"]["authorized_keys"] else "no"
    return told


def _table(text: str, path: str) -> DeviceTable:
    try:
        return parse_device_table(text, path)
    except Mistake as mistake:
        raise Problems(tuple(_problem(text) for text in mistake.problems)) from mistake


def _problem(text: str) -> UserError:
    path, _, rest = text.partition(":")
    line, _, message = rest.partition(": ")
    return UserError("device-table", message, where=Where(path=Path(path), line=int(line)))


def _login(account: layers.User | layers.RootLogin, keys: Mapping[str, tuple[str, ...]]) -> dict[str, Json]:
    told = account.model_dump()
    told["authorized_keys"] = [line for path in account.authorized_keys for line in keys[path]]
    return told


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the root of a system is made.

    A `packed` tree is an element with a tar and a list of what it left out; `runs` are elements with lists of what
    its packages' scripts made. `laid` are elements and the path of a
    tar in each, laid over the tree before everything else; `folders` those whose files are laid over it then.
    `archives` are the layers as (name, tar), in order; `told` is the description for rootfs.py.
    """

    slug: str
    trees: tuple[Dependency, ...]
    packed: bool = False
    runs: tuple[Dependency, ...] = ()
    when_xattrs: Dependency | None = None
    laid: tuple[tuple[str, str], ...] = ()
    folders: tuple[Dependency, ...] = ()
    archives: tuple[tuple[str, Content], ...]
    told: Mapping[str, Json]
    epoch: int

    @property
    def folder(self) -> PurePosixPath:
        """Where the layers are in the plan; they are staged as `layers`."""
        return PurePosixPath("files") / f"root-{self.slug}"

    def files(self) -> dict[str, Content]:
        """Return the layers and the description as files of the plan."""
        found = {str(self.folder / name): content for name, content in self.archives}
        found[str(self.folder / "spec.json")] = text_of(self.told)
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


def text_of(told: Mapping[str, Json]) -> bytes:
    """Return a description as a file for rootfs.py."""
    return (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()


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
