"""A bill of materials as SPDX 2.3, JSON: the same components, the same bytes for the same export."""

from __future__ import annotations

import io
import json
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json import json_writer

from rootstream.report import licenses, model

if TYPE_CHECKING:
    from rootstream.report.components import System

_SPACES = uuid.UUID("6b6a8d5e-4a0e-5c62-8d0c-2f9d9d8f0d3f")
_ALGORITHMS = {
    "SHA-1": ChecksumAlgorithm.SHA1,
    "SHA-256": ChecksumAlgorithm.SHA256,
    "SHA-512": ChecksumAlgorithm.SHA512,
}


def document(system: System) -> bytes:
    """Return the bill of materials of a system."""
    product = _product(system)
    packages = [product, *(_package(each) for each in system.components)]
    relationships = [Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, product.spdx_id)]
    for each, package in zip(system.components, packages[1:], strict=True):
        if each.role == "image":
            relationships.append(Relationship(product.spdx_id, RelationshipType.CONTAINS, package.spdx_id))
        else:
            relationships.append(Relationship(package.spdx_id, RelationshipType.BUILD_TOOL_OF, product.spdx_id))
    told = Document(
        creation_info=CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=system.product.name or system.target,
            document_namespace=f"urn:uuid:{uuid.uuid5(_SPACES, _identity(system))}",
            creators=[Actor(ActorType.TOOL, f"rootstream-{system.rootstream}")],
            created=datetime.fromtimestamp(system.epoch or 0, UTC).replace(tzinfo=None),
            data_license="CC0-1.0",
        ),
        packages=packages,
        relationships=relationships,
        extracted_licensing_info=_extracted(system),
    )
    stream = io.StringIO()
    json_writer.write_document_to_stream(told, stream, validate=False, converter=DocumentConverter())
    return (json.dumps(json.loads(stream.getvalue()), indent=1, ensure_ascii=False) + "\n").encode()


def _identity(system: System) -> str:
    return json.dumps([system.target, system.plan, [(each.name, each.sha256) for each in system.images]])


def _product(system: System) -> Package:
    told = system.product
    package = Package(
        spdx_id="SPDXRef-product",
        name=told.name or system.target,
        download_location=SpdxNoAssertion(),
        version=told.version,
        supplier=Actor(ActorType.ORGANIZATION, told.supplier) if told.supplier else SpdxNoAssertion(),
        files_analyzed=False,
        license_declared=_license(told.license),
        license_concluded=SpdxNoAssertion(),
        primary_package_purpose=PackagePurpose.FIRMWARE,
    )
    if system.unknown:
        package.comment = "Not recorded: " + "; ".join(system.unknown)
    if told.cpe:
        package.external_references.append(_reference("cpe23Type", told.cpe))
    return package


def _package(given: model.Component) -> Package:
    notes = [f"{name}: {value}" for name, value in given.notes]
    notes += [f"patched with: {each}" for each in given.patches]
    notes += [f"stated license: {each}" for each in given.stated]
    notes += [f"license text: {each.path} SHA-256 {each.sha256}" for each in given.texts]
    if given.source:
        notes.append(f"source: {given.source[0]} {given.source[1] or '(version unknown)'}")
    one = given.files[0] if len(given.files) == 1 else None
    return Package(
        spdx_id=f"SPDXRef-{re.sub('[^A-Za-z0-9.]+', '-', given.ref).strip('-')}",
        name=given.name,
        download_location=SpdxNoAssertion(),
        version=given.version,
        supplier=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(_ALGORITHMS[one.algorithm], one.digest)] if one else [],
        homepage=given.homepage if given.homepage and given.homepage.startswith(("http://", "https://")) else None,
        license_declared=_license(given.license),
        license_concluded=SpdxNoAssertion(),
        comment="\n".join(notes) or None,
        external_references=[
            *([_reference("purl", given.purl)] if given.purl else []),
            *([_reference("cpe23Type", given.cpe)] if given.cpe else []),
        ],
    )


def _reference(kind: str, locator: str) -> ExternalPackageRef:
    purl = kind == "purl"
    category = ExternalPackageRefCategory.PACKAGE_MANAGER if purl else ExternalPackageRefCategory.SECURITY
    return ExternalPackageRef(category=category, reference_type=kind, locator=locator)


def _license(expression: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return licenses.licensing().parse(expression) if expression else SpdxNoAssertion()


def _extracted(system: System) -> list[ExtractedLicensingInfo]:
    """Return a row for each license of their own terms: SPDX wants one, and the text is where the row says."""
    given = [each.license for each in system.components if each.license]
    given += [system.product.license] if system.product.license else []
    found = {name for each in given for name in licenses.names(each) if name.startswith("LicenseRef-")}
    text = "These terms are not on the SPDX license list; their text is with the component."
    return [
        ExtractedLicensingInfo(license_id=each, license_name=each, extracted_text=text) for each in sorted(found)
    ]
