"""The finished root as one deterministic tar: a staged tree, the layers over it, and who owns what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from rootstream import layers
from rootstream.errors import Problems, UserError, Where
from rootstream.plan import base, programs
from rootstream.plan.model import Dependency, Element, Json
from rootstream.plan.sources import local
from rootstream.sandbox.devicetable import DeviceTable, parse_device_table
from rootstream.sandbox.program import Mistake

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


def element(
    *,
    slug: str,
    trees: tuple[Dependency, ...],
    packed: bool = False,
    when_xattrs: Dependency | None = None,
    laid: tuple[tuple[str, str], ...],
    folders: tuple[Dependency, ...] = (),
    archives: tuple[tuple[str, bytes], ...],
    told: dict[str, Json],
    epoch: int,
) -> tuple[Element, dict[str, bytes]]:
    """Return the element whose files are /root.tar and, of a packed tree, /notes with JSON.

    A `packed` tree is an element with a tar and a list of what it left out. `laid` are elements and the path of a
    tar in each, laid over the tree before the archives; `folders` those whose files are laid over it then.

    `archives` are the layers as (name, tar), in order.
    """
    folder = PurePosixPath("files") / f"root-{slug}"
    files = {str(folder / name): content for name, content in archives}
    files[str(folder / "spec.json")] = (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
    words = [f"PYTHONPATH={programs.FOLDER} python3 -m {programs.module('rootfs')} assemble"]
    place = trees[0].location
    words.append("--spec layers/spec.json")
    if packed:
        words.append(f'--base {place}/root.tar --dropped {place}/dropped --report "%{{install-root}}{REPORT}"')
        words.append(f'--warnings "%{{install-root}}{WARNINGS}"')
    else:
        words.append(f"--tree {place}")
    words += [f"--layer {path}" for _, path in laid]
    words += [f"--layer {folder.location}" for folder in folders]
    words += [f"--layer layers/{name}" for name, _ in archives]
    if when_xattrs:
        words.append(f"--when-xattrs {when_xattrs.location}")
    words.append(f'--output "%{{install-root}}{PATH}"')
    made = Element(
        name=f"root-{slug}.bst",
        kind="manual",
        description=f"The finished root of {slug}",
        builds_with=(
            Dependency(element=base.NAME),
            Dependency(element=programs.IMAGES),
            *(Dependency(element=name) for name, _ in laid),
            *((Dependency(element=when_xattrs.element),) if when_xattrs else ()),
            *trees,
            *folders,
        ),
        sources=(local(str(folder), directory="layers"),),
        commands=('mkdir -p "%{install-root}' + ("/notes" if packed else "") + '"', " \\\n  ".join(words)),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return made, files
