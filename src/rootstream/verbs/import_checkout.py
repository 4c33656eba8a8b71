"""`rootstream import`: a project of an existing Buildroot checkout, with the very configuration that this has.

The project is written beside the checkout's external trees, which stay where they are. Its defconfig is the short
form of the checkout's .config; what comes out of it is compared with that, and nothing is left if it differs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from rootstream import events
from rootstream.architectures import of_buildroot
from rootstream.buildroot.build.opening import Opened
from rootstream.buildroot.config import config_edit, kconfig, requested
from rootstream.buildroot.sources import checkout, worktree
from rootstream.buildroot.sources.checkout import Checkout, own_values
from rootstream.description.system import NamedDefconfig
from rootstream.errors import UserError, Where
from rootstream.events import Reporter
from rootstream.host import nofollow
from rootstream.project import lock, project
from rootstream.verbs import buildroot
from rootstream.verbs.shared_cache import engine_of

SHOWN = 20


def create(
    source: Path,
    folder: Path | None,
    defconfig: str | None,
    name: str | None,
    externals: tuple[Path, ...],
    env: Mapping[str, str],
    report: Reporter,
) -> Path:
    """Make a project and return its folder; by default the one that the checkout's external trees are in.

    `defconfig` is the name of one to take instead of the checkout's .config. Raises `UserError` no-buildroot,
    no-config, is-project, external-outside, not-equal.
    """
    found = checkout.of(source, externals)
    place = (folder or _beside(found)).resolve()
    trees = tuple(_inside(place, each) for each in found.externals)
    if found.config is None and defconfig is None:
        raise UserError(
            "no-config",
            "has no .config",
            where=Where(path=source),
            hint="Use its output folder (O=), or select one of its defconfigs with --defconfig NAME.",
        )
    config = None if defconfig else found.config
    text = config.read_text("utf-8", "surrogateescape") if config else ""
    system = name or _name(defconfig or checkout.origin(text))
    description = place / project.DESCRIPTION
    if description.exists():
        raise UserError(
            "is-project",
            "already exists",
            where=Where(path=description),
            hint="Use another folder: `rootstream import FOLDER DIR`.",
        )
    own = f"configs/{system}_defconfig"
    if (place / own).exists():
        raise UserError("not-empty", "already exists", where=Where(path=place / own), hint="Use --name NAME.")
    made = _to_be_made(place)
    place.mkdir(parents=True, exist_ok=True)
    written = [description, place / own, place / lock.FILE_NAME]
    try:
        nofollow.write(place, place / own, text.encode("utf-8", "surrogateescape"))
        nofollow.write(place, description, _description(found, system, own, place, trees, text, env).encode())
        text = _configured(found, place, system, defconfig, text, env, report)
        nofollow.write(place, description, _description(found, system, own, place, trees, text, env).encode())
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        for path in reversed(made):
            shutil.rmtree(path, ignore_errors=True)
        raise
    for line in _told(found, env):
        report(events.Notice(level="warning", text=line))
    return place


def _to_be_made(place: Path) -> list[Path]:
    """Return the folders that an import makes of a folder, the outermost first: those are not there yet."""
    above = [each for each in (place, *place.parents) if not each.exists()]
    return [*reversed(above), *(each for each in (place / "configs", place / project.WORK) if not each.exists())]


def _beside(found: Checkout) -> Path:
    """Return the folder that all external trees are in, or the present one where there are none."""
    above = [str(each.parent) for each in found.externals]
    return Path(os.path.commonpath(above)) if above else Path.cwd()


def _inside(place: Path, tree: Path) -> str:
    if tree == place or not tree.is_relative_to(place):
        raise UserError(
            "external-outside",
            f"the external tree {tree} is not below the folder of the project, {place}",
            where=Where(path=place),
            hint=f"Create the project in a folder above it: `rootstream import FOLDER {tree.parent}`.",
        )
    return str(tree.relative_to(place))


def _name(defconfig: str) -> str:
    """Return the name of the system: that of its defconfig."""
    stem = Path(kconfig.unquoted(defconfig)).name.removesuffix("_defconfig")
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")
    return plain[:60] if plain and plain != "defconfig" else "board"


def _description(
    found: Checkout, system: str, own: str, place: Path, trees: tuple[str, ...], text: str, env: Mapping[str, str]
) -> str:
    arch = of_buildroot(own_values(text))
    local = os.path.relpath(found.tree, place) if found.tree.is_relative_to(place) else str(found.tree)
    cloned = worktree.origin(found.tree, env)
    lines = [
        "# Made by `rootstream import`; the defconfig gives the configuration that the checkout had.",
        "systems:",
    ]
    lines += [f"  {system}:"]
    lines += [f"    arch: {arch}"] if arch else []
    lines += ["    root:", "      buildroot:"]
    if cloned:
        url, track = map(json.dumps, cloned)
        lines += [
            "        # the same for everybody, pinned by system.lock:",
            f"        # tree: {{git: {{url: {url}, track: {track}}}}}",
        ]
    lines += [f"        tree: {{local: {json.dumps(local)}}}", f"        defconfig: {json.dumps(own)}"]
    lines += ["        external:", *(f"          - {json.dumps(each)}" for each in trees)] if trees else []
    return "\n".join([*lines, "    images: [files]", ""])


def _configured(
    found: Checkout,
    place: Path,
    system: str,
    defconfig: str | None,
    text: str,
    env: Mapping[str, str],
    report: Reporter,
) -> str:
    """Write the defconfig of the project and return the .config that it is the short form of.

    Raises `UserError` not-equal.
    """
    where = project.find(place)
    with project.locked(where, report, (system,)):
        ready = buildroot.opened(buildroot.choose(where, system, engine_of(env), report), report)
        own = place / f"configs/{system}_defconfig"
        if defconfig:
            text = _completed(ready, defconfig)
            nofollow.write(place, own, text.encode("utf-8", "surrogateescape"))
        config_edit.minimize(ready.workspace, ready.generated)
        wanted, result = own_values(text), own_values(ready.workspace.config.read_text("utf-8", "surrogateescape"))
    other = [
        name for name in sorted(wanted.keys() | result.keys()) if wanted.get(name, "n") != result.get(name, "n")
    ]
    if other:
        lines = [f"{name}: {wanted.get(name, 'n')} -> {result.get(name, 'n')}" for name in other[:SHOWN]]
        raise UserError(
            "not-equal",
            f"{len(other)} symbols have other values than in the checkout",
            where=Where(path=found.config or found.tree),
            detail="\n".join(lines),
            hint="Its .config may be of another version of the tree: run `make olddefconfig` there.",
        )
    return text


def _completed(ready: Opened, defconfig: str) -> str:
    """Return what `make NAME_defconfig` makes. Raises `UserError` unknown-defconfig."""
    try:
        path = requested.named_defconfig(ready.workspace, NamedDefconfig(defconfig=defconfig))
    except UserError as error:  # which begins at a system.yaml that nobody has written
        hint = f"They are in {ready.workspace.tree / 'configs'}, and `configs` of external trees."
        raise UserError(error.reason, error.message, hint=hint) from error
    return kconfig.complete(ready.workspace, path.read_text("utf-8", "surrogateescape")).text


def _told(found: Checkout, env: Mapping[str, str]) -> list[str]:
    """Return what of a checkout is not in the project, for people."""
    lines = []
    changed = worktree.changes(found.tree, env)
    if changed is None:
        lines.append(
            f"{found.tree} is not a Git work tree: whether it differs from a release of Buildroot is unknown"
        )
    elif changed:
        shown = "".join(f"\n  {line}" for line in changed[:SHOWN])
        more = f"\n  and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        lines.append(
            f"{found.tree} has {len(changed)} uncommitted changes, which exist only there{shown}{more}\n"
            "  To include them in the project, save them as a patch (git diff) in a folder listed in `patches:`."
        )
    if found.overrides:
        lines.append(
            f"{found.overrides} is read by the checkout's make, but not by the project's: set it as "
            "BR2_PACKAGE_OVERRIDE_FILE in the defconfig"
        )
    return lines
