"""What feeds look like, as JSON Schemas of what is read of them: the small feeds of the tests are checked by them.

Facts of CVE JSON 5, OSV 1.7, NVD's API 2.0, CISA's catalogue and the JSON of Debian's security tracker.
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
CVE: Schema = {"type": "string", "pattern": "^CVE-[0-9]{4}-[0-9]+$"}


def mapping(required: str, **properties: Schema) -> Schema:
    """Return the schema of a mapping with some keys, of which `required` has to be there."""
    return {"type": "object", "required": required.split(), "properties": properties}


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def words(*known: str) -> Schema:
    return {"enum": list(known)}


STATUS = words("affected", "unaffected", "unknown")
RANGE = {
    **mapping(
        "version status", version=TEXT, status=STATUS, versionType=TEXT, lessThan=TEXT, lessThanOrEqual=TEXT
    ),
    "not": {"required": ["lessThan", "lessThanOrEqual"]},
}
AFFECTED = mapping(
    "product", product=TEXT, defaultStatus=STATUS, programFiles=several(TEXT), versions=several(RANGE)
)
RECORD = mapping(
    "dataType cveMetadata containers",
    dataType={"const": "CVE_RECORD"},
    cveMetadata=mapping("cveId state", cveId=CVE, state=words("PUBLISHED", "REJECTED")),
    containers=mapping("cna", cna=mapping("affected", affected=several(AFFECTED))),
)
EVENT = {
    **mapping("", introduced=TEXT, fixed=TEXT, last_affected=TEXT, limit=TEXT),
    "minProperties": 1,
    "maxProperties": 1,
}
OSV = mapping(
    "id modified affected",
    id=TEXT,
    modified={"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$"},
    aliases=several(TEXT),
    affected=several(
        mapping(
            "package",
            package=mapping("ecosystem name", ecosystem=TEXT, name=TEXT),
            ranges=several(
                mapping("type events", type=words("SEMVER", "ECOSYSTEM", "GIT"), events=several(EVENT))
            ),
            versions=several(TEXT),
        )
    ),
)
MATCH = mapping(
    "vulnerable criteria",
    vulnerable={"type": "boolean"},
    criteria={"type": "string", "pattern": "^cpe:2[.]3:[aho](:[^:]+){10}$"},
    versionStartIncluding=TEXT,
    versionStartExcluding=TEXT,
    versionEndIncluding=TEXT,
    versionEndExcluding=TEXT,
)
SCORE = mapping("cvssData", cvssData=mapping("baseSeverity", baseSeverity=TEXT))
NVD = mapping(
    "vulnerabilities",
    vulnerabilities=several(
        mapping(
            "cve",
            cve=mapping(
                "id",
                id=CVE,
                metrics={"type": "object", "additionalProperties": several(SCORE)},
                configurations=several(
                    mapping("nodes", nodes=several(mapping("cpeMatch", cpeMatch=several(MATCH))))
                ),
            ),
        )
    ),
)
EXPLOITED = mapping(
    "catalogVersion vulnerabilities", catalogVersion=TEXT, vulnerabilities=several(mapping("cveID", cveID=CVE))
)
RELEASE = {
    **mapping("status", status=words("open", "resolved", "undetermined"), urgency=TEXT, fixed_version=TEXT),
    "if": {"properties": {"status": {"const": "resolved"}}},
    "then": {"required": ["fixed_version"]},
}
ISSUE = mapping("releases", scope=TEXT, releases={"type": "object", "additionalProperties": RELEASE})
TRACKER = {
    "type": "object",
    "additionalProperties": {"type": "object", "additionalProperties": ISSUE},
    "minProperties": 1,
}


def schema_of(feed: dict[str, Any]) -> Schema:
    """Return the schema of a feed, told by the keys that only one of them has."""
    keys = {"dataType": RECORD, "catalogVersion": EXPLOITED, "vulnerabilities": NVD, "id": OSV}
    return next((schema for key, schema in keys.items() if key in feed), TRACKER)


def faults(feed: dict[str, Any] | list[dict[str, Any]]) -> list[str]:
    """Return what of a feed, or of a list of records, is not as its format wants it."""
    if isinstance(feed, list):
        return [fault for each in feed for fault in faults(each)]
    return [error.message for error in Draft202012Validator(schema_of(feed)).iter_errors(feed)]
