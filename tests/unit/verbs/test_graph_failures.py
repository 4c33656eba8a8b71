"""What a failed build of packages looked for in vain, read from the logs of what failed."""

from __future__ import annotations

from pathlib import Path

from rootstream.buildroot.graph import elements
from rootstream.errors import Interrupted, UserError, Where
from rootstream.events import ElementFinished, Event
from rootstream.verbs.graph_failures import Failures

LOG = 'failed\nrootstream: note looked-for: ["/buildroot/tree/support/scripts/tool"]\nrootstream: note other: x\n'


def failed(tmp_path: Path, element: str = "package-app.bst") -> ElementFinished:
    log = tmp_path / "app.log"
    log.write_text(LOG)
    return ElementFinished(element=element, action="build", key="", result="failure", elapsed=1.0, log=log)


def test_it_is_in_the_log_of_the_package(tmp_path: Path) -> None:
    told: list[Event] = []
    failures = Failures(told.append)
    failures.tell(failed(tmp_path))
    assert told == [failed(tmp_path)]
    wanted = ["/buildroot/tree/support/scripts/tool"]
    assert failures.looked_for(UserError("element-failed", "")) == {"app": wanted}
    failures.tell(failed(tmp_path, elements.IMAGES))
    assert failures.looked_for(UserError("element-failed", "")) == {"app": wanted, "": wanted}


def test_images_made_outside_the_cache_have_a_log_of_their_own(tmp_path: Path) -> None:
    failed(tmp_path)
    error = UserError("buildroot-failed", "", where=Where(path=tmp_path / "app.log"))
    assert Failures(lambda _: None).looked_for(error) == {"": ["/buildroot/tree/support/scripts/tool"]}


def test_a_line_that_somebody_else_wrote_is_nothing(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    lines = ("/no/list", "[", '{"a": 1}', "[1, null]", "7")
    log.write_text("".join(f"rootstream: note looked-for: {each}\n" for each in lines))
    failures = Failures(lambda _: None)
    failures.tell(
        ElementFinished(element="package-app.bst", action="build", key="", result="failure", elapsed=1.0, log=log)
    )
    assert failures.looked_for(UserError("element-failed", "")) == {"app": []}


def test_an_interrupted_build_does_not_go_on(tmp_path: Path) -> None:
    failures = Failures(lambda _: None)
    failures.tell(failed(tmp_path))
    assert failures.looked_for(Interrupted("stopped")) == {}
