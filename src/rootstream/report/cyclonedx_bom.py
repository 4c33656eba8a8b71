"""A bill of materials as CycloneDX 1.6, JSON: the same bytes for the same export."""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cyclonedx.model import (
    AttachedText,
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import (
    Component,
    ComponentScope,
    ComponentType,
    Diff,
    Patch,
    PatchClassification,
    Pedigree,
)
from cyclonedx.model.component_evidence import ComponentEvidence
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from rootstream.report import model
from rootstream.report.components import System

# What names of systems and plans are hashed into serial numbers with.
_SERIALS = uuid.UUID("0b7f1f39-7f0c-5e0e-9d4e-2f2b3b0f6a11")
_TYPES = {"project": ComponentType.APPLICATION, "tool": ComponentType.APPLICATION, "overlay": ComponentType.FILE}
_ALGORITHMS = {"SHA-1": HashAlgorithm.SHA_1, "SHA-256": HashAlgorithm.SHA_256, "SHA-512": HashAlgorithm.SHA_512}


def document(system: System) -> bytes:
    """Return the bill of materials of a system."""
    product = _product(system)
    images = [_component(each) for each in system.of("image")]
    tools = [_component(each) for each in system.of("build")]
    maker = Component(name="rootstream", version=system.rootstream or None, type=ComponentType.APPLICATION)
    metadata = BomMetaData(
        component=product,
        tools=ToolRepository(components=[maker]),
        timestamp=datetime.fromtimestamp(system.epoch or 0, UTC),
        properties=[Property(name="rootstream:plan", value=system.plan)],
    )
    bom = Bom(components=[*images, *tools], metadata=metadata, serial_number=_serial(system))
    bom.register_dependency(product, images)
    with warnings.catch_warnings():  # of a product without known parts; `compositions` says so
        warnings.simplefilter("ignore", UserWarning)
        data = json.loads(JsonV1Dot6(bom).output_as_string())
    return (json.dumps(data | _completeness(system, product), indent=1, ensure_ascii=False) + "\n").encode()


def _serial(system: System) -> uuid.UUID:
    told = [system.target, system.plan, [(each.name, each.sha256) for each in system.images]]
    return uuid.uuid5(_SERIALS, json.dumps(told))


def _completeness(system: System, product: Component) -> dict[str, Any]:
    """Return what the library has no classes for: whether all of the parts are named."""
    whole = "incomplete" if system.unknown else "complete"
    return {"compositions": [{"aggregate": whole, "assemblies": [str(product.bom_ref)]}]}


def _product(system: System) -> Component:
    told = system.product
    properties = [Property(name="rootstream:system", value=system.target)]
    properties += [Property(name="rootstream:architecture", value=system.arch)] if system.arch else []
    properties += [Property(name="rootstream:unknown", value=each) for each in system.unknown]
    properties += _missing(version=told.version, supplier=told.supplier, license=told.license)
    return Component(
        name=told.name or system.target,
        version=told.version,
        type=ComponentType.FIRMWARE,
        bom_ref=f"product/{system.target}",
        supplier=OrganizationalEntity(name=told.supplier) if told.supplier else None,
        licenses=[LicenseExpression(told.license)] if told.license else (),
        cpe=told.cpe,
        properties=properties,
        components=[
            Component(
                name=each.name,
                type=ComponentType.FILE,
                bom_ref=f"file/{each.name}",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)],
                properties=[
                    Property(name="rootstream:kind", value=each.kind),
                    Property(name="rootstream:size", value=str(each.size)),
                ],
            )
            for each in system.images
        ],
    )


def _missing(**told: str | None) -> list[Property]:
    return [Property(name=f"rootstream:{name}", value="unknown") for name, value in told.items() if not value]


def _component(given: model.Component) -> Component:
    properties = [Property(name=name, value=value) for name, value in given.notes]
    properties += [
        Property(name="rootstream:role", value=given.role),
        Property(name="rootstream:type", value=given.kind),
    ]
    if given.kind == "project":  # of an archive that nobody can download
        properties += [Property(name="rootstream:archive-sha256", value=each.digest) for each in given.files]
    properties += [Property(name="rootstream:stated-license", value=each) for each in given.stated]
    for each in given.texts:
        properties.append(Property(name="rootstream:license-text", value=f"{each.path} SHA-256 {each.sha256}"))
    if given.source is not None:
        properties.append(Property(name="rootstream:source", value=given.source[0]))
        properties.append(Property(name="rootstream:source-version", value=given.source[1] or "unknown"))
    if given.role == "image":
        properties += _missing(version=given.version, license=given.license)
    one = given.files[0] if len(given.files) == 1 else None
    return Component(
        name=given.name,
        version=given.version,
        type=_type(given),
        bom_ref=given.ref,
        scope=ComponentScope.REQUIRED if given.role == "image" else ComponentScope.EXCLUDED,
        supplier=OrganizationalEntity(name=given.supplier) if given.supplier else None,
        licenses=[LicenseExpression(given.license)] if given.license else (),
        purl=PackageURL.from_string(given.purl) if given.purl else None,
        cpe=given.cpe,
        hashes=[_hash(one)] if one and given.kind in ("deb", "pypi", "cargo") else (),
        external_references=[*_references(given)] if given.kind != "project" else (),
        properties=properties,
        pedigree=_pedigree(given.patches) if given.patches else None,
        evidence=_evidence(given.texts),
    )


def _evidence(texts: Iterable[model.LicenseText]) -> ComponentEvidence | None:
    """Return license texts: what is declared is an expression, beside which the format has no room for them."""
    found = [
        DisjunctiveLicense(name=each.path, text=AttachedText(content=each.text)) for each in texts if each.text
    ]
    return ComponentEvidence(licenses=found) if found else None


def _type(given: model.Component) -> ComponentType:
    if given.name == "linux" and given.kind in ("source", "buildroot"):
        return ComponentType.OPERATING_SYSTEM
    return _TYPES.get(given.kind, ComponentType.LIBRARY)


def _hash(file: model.SourceFile) -> HashType:
    return HashType(alg=_ALGORITHMS[file.algorithm], content=file.digest)


def _references(given: model.Component) -> Iterable[ExternalReference]:
    if given.homepage:
        yield ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(given.homepage))
    for file in given.files:
        kind = ExternalReferenceType.DISTRIBUTION
        yield ExternalReference(type=kind, url=XsUri(file.name), hashes=[_hash(file)])


def _pedigree(patches: Iterable[str]) -> Pedigree:
    return Pedigree(
        patches=[Patch(type=PatchClassification.UNOFFICIAL, diff=Diff(url=XsUri(each))) for each in patches]
    )
