"""The provenance of an export: a statement of in-toto with a predicate of SLSA 1, signed and verified as DSSE.

Format: https://slsa.dev/spec/v1.0/provenance, https://github.com/secure-systems-lab/dsse. It says what was built
from what; it claims no level of SLSA, which is a matter of the builder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from securesystemslib.dsse import Envelope

from rootstream.errors import UserError, Where
from rootstream.host import envelopes
from rootstream.host.envelopes import STATEMENT
from rootstream.host.file_text import bytes_of
from rootstream.report.components import System
from rootstream.report.model import Component

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:rootstream:build-type:system:1"
LOCAL = "urn:rootstream:builder:unnamed"
MOST = 256 << 20  # bytes of a statement
_DIGESTS = {"SHA-1": "gitCommit", "SHA-256": "sha256", "SHA-512": "sha512"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class Subject(_Part):
    """A file that a statement is about."""

    name: Annotated[str, Field(max_length=4096)]
    digest: dict[str, Annotated[str, Field(max_length=256)]]


class Statement(_Part):
    """What of a statement is looked at."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = Field(alias="predicateType")
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=100_000)]
    predicate: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A statement whose signature is that of the given key."""

    statement: Statement

    @property
    def subjects(self) -> Mapping[str, str]:
        """Return the SHA-256 of the files by their names."""
        return {each.name: each.digest.get("sha256", "") for each in self.statement.subject}

    @property
    def builder(self) -> str:
        """Return who says to have built it."""
        details = self.statement.predicate.get("runDetails")
        builder = details.get("builder") if isinstance(details, dict) else None
        found = builder.get("id") if isinstance(builder, dict) else None
        return found if isinstance(found, str) else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What is known of a build: begin and end, the commit of the project, whether its files were as committed."""

    started: str
    finished: str
    commit: str | None
    clean: bool | None


def statement(
    system: System, beside: Iterable[tuple[str, str]], builder: str | None, build: Build | None = None
) -> dict[str, Any]:
    """Return the statement on an export; `beside` are further files of it, each name and SHA-256."""
    subjects = [(each.name, each.sha256) for each in system.images]
    internal = {"plan": system.plan, "architecture": system.arch, "epoch": system.epoch}
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": {"system": system.target, "product": system.product.model_dump(exclude_none=True)},
        "internalParameters": {key: value for key, value in internal.items() if value not in (None, "")},
        "resolvedDependencies": [*_project(build), *_dependencies(system.components)],
    }
    version = {"rootstream": system.rootstream} if system.rootstream else {}
    details: dict[str, Any] = {"builder": {"id": builder or LOCAL, "version": version}}
    if build is not None:
        details["metadata"] = {"startedOn": build.started, "finishedOn": build.finished}
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in (*subjects, *beside)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": definition,
            "runDetails": details,
        },
    }


def _project(build: Build | None) -> Iterable[dict[str, Any]]:
    """Give the commit of the project, and whether it is all that was built from."""
    if build is not None and build.commit is not None:
        annotations = {"component": "the project", "as_committed": build.clean, "role": "project"}
        yield {"name": "project", "digest": {"gitCommit": build.commit}, "annotations": annotations}


def _dependencies(components: Sequence[Component]) -> Iterable[dict[str, Any]]:
    """Give what was built from, file by file, as the lock has it; and what is in folders of the project."""
    for each in components:
        for file in each.files:
            row: dict[str, Any] = {"name": file.name, "digest": {_DIGESTS[file.algorithm]: file.digest}}
            if each.purl:
                row["uri"] = each.purl
            row["annotations"] = {"component": each.name, "version": each.version, "role": each.role}
            yield row


def signed(told: Mapping[str, Any], key: Path, passphrase: bytes | None = None) -> bytes:
    """Return a statement in an envelope with a signature. Raises `UserError` bad-key."""
    envelope = envelopes.signed(told, envelopes.private_key(key, passphrase))
    return (json.dumps(envelope, indent=1) + "\n").encode()


def verified(path: Path, key: Path) -> Verified:
    """Return the statement of an envelope, if the signature is of a key; nothing in the envelope is a key.

    Raises `UserError` bad-key, bad-provenance, bad-signature.
    """
    public = envelopes.public_key(key)
    envelope = _envelope(path)
    if not envelopes.is_signed_by(envelope, public):
        raise UserError(
            "bad-signature",
            f"no signature in it is of the key in {key}",
            where=Where(path=path),
            hint="It was changed, or somebody else has signed it. Do not trust it.",
        )
    return Verified(statement=_statement(path, envelope))


def _envelope(path: Path) -> Envelope:
    if path.stat().st_size > MOST:
        raise _fault(path, f"has more than {MOST >> 20} MiB")
    try:
        return envelopes.opened(bytes_of(path))
    except envelopes.NotAnEnvelope as error:
        raise _fault(path, str(error)) from error


def _statement(path: Path, envelope: Envelope) -> Statement:
    try:
        return Statement.model_validate_json(envelope.payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise _fault(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]) from error


def _fault(path: Path, message: str) -> UserError:
    hint = "`rootstream provenance SYSTEM --key FILE` writes signed statements."
    return UserError("bad-provenance", message, where=Where(path=path), hint=hint)
