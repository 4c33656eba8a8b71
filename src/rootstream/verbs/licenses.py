"""`rootstream licenses`: the licenses in a system, conflicts with its policy, and their texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from rootstream.description.licenses import LicenseException, Licenses
from rootstream.errors import UserError, Where
from rootstream.project.project import Project
from rootstream.report import components, inventory, license_policy
from rootstream.report.components import System
from rootstream.report.model import Component
from rootstream.verbs import places, report

RULE = "=" * 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensing:
    """The licenses of a system: its conflicts, and exceptions that nothing needs."""

    system: System
    conflicts: tuple[license_policy.Conflict, ...]
    unused: tuple[LicenseException, ...]
    where: Where | None

    def table(self) -> str:
        """Return a line for each component of the images, and one for each conflict."""
        rows = self.system.of("image")
        width = max((len(_named(each)) for each in rows), default=0)
        lines = [f"{_named(each):<{width}}  {each.license or 'unknown'}" for each in rows]
        lines += [f"not recorded: {each}" for each in self.system.unknown]
        place = f"{self.where}: " if self.where else ""
        lines += [f"conflict: {place}{each.text}" for each in self.conflicts]
        lines += [f"unused exception: {place}{each.component} ({each.reason})" for each in self.unused]
        return "".join(f"{line}\n" for line in lines)

    def json(self) -> str:
        """Return the same as JSON."""
        data = {
            "system": self.system.target,
            "components": [
                {
                    "name": each.name,
                    "version": each.version,
                    "kind": each.kind,
                    "purl": each.purl,
                    "license": each.license,
                    "stated": list(each.stated),
                }
                for each in self.system.of("image")
            ],
            "licenses": components.licensed(self.system.of("image")),
            "not_recorded": list(self.system.unknown),
            "conflicts": [
                {
                    "name": each.component.name,
                    "version": each.component.version,
                    "license": each.license,
                    "refused": list(each.refused),
                }
                for each in self.conflicts
            ],
            "unused_exceptions": [each.component for each in self.unused],
        }
        return json.dumps(data, indent=1) + "\n"

    def texts(self) -> bytes:
        """Return all license texts that the export holds, each once, below the components that have it."""
        return "".join(_notices(self.system)).encode()


def licenses(project: Project, wanted: tuple[str, ...]) -> Licensing:
    """Return the licenses of a system in out/. Raises as `report.target` and `components.find` do."""
    target = report.target(project, wanted)
    folder = project.out(target)
    data, listed = components.find(folder)
    known = inventory.read(listed, files=False) if listed else None
    system = components.system(data, known, folder / "manifest.json")
    policy, where = Licenses(), None
    if project.kind != "plain":
        policy = next(each.system.licenses for each in project.read().systems if each.target == target)
        where = places.key_of(project.description, target, "licenses")
    return Licensing(
        system=system,
        conflicts=license_policy.conflicts(system.components, policy),
        unused=license_policy.unused(system.components, policy),
        where=where,
    )


def require_texts(found: Licensing) -> bytes:
    """Return the license texts. Raises `UserError` no-texts."""
    if not any(text.text for each in found.system.of("image") for text in each.texts):
        raise UserError(
            "no-texts",
            f"the export of {found.system.target} holds no license texts",
            hint="Roots of Debian packages, wheels and Buildroot packages have some; `rootstream build` adds\n"
            "  them to exports of older versions.",
        )
    return found.texts()


def _notices(system: System) -> Iterator[str]:
    texts = {text.sha256: text.text for each in system.components for text in each.texts if text.text}
    names: dict[str, list[str]] = {}
    for each in system.of("image"):
        for text in each.texts:
            names.setdefault(text.sha256, []).append(f"{_named(each)} ({text.path})")
    for digest, users in names.items():
        yield f"{RULE}\n{chr(10).join(dict.fromkeys(users))}\n{RULE}\n\n{texts.get(digest, '')}\n"
    without = [_named(each) for each in system.of("image") if not each.texts]
    if without:
        yield f"{RULE}\nWithout a license text in this export:\n{chr(10).join(without)}\n"


def _named(each: Component) -> str:
    return f"{each.name} {each.version}" if each.version else each.name
