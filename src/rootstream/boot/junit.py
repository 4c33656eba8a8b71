"""Results of boots as JUnit XML, the form that continuous integration services read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from rootstream.boot.checks import Result

# Characters that XML 1.0 allows (section 2.2); nothing can escape the others
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MESSAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The checks of one boot: `elapsed` in seconds, `timestamp` in ISO 8601, `console` the end of its text."""

    name: str
    elapsed: float
    timestamp: str
    properties: Mapping[str, str]
    results: Sequence[Result]
    console: str


def junit(suites: Sequence[Suite]) -> bytes:
    """Return the XML. Elements, attributes and their order are those of the schema of Apache Ant's JUnit task."""
    root = ET.Element(
        "testsuites",
        tests=str(sum(len(suite.results) for suite in suites)),
        failures=str(sum(_failures(suite) for suite in suites)),
        errors="0",
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
        tests=str(len(suite.results)),
        failures=str(_failures(suite)),
        errors="0",
        skipped="0",
        time=_seconds(suite.elapsed),
        timestamp=suite.timestamp,
        hostname="localhost",
    )
    properties = ET.SubElement(element, "properties")
    for name, value in suite.properties.items():
        ET.SubElement(properties, "property", name=name, value=_text(value))
    for result in suite.results:
        case = ET.SubElement(
            element,
            "testcase",
            name=_text(result.name),
            classname=_text(suite.name),
            time=_seconds(result.elapsed),
        )
        if not result.passed:
            message = result.detail.split("\n", 1)[0][:_MESSAGE]
            failure = ET.SubElement(case, "failure", message=_text(message), type="check-failed")
            failure.text = _text(result.detail)
    ET.SubElement(element, "system-out").text = _text(suite.console)
    ET.SubElement(element, "system-err")


def _failures(suite: Suite) -> int:
    return sum(not result.passed for result in suite.results)


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _text(value: str) -> str:
    return _FORBIDDEN.sub("\ufffd", value)
