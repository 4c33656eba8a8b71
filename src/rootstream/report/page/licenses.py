"""Licenses of a system's components, and conflicts with its policy, as a page shows them."""

from __future__ import annotations

from typing import Any

from rootstream.description.licenses import Licenses
from rootstream.report import license_policy
from rootstream.report.components import System, licensed


def data(system: System, policy: Licenses) -> dict[str, Any]:
    """Return the licenses as the page reads them, the most frequent first."""
    found = system.of("image")
    counts = sorted(licensed(found).items(), key=lambda item: (-item[1], item[0]))
    return {
        "counts": [list(each) for each in counts],
        "components": [[each.name, each.version, each.kind, each.license] for each in found],
        "conflicts": [each.text for each in license_policy.conflicts(system.components, policy)],
    }
