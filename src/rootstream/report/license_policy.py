"""Which components of a system have a license that its policy does not allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rootstream.description.licenses import LicenseException, Licenses
from rootstream.report.licenses import licensing
from rootstream.report.model import Component

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A component whose license is not allowed: the expression, and the identifiers in it that are not."""

    component: Component
    license: str
    refused: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return it for people."""
        version = f" {self.component.version}" if self.component.version else ""
        told = "its license is unknown" if self.license == UNKNOWN else f"{', '.join(self.refused)} is not allowed"
        whole = f" ({self.license})" if self.license not in (UNKNOWN, *self.refused) else ""
        return f"{self.component.name}{version}: {told}{whole}"


def conflicts(components: Iterable[Component], policy: Licenses) -> tuple[Conflict, ...]:
    """Return the conflicts of components in images."""
    found = (_conflict(each, policy) for each in components if each.role == "image")
    return tuple(each for each in found if each is not None)


def unused(components: Sequence[Component], policy: Licenses) -> tuple[LicenseException, ...]:
    """Return the exceptions of a policy that no component needs."""
    without = policy.model_copy(update={"exceptions": ()})
    needed = conflicts(components, without)
    return tuple(
        each
        for each in policy.exceptions
        if not any(fnmatchcase(conflict.component.name, each.component) for conflict in needed)
    )


def _conflict(component: Component, policy: Licenses) -> Conflict | None:
    exceptions = [each for each in policy.exceptions if fnmatchcase(component.name, each.component)]
    if component.license is None:
        if policy.unknown == "allow" or any(each.unknown for each in exceptions):
            return None
        return Conflict(component=component, license=UNKNOWN, refused=())
    parsed = licensing().parse(component.license)
    refused = _refused(parsed, policy, exceptions)
    return Conflict(component=component, license=component.license, refused=refused) if refused else None


def _refused(node: object, policy: Licenses, exceptions: Sequence[LicenseException]) -> tuple[str, ...]:
    """Return the identifiers that keep an expression from being allowed: of alternatives, one is enough."""
    reader = licensing()
    if isinstance(node, reader.OR | reader.AND):
        found = [_refused(each, policy, exceptions) for each in node.args]
        if isinstance(node, reader.OR) and not all(found):
            return ()
        return tuple(dict.fromkeys(name for names in found for name in names))
    name = node.render() if hasattr(node, "render") else str(node)
    return () if _is_allowed(name, policy, exceptions) else (name,)


def _is_allowed(name: str, policy: Licenses, exceptions: Sequence[LicenseException]) -> bool:
    if _matches(name, [each.license for each in exceptions]):
        return True
    return not _matches(name, policy.deny) and (not policy.allow or _matches(name, policy.allow))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Say whether a license, or the one that an exception is added to, fits one of some patterns."""
    plain = name.partition(" WITH ")[0]
    return any(fnmatchcase(name, each) or fnmatchcase(plain, each) for each in patterns)
