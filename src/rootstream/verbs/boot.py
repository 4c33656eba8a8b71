"""Trying a built system: which machine, which images, which checks; then `run` or `verify`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rootstream import events
from rootstream.architectures import ARCHITECTURES, HOST, Architecture
from rootstream.boot.run import run as attend
from rootstream.boot.verify import Verdict
from rootstream.boot.verify import verify as judge
from rootstream.description.checks import Check
from rootstream.description.images import BOOTABLE, KINDS
from rootstream.description.images.base import Firmware
from rootstream.description.machine import BootFrom, BootImage, Machine
from rootstream.description.model import Described, System
from rootstream.description.roots import FromBuildroot
from rootstream.description.system import Model
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.formats import units
from rootstream.host import nofollow
from rootstream.progress import words
from rootstream.project import export, host_code, manifest
from rootstream.project.project import Project
from rootstream.verbs import build, selection

_ENDS = {"off": "the machine is off", "deadline": "the time is over"}
DISKS = {".img": "disk", ".raw": "disk", ".qcow2": "qcow2"}  # of plain projects, by the ends of their names
KERNELS = ("bzImage", "vmlinuz", "Image", "zImage", "vmlinux", "uImage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A system ready to boot: its exported images, machine and checks."""

    name: str
    arch: Architecture
    machine: Machine
    images: tuple[BootImage, ...]
    checks: tuple[Check, ...]
    folder: Path


class Public(Model):
    """What an element of a plain BuildStream project says of itself under `public: rootstream:`."""

    arch: Architecture = HOST
    machine: Machine = Machine()
    checks: tuple[Check, ...] = ()


def prepare(
    project: Project,
    wanted: tuple[str, ...],
    engine: Engine,
    report: events.Reporter,
    kind: str | None,
    *,
    locked: bool = False,
) -> tuple[Trial, ...]:
    """Build what is not up to date and return what can be booted.

    Raises `UserError` nothing-to-boot, not-an-image, and those of a build.
    """
    if kind and project.kind == "described":
        _makes(project, wanted, kind)
    _tell_arguments(project, wanted, report)
    build.build(project, wanted, engine, _part(report), locked=locked)
    if project.kind == "plain":
        trials = [_plain(project, element, engine) for element in wanted]
    else:
        description = project.read()
        names = selection.choose(description, wanted, project.description)
        trials = [_described(project, each) for each in description.systems if each.target in names]
    ready = [_choose(trial, kind) for trial in trials if trial.images or len(trials) == 1]
    if not ready:
        raise UserError("nothing-to-boot", "no system in this project has a bootable image")
    return tuple(ready)


def _tell_arguments(project: Project, wanted: tuple[str, ...], report: events.Reporter) -> None:
    """Warn of arguments of QEMU that the user has not accepted; some of them start programs."""
    if project.kind == "plain":
        return
    description = project.read()
    names = selection.choose(description, wanted, project.description)
    chosen = {
        each.name: None for each in description.systems if each.target in names and each.system.machine.extra_args
    }
    if chosen:
        host_code.tell(project.folder, host_code.arguments(project.description, chosen), os.environ, report)


def _part(report: events.Reporter) -> events.Reporter:
    """Return a reporter for work that is a part only: its end is not that of the command."""

    def tell(event: events.Event) -> None:
        done = isinstance(event, events.Done)
        report(events.Notice(level="info", text=words.sentence(event) or "") if done else event)

    return tell


def _makes(project: Project, wanted: tuple[str, ...], kind: str) -> None:
    """Raise `UserError` not-an-image, before anything is built, for a kind that no wanted system makes."""
    description = project.read()
    names = selection.choose(description, wanted, project.description)
    chosen = [each.system for each in description.systems if each.target in names]
    if any(isinstance(system.root, FromBuildroot) for system in chosen):
        return  # what these make, Buildroot decides
    made = sorted({image.kind for system in chosen for image in system.images})
    if kind not in made:
        raise UserError("not-an-image", f"{' '.join(names)}: no image {kind!r}; available: {', '.join(made)}")


def _choose(trial: Trial, kind: str | None) -> Trial:
    chosen = [image for image in trial.images if kind in (None, image.kind)]
    if chosen:
        return Trial(
            name=trial.name,
            arch=trial.arch,
            machine=trial.machine,
            images=tuple(chosen),
            checks=trial.checks,
            folder=trial.folder,
        )
    if trial.images:
        have = ", ".join(image.kind for image in trial.images)
        raise UserError("not-an-image", f"{trial.name} has no bootable image {kind!r}; it has: {have}")
    raise UserError(
        "nothing-to-boot",
        f"{trial.name} has no bootable image",
        hint=f"Add one of {', '.join(BOOTABLE)} to its `images:`; all but disk, iso and uki also need `kernel`.",
    )


def _bootable(system: System) -> tuple[BootFrom, ...]:
    """Return the kinds that are booted where the description does not say which."""
    capsule = any(image.kind == "capsule" for image in system.images)
    return tuple(kind for kind in BOOTABLE if kind != "capsule" or capsule)


def _kernel_of(system: System, plain: str | None, place: Path) -> str | None:
    """Return the kernel to start: in U-Boot's form where the machine likes that best or there is no other."""
    for image in system.images:
        uimage = image.kind == "uimage" and not image.roots
        if uimage and (plain is None or ARCHITECTURES[system.arch].board.kernels[0] == "uImage"):
            return _ours(place, image.file_name(None, system.label))
    return plain


def _ours(place: Path, name: str) -> str:
    """Return the path of an exported file, which is no link; one that is not there is told by who opens it."""
    nofollow.check(place.parent, place / name)
    return str(place / name)


def _described(project: Project, described: Described) -> Trial:
    system = described.system
    place = project.out(described.target)
    exported = manifest.read(place)
    own = _kernel([entry.name for entry in exported.files if entry.kind == "kernel"])
    if isinstance(system.root, FromBuildroot):
        pairs = [(entry.kind, entry.name) for entry in exported.files]
        pairs.sort(key=lambda pair: pair[1] != own)
    else:
        # Of several images of a kind the first is booted; a plain file system rather than a ramdisk of it.
        order = sorted(system.images, key=lambda each: getattr(each, "gzip", False))
        kinds = [image.kind for image in order]
        names = [image.file_name(own, system.label) for image in order]
        pairs = list(zip(kinds, names, strict=True))
    files: dict[str, str] = {}
    for kind, name in pairs:
        files.setdefault(kind, _ours(place, name))
    kernel = _kernel_of(system, files.get("kernel"), place)
    if kernel:
        # A kernel of Buildroot's is booted as one only where the description says that the root is inside.
        files.setdefault("capsule", kernel)
    found = [
        BootImage(
            kind=kind,
            kernel=None if KINDS[kind].by_firmware else files["capsule"] if kind == "capsule" else kernel,
            file=files[kind],
            name=described.target,
            initrd=files.get("initrd"),
            isa=system.isa,
            sbi=files.get("firmware"),
            ramdisk=files.get("initramfs") if _holds_ramdisk(system, kind) else None,
            firmware=firmware,
        )
        for kind in system.machine.boot or _bootable(system)
        if kind in files and (KINDS[kind].by_firmware or kind == "capsule" or kernel)
        for firmware in _firmwares(system, kind)
    ]
    return Trial(
        name=described.target,
        arch=system.arch,
        machine=system.machine,
        images=tuple(found),
        checks=system.checks,
        folder=place / "verify",
    )


def _holds_ramdisk(system: System, kind: BootFrom) -> bool:
    """Say whether a medium starts the system's own initramfs."""
    first = next((image for image in system.images if image.kind == kind), None)
    return first.holds_ramdisk if first else kind == "iso"


def _firmwares(system: System, kind: BootFrom) -> tuple[Firmware, ...]:
    """Return what the first image of a kind starts from, and is to be started from."""
    if system.machine.firmware != "auto":
        return (system.machine.firmware,)
    first = next((image for image in system.images if image.kind == kind), None)
    return first.firmware(system.arch) if first else KINDS[kind]().firmware(system.arch)


def _kernel(names: Sequence[str]) -> str | None:
    """Return the kernel to start of several, by Buildroot's names for them."""
    first = (name for prefix in KERNELS for name in names if name.rpartition("/")[2].startswith(prefix))
    return next(first, next(iter(names), None))


def _plain(project: Project, element: str, engine: Engine) -> Trial:
    public = _public(engine.public(project.plan, element), element, project)
    target = build.plain_target(element)
    place = project.out(target)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    for path in files:
        _ours(place, str(path.relative_to(place)))
    kernel = next((str(path) for path in files if path.name.startswith(KERNELS)), None)
    disks = [path for path in files if path.suffix in DISKS]
    archives = [path for path in files if ".cpio" in path.name or path.name.startswith("initramfs")]
    found = [BootImage(kind=DISKS[path.suffix], kernel=None, file=str(path), name=target) for path in disks[:1]]
    if kernel:
        found += [BootImage(kind="initramfs", kernel=kernel, file=str(path), name=target) for path in archives[:1]]
    return Trial(
        name=target,
        arch=public.arch,
        machine=public.machine,
        images=tuple(found),
        checks=public.checks,
        folder=place / "verify",
    )


def _public(data: Any, element: str, project: Project) -> Public:  # noqa: ANN401  (what the element's YAML held)
    told = data.get("rootstream", {}) if isinstance(data, dict) else {}
    try:
        # BuildStream knows only strings; as JSON they are read by the lenient rules.
        return TypeAdapter(Public).validate_python(_tuples(told), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise UserError(
            "bad-public-data",
            f"public: rootstream: {path}: {first['msg']}",
            where=Where(path=project.folder / "elements" / element),
            hint="It has `machine` and `checks`, with the same keys as in system.yaml.",
        ) from error


def _tuples(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def run(ready: Sequence[Trial], report: events.Reporter) -> None:
    """Boot the first image of the first trial with its console on the terminal, until it or the user ends it."""
    trial = ready[0]
    began = time.monotonic()
    ended = attend(
        arch=trial.arch,
        machine=trial.machine,
        image=trial.images[0],
        report=report,
        env=os.environ,
    )
    report(events.Done(text=_ENDS[ended], elapsed=time.monotonic() - began))


def verify(ready: Sequence[Trial], report: events.Reporter, *, verbose: bool) -> tuple[Verdict, ...]:
    """Boot every image of every trial and run its checks."""

    def pass_on(event: events.Event) -> None:
        if verbose or not isinstance(event, events.Console):
            report(event)

    began = time.monotonic()
    verdicts = tuple(_verdict(trial, pass_on) for trial in ready)
    if all(verdict.passed for verdict in verdicts):
        report(events.Done(text="all checks passed", elapsed=time.monotonic() - began))
    return verdicts


def _verdict(trial: Trial, report: events.Reporter) -> Verdict:
    """Boot a system's images; what is noted of it is closed to others where its images are."""
    try:
        return judge(
            trial.name,
            arch=trial.arch,
            machine=trial.machine,
            images=trial.images,
            wanted=trial.checks,
            folder=trial.folder,
            report=report,
            env=os.environ,
        )
    finally:
        if trial.folder.is_dir() and not export.is_open(trial.folder.parent):
            export.close(trial.folder)


def summary(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the verdicts as lines for people."""
    lines = []
    for verdict in verdicts:
        for each in verdict.boots:
            failed = [result for result in each.results if not result.passed]
            count = f"{len(each.results) - len(failed)} of {len(each.results)} checks passed"
            speed = f", up after {units.duration(each.times.up)}" if each.times.up is not None else ""
            word = "ok" if each.passed else "FAILED"
            lines.append(f"{word:<6} {verdict.system} from {each.kind}: {count}{speed} ({each.accelerator})")
            lines += [f"       {result.name}: {result.detail}" for result in failed]
            if failed:
                lines.append(f"       console: {each.log}")
        lines.append(f"       {verdict.junit}")
    return tuple(lines)
