"""How long a boot may be silent before what comes is another one: after power-on a firmware takes its time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rootstream import events
from rootstream.netboot.service import POWER_ON, SAME_BOOT, BootService
from rootstream.netboot.store.builds import Builds
from rootstream.netboot.store.state import Stage, State
from tests.loading import read

MAC = "52:54:00:00:00:01"
TEXT = f"""
systems:
  box: {{root: busybox, kernel: {{}}, images: [kernel, initramfs]}}
machines:
  rack: {{macs: ["{MAC}"], system: box}}
"""


@pytest.mark.parametrize(
    ("stages", "after", "same"),
    [
        (("power-on",), POWER_ON - 1, True),
        (("power-on",), SAME_BOOT + 1, True),
        (("power-on",), POWER_ON + 1, False),
        (("power-on", "dhcp"), SAME_BOOT - 1, True),
        (("power-on", "dhcp"), SAME_BOOT + 1, False),
        (("dhcp",), SAME_BOOT - 1, True),
        (("dhcp",), SAME_BOOT + 1, False),
    ],
)
def test_a_boot_goes_on(tmp_path: Path, stages: tuple[Stage, ...], after: float, *, same: bool) -> None:
    state = State(tmp_path / "state.db")
    now = time.time()
    service = BootService(
        read(tmp_path, TEXT),
        Builds(tmp_path / "builds", tmp_path / "content"),
        state,
        events.ignore,
        clock=lambda: now + after,
    )
    number = state.begin("rack", MAC, stage=stages[0])
    for stage in stages[1:]:
        state.stage(number, stage, began=now)
    found = service._going_on("rack")
    assert (found is not None) is same


def test_a_boot_that_has_an_outcome_does_not_go_on(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    builds = Builds(tmp_path / "builds", tmp_path / "content")
    service = BootService(read(tmp_path, TEXT), builds, state, events.ignore)
    number = state.begin("rack", MAC, stage="power-on")
    state.update(number, outcome="up")
    assert service._going_on("rack") is None
