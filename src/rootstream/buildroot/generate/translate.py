"""What a description means to Buildroot: symbols, and an external tree with overlay, tables, scripts and packages.

Pure but for reading the key files that the description names.
"""

from __future__ import annotations

import json
import shlex
from importlib import resources
from pathlib import Path

from rootstream.buildroot import info, mounts, overrides
from rootstream.buildroot.generate import accounts, packages, python_layer
from rootstream.buildroot.generate.draft import Draft, Generated, Setting, path_value, text
from rootstream.description import layers
from rootstream.description.model import Described
from rootstream.description.roots import FromBuildroot

OVERRIDES, OVERRIDE_FILE = "overrides", "BR2_PACKAGE_OVERRIDE_FILE"
FINISH = ("post_build", "post_fakeroot")
# What the script of BusyBox's DHCP client calls at a lease, in Buildroot's and in our own roots.
HOOK = "usr/share/udhcpc/default.script.d/rootstream"
MOST_SERVICES = 39  # from S60 to S98: see finish/post_build.py


def generate(described: Described, project: Path, folder: Path) -> Generated:
    """Return what a system means to Buildroot; `folder` is where the external tree will be.

    Raises `UserError` path-not-possible, not-a-public-key, not-possible.
    """
    draft = Draft(project=project, folder=folder)
    path_value(folder, "the project's folder")
    _system(draft, described)
    _overrides(draft, described)
    for number, layer in enumerate(described.system.layers):
        draft.line = described.lines.get(f"layers/{number}", 0)
        _layer(draft, layer)
    for number, each in enumerate(described.system.images):
        draft.line = described.lines.get(f"images/{number}", 0)
        for symbol, value in each.buildroot_symbols().items():
            draft.set(symbol, value)
    draft.line = 0
    _finish(draft)
    kinds = [type(layer) for layer in described.system.layers]
    if layers.PackagesLayer in kinds:
        draft.line = described.lines.get(f"layers/{kinds.index(layers.PackagesLayer)}", 0)
    made = packages.external(described.system.layers, project)
    for path, content in made.files.items():
        draft.file(path, content)
    for symbol in made.symbols:
        draft.set(symbol, "y")
    if layers.PythonLayer in kinds:
        draft.line = described.lines.get(f"layers/{kinds.index(layers.PythonLayer)}", 0)
        _python(draft)
    return Generated(settings=tuple(draft.settings), files=dict(sorted(draft.files.items())))


def _python(draft: Draft) -> None:
    for path, content in python_layer.files(python_layer.folder(draft.folder.parent)).items():
        draft.file(path, content)
    for symbol in python_layer.SYMBOLS:
        draft.set(symbol, "y")


def _system(draft: Draft, described: Described) -> None:
    if not any(isinstance(layer, layers.RootLoginLayer) for layer in described.system.layers):
        # a saved defconfig never says that root may log in, which is the default: a password says it, too
        login = Setting(
            symbol="BR2_TARGET_ENABLE_ROOT_LOGIN", value="n", weak=True, unless="BR2_TARGET_GENERIC_ROOT_PASSWD"
        )
        draft.settings.append(login)
    if described.reports:
        hook = resources.files("rootstream.recipes") / "busybox/skeleton" / HOOK
        draft.file(f"overlay/{HOOK}", hook.read_bytes(), 0o755)


def _overrides(draft: Draft, described: Described) -> None:
    root = described.system.root
    if not isinstance(root, FromBuildroot) or not root.buildroot.override:
        return
    draft.line = described.lines.get("root", 0)
    lines = []
    for name, folder in root.buildroot.override.items():
        place = overrides.resolved(draft.project, folder)
        if not place.is_dir():
            raise draft.not_possible(
                f"override: {name}: there is no folder {folder}", "Correct the path, or remove the line."
            )
        path_value(place, f"the source folder of {name}")
        lines.append(f"{info.prefix_of(name)}OVERRIDE_SRCDIR = {place}\n")
    draft.file(OVERRIDES, "".join(lines))
    draft.set(OVERRIDE_FILE, text(str(draft.folder / OVERRIDES)))
    draft.line = 0


def _layer(draft: Draft, layer: layers.Layer) -> None:  # noqa: C901, PLR0912  (a table of layers)
    match layer:
        case layers.OverlayLayer():
            place = (draft.project / layer.overlay).resolve()
            draft.set("BR2_ROOTFS_OVERLAY", path_value(place, "the overlay"), append=True)
        case layers.HostnameLayer():
            draft.set("BR2_TARGET_GENERIC_HOSTNAME", text(layer.hostname))
        case layers.IssueLayer():
            draft.set("BR2_TARGET_GENERIC_ISSUE", text(""))
            draft.build["issue"] = layer.issue if layer.issue.endswith("\n") else layer.issue + "\n"
        case layers.UsersLayer():
            for user in layer.users:
                accounts.add_user(draft, user)
        case layers.GroupsLayer():
            for group in layer.groups:
                number = group.gid if group.gid is not None else -1 if group.system else -2
                draft.users.append(f"- -1 {group.name} {number} - - - - -")
        case layers.RootLoginLayer():
            accounts.set_root_login(draft, layer.root_login)
        case layers.SshdLayer():
            draft.build["sshd"] = layer.sshd.model_dump(mode="json") | {"required": True}
        case layers.ServicesLayer():
            _services(draft, layer)
        case layers.PermissionsLayer():
            for permission in layer.permissions:
                _permission(draft, permission)
        case layers.DevicesLayer():
            for device in layer.devices:
                _device(draft, device)
        case layers.DeviceTableLayer():
            place = (draft.project / layer.device_table).resolve()
            draft.set("BR2_ROOTFS_DEVICE_TABLE", path_value(place, "the device table"), append=True)
        case layers.PackagesLayer() | layers.PythonLayer():
            pass  # thirdparty.external and pythonlayer have them all at once


def _services(draft: Draft, layer: layers.ServicesLayer) -> None:
    told = draft.build.setdefault("services", [])
    for service in layer.services:
        if any(each["name"] == service.name for each in told):
            raise draft.not_possible(f"services: two services have the name {service.name!r}")
        told.append(service.model_dump(mode="json"))
    if len(told) > MOST_SERVICES:
        raise draft.not_possible(f"services: at most {MOST_SERVICES} services are supported")


def _permission(draft: Draft, permission: layers.Permission) -> None:
    told = {
        "path": permission.path,
        "owner": permission.owner,
        "group": permission.group,
        "mode": permission.mode,
        "recursive": permission.recursive,
    }
    draft.fakeroot.setdefault("permissions", []).append(told)
    if permission.capabilities:
        # a line of its own below the file's: "Makedev syntax documentation" in Buildroot's manual
        if not packages.is_plain(permission.path) or "*" in permission.path:
            message = (
                f"permissions: {permission.path}: on a buildroot root, capabilities need a path without wildcards"
            )
            raise draft.not_possible(message)
        draft.set("BR2_ROOTFS_DEVICE_TABLE_SUPPORTS_EXTENDED_ATTRIBUTES", "y")
        draft.devices.append(f"{permission.path} f -1 -1 -1 - - - - -")
        draft.devices += [f"|xattr {each}" for each in permission.capabilities.split(" ")]


def _device(draft: Draft, device: layers.Device) -> None:
    if not packages.is_plain(device.path):
        raise draft.not_possible(f"devices: Buildroot's device table cannot hold the path {device.path!r}")
    folder, _, name = device.path.rpartition("/")
    if not name or folder.split("/")[1:2] in (["run"], ["tmp"]):
        message = f"devices: {device.path}: Buildroot empties /run and /tmp in every image"
        raise draft.not_possible(message, "Have a service create it.")
    if folder not in ("", "/dev"):
        draft.build.setdefault("folders", []).append(folder)
    kind = {"char": "c", "block": "b", "fifo": "p"}[device.type]
    draft.devices.append(f"{device.path} {kind} {device.mode:o} 0 0 {device.major} {device.minor} - - -")
    if device.owner or device.group:
        told = {"path": device.path, "owner": device.owner, "group": device.group}
        draft.fakeroot.setdefault("permissions", []).append(told)


def image_files(described: Described) -> tuple[tuple[str, tuple[str, ...], str | None], ...]:
    """Return, for each image asked for by kind: the kind, Buildroot's names for its file, and ours."""
    system = described.system
    return tuple(
        (image.kind, names, image.buildroot_name(system.label))
        for image in system.images
        if (names := image.buildroot_files(system.arch))
    )


def _finish(draft: Draft) -> None:
    """Write tables, and the scripts that run at the end where there is something for them to do."""
    accounts.settle_sshd(draft)
    if draft.users:
        draft.file("tables/users", "".join(f"{line}\n" for line in draft.users))
        draft.set("BR2_ROOTFS_USERS_TABLES", text(str(draft.folder / "tables/users")), append=True)
    if draft.devices:
        draft.file("tables/devices", "".join(f"{line}\n" for line in draft.devices))
        draft.set("BR2_ROOTFS_DEVICE_TABLE", text(str(draft.folder / "tables/devices")), append=True)
    if any(path.startswith("overlay/") for path in draft.files):
        draft.set("BR2_ROOTFS_OVERLAY", text(str(draft.folder / "overlay")), append=True)
    for name, data in zip(FINISH, (draft.build, draft.fakeroot), strict=True):
        if not data:
            continue
        program = (resources.files("rootstream.buildroot.generate.finish") / f"{name}.py").read_bytes()
        draft.file(f"scripts/{name}.py", program)
        draft.file(f"scripts/{name}.json", json.dumps(data, indent=1, sort_keys=True) + "\n", 0o600)
        base = draft.folder / "scripts"
        command = shlex.join(
            [str(mounts.interpreter()), "-I", str(base / f"{name}.py"), str(base / f"{name}.json")]
        )
        draft.file(f"scripts/{name}", f'#!/bin/sh\nexec {command} "$1"\n', 0o755)
        symbol = f"BR2_ROOTFS_{name.upper()}_SCRIPT"
        draft.set(symbol, text(str(base / name)), append=True)
