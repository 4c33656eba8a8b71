"""What Buildroot is asked with: texts that only images have ask nothing anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot.graph import question, staging
from rootstream.buildroot.workspace import Workspace

CONFIG = """\
BR2_x86_64=y
BR2_TARGET_GENERIC_HOSTNAME="{name}"
BR2_TARGET_GENERIC_ISSUE="{issue}"
BR2_TARGET_GENERIC_GETTY_PORT="ttyS0"
"""


def trees(folder: Path) -> staging.Trees:
    known = folder / "tree" / "package" / "skeleton-init-common" / "skeleton-init-common.mk"
    known.parent.mkdir(parents=True)
    known.write_text("NAME = $(call qstrip,$(BR2_TARGET_GENERIC_HOSTNAME))\n")
    (folder / "external").mkdir()
    (folder / "external" / "external.mk").write_text("PORT = $(BR2_TARGET_GENERIC_GETTY_PORT)\n")
    return staging.Trees(
        digest="1", tree=folder / "tree", externals={"/buildroot/external/0": folder / "external"}
    )


def asked(found: staging.Trees, name: str, issue: str = "Box") -> str:
    return question.config(found, CONFIG.format(name=name, issue=issue))


def test_another_host_name_or_issue_asks_the_same(tmp_path: Path) -> None:
    found = trees(tmp_path)
    assert asked(found, "one") == asked(found, "two", "Welcome")
    assert 'GETTY_PORT="ttyS0"' in asked(found, "one")


def test_whether_there_is_one_is_asked(tmp_path: Path) -> None:
    found = trees(tmp_path)
    assert 'HOSTNAME=""' in asked(found, "")
    assert asked(found, "") != asked(found, "one")


@pytest.mark.parametrize("path", ["external/external.mk", "external/package/a/a.mk", "tree/package/b/b.mk.in"])
def test_they_stay_where_rules_name_them(tmp_path: Path, path: str) -> None:
    found = trees(tmp_path)
    place = tmp_path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text('ifeq ($(BR2_TARGET_GENERIC_HOSTNAME),"one")\nendif\n')
    assert 'HOSTNAME="one"' in asked(found, "one")


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("tables/users", False),
        ("scripts/post_build.json", False),
        ("overlay/etc/motd", False),
        ("package/agent/agent.mk", True),
        ("overrides", True),
        ("external.mk", True),
    ],
)
def test_what_of_the_generated_tree_counts(box: Workspace, path: str, counts: bool) -> None:
    (box.generated / path).parent.mkdir(parents=True)
    before = question.key(box, "tree", "config")
    (box.generated / path).write_text("new\n")
    assert (question.key(box, "tree", "config") != before) == counts
