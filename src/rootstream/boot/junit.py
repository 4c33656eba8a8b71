"""Results of boots as JUnit XML, the form that continuous integration services read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from rootstream.boot.checks.runner import STARTS, Result
from rootstream.host.escape import escaped

# Characters that XML 1.0 allows (section 2.2); nothing can escape the others
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MESSAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The checks of one boot: `elapsed` in seconds, `timestamp` in ISO 8601, `console` the end of its text.

    `fault` is what kept the machine from starting; it becomes a test case of its own, with an error.
    """

    name: str
    elapsed: float
    timestamp: str
    properties: Mapping[str, str]
    results: Sequence[Result]
    console: str
    fault: str | None = None


def junit(suites: Sequence[Suite]) -> bytes:
    """Return the XML. Elements, attributes and their order are those of the schema of Apache Ant's JUnit task."""
    root = ET.Element(
        "testsuites",
        tests=str(sum(_tests(suite) for suite in suites)),
        failures=str(sum(_failures(suite) for suite in suites)),
        errors=str(sum(suite.fault is not None for suite in suites)),
        time=_seconds(sum(suite.elapsed for suite in suites)),
    )
    for suite in suites:
        _suite(root, suite)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(root: ET.Element, suite: Suite) -> None:
    element = ET.SubElement(
        root,
        "testsuite",
        name=_text(suite.name),
        tests=str(_tests(suite)),
        failures=str(_failures(suite)),
        errors=str(int(suite.fault is not None)),
        skipped="0",
        time=_seconds(suite.elapsed),
        timestamp=suite.timestamp,
        hostname="localhost",
    )
    properties = ET.SubElement(element, "properties")
    for name, value in suite.properties.items():
        ET.SubElement(properties, "property", name=_text(name), value=_text(value))
    for result in suite.results:
        case = _case(element, suite, result.name, result.elapsed)
        if not result.passed:
            _because(case, "failure", "check-failed", result.detail)
    if suite.fault is not None:
        _because(_case(element, suite, STARTS, suite.elapsed), "error", "not-started", suite.fault)
    ET.SubElement(element, "system-out").text = _text(suite.console)
    ET.SubElement(element, "system-err")


def _case(element: ET.Element, suite: Suite, name: str, elapsed: float) -> ET.Element:
    return ET.SubElement(
        element, "testcase", name=_text(name), classname=_text(suite.name), time=_seconds(elapsed)
    )


def _because(case: ET.Element, kind: str, reason: str, detail: str) -> None:
    message = detail.split("\n", 1)[0][:_MESSAGE]
    ET.SubElement(case, kind, message=_text(message), type=reason).text = _text(detail)


def _tests(suite: Suite) -> int:
    return len(suite.results) + (suite.fault is not None)


def _failures(suite: Suite) -> int:
    return sum(not result.passed for result in suite.results)


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _text(value: str) -> str:
    return _FORBIDDEN.sub("\ufffd", escaped(value))
