"""What the sources share: a `Fault` becomes BuildStream's own error, with the source's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from buildstream import Source, SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream.formats.faults import Fault


@contextmanager
def as_source_errors(source: Source) -> Iterator[None]:
    """Turn a `Fault` into a `SourceError` of this source."""
    try:
        yield
    except Fault as fault:
        raise SourceError(
            f"{source}: {fault.message}", detail=fault.explained(), reason=fault.reason, temporary=fault.temporary
        ) from fault
