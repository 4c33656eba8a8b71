"""Files that packages look for without naming them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot.graph import lookups
from rootstream.buildroot.graph.places import PROJECT, TREE, SandboxPlaces
from rootstream.buildroot.workspace import Workspace


@pytest.fixture
def places(box: Workspace) -> SandboxPlaces:
    box.state.mkdir(parents=True)
    return SandboxPlaces(pairs=((str(box.project), PROJECT), (str(box.tree), TREE)))


def write(place: Path, text: str = "") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def test_what_exists_outside_of_the_sandbox_counts(box: Workspace, places: SandboxPlaces) -> None:
    rules, key = write(box.tree / "package/app/extra.mk"), write(box.project / "board/key")
    for never in (".git/HEAD", "output/x", ".config", "package/app/folder/x"):
        write(box.tree / never)
    missed = {
        "app": [f"{TREE}/package/app/{name}" for name in ("extra.mk", "gone.mk", "folder")],
        "": [f"{PROJECT}/board/key", "/etc/passwd"],
        "lib": [f"{TREE}/{name}" for name in ("output/x", ".config", ".git/HEAD")],
    }
    found = lookups.there(box, places, missed)
    assert found == {"app": (rules,), "": (key,)}
    assert lookups.keep(box, found) == [("app", rules), ("", key)]
    assert lookups.keep(box, found) == []
    assert lookups.known(box) == {"app": (rules,), "": (key,)}
    key.unlink()
    assert lookups.known(box) == {"app": (rules,)}


def test_what_appears_or_changes_later_is_noticed(box: Workspace, places: SandboxPlaces) -> None:
    assert not lookups.is_as_before(box)  # nothing is known
    rules = write(box.tree / "extra.mk", "1")
    lookups.keep(box, {"app": (rules,)})
    lookups.finish(box, places, {"app": [f"{TREE}/extra.mk"], "lib": [f"{TREE}/gone.mk"]})
    assert lookups.is_as_before(box)
    rules.write_text("2")
    assert not lookups.is_as_before(box)
    rules.write_text("1")
    assert lookups.is_as_before(box)
    appeared = write(box.tree / "gone.mk")
    assert not lookups.is_as_before(box)
    appeared.unlink()
    assert lookups.is_as_before(box)
    rules.unlink()
    assert not lookups.is_as_before(box)
