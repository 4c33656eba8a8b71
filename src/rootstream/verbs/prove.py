"""`rootstream prove`: a system built again from its sources alone, elsewhere, and compared with out/."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rootstream.description.roots import FromBuildroot, FromElements
from rootstream.engine import Engine
from rootstream.engine.comparison import Comparison, ElementDifference, FileDifference, compare
from rootstream.errors import UserError, Where
from rootstream.events import Notice, Reporter, Step
from rootstream.host import process
from rootstream.project import manifest
from rootstream.project.project import Project
from rootstream.report import difference, inventory
from rootstream.verbs import build, collection, provenance, report, second_build
from rootstream.verbs.difference import without_paths

MOST = 20
"""Files of a list that are shown as text."""
MOST_PAIRS = 3
MOST_TEXT = 20_000  # bytes of what diffoscope says of a pair of files
PATIENCE = 900.0  # seconds for diffoscope
_DIFFOSCOPE = ("--text", "-", "--max-text-report-size", str(MOST_TEXT), "--no-progress", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A file of an export with its digest in both builds, None where one has no such file."""

    name: str
    first: str | None
    second: str | None

    @property
    def same(self) -> bool:
        """Say whether both builds have the same bytes."""
        return self.first == self.second


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What became of a second build: the files of both exports, and where differences come from."""

    target: str
    images: tuple[Image, ...]
    elements: Comparison
    files: tuple[tuple[str, str, str], ...]
    """Files of the root that differ: path, what of it, and what brought it."""
    built: tuple[str, str]
    varied: Mapping[str, str]
    not_varied: Mapping[str, str]
    details: Mapping[str, str]
    """What diffoscope says, by the file."""

    @property
    def same(self) -> bool:
        """Say whether every file of the export is the same."""
        return all(each.same for each in self.images)

    def text(self) -> str:
        """Return the result as lines for people."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for each in self.images:
            if each.same:
                yield f"same       {each.name}  SHA-256 {each.first}"
            else:
                told = ", ".join(digest or "missing" for digest in (each.first, each.second))
                yield f"different  {each.name}  SHA-256 {told}"
        for element in self.elements.different:
            if element.because:
                yield f"follows    {element.element}, from {', '.join(element.because)}"
                continue
            yield f"{'no image' if self.same else 'because'}    "[:11] + f"{element.element} differs:"
            yield from _limited([f"             {_shown(file)}" for file in element.files])
        yield from _limited([f"file       /{path}  {what}; from {origin}" for path, what, origin in self.files])
        if self.elements.absent:
            yield f"unknown    elements that the cache does not have any more: {', '.join(self.elements.absent)}"
        for name, text in self.details.items():
            yield f"diffoscope on {name}:"
            yield from (f"  {line}" for line in text.splitlines())
        yield f"times      {self.built[0]} and {self.built[1]}"
        yield from (f"varied     {name}: {value}" for name, value in self.varied.items())
        yield from (f"not varied {name}: {reason}" for name, reason in self.not_varied.items())
        count = sum(not each.same for each in self.images)
        good = f"{self.target} is reproducible here: {len(self.images)} files are the same bytes"
        bad = f"{self.target} is not reproducible: {count} of {len(self.images)} files differ"
        yield good if self.same else bad

    def json(self) -> str:
        """Return the same as JSON."""
        told = {
            "system": self.target,
            "reproducible": self.same,
            "images": [asdict(each) | {"same": each.same} for each in self.images],
            "elements": [_data(each) for each in self.elements.different],
            "elements_compared": self.elements.compared,
            "elements_not_compared": list(self.elements.absent),
            "files": [{"path": path, "change": what, "from": origin} for path, what, origin in self.files],
            "built": list(self.built),
            "varied": dict(self.varied),
            "not_varied": dict(self.not_varied),
            "diffoscope": dict(self.details),
        }
        return json.dumps(told, indent=1) + "\n"


def _shown(file: FileDifference) -> str:
    inner = f": {file.inner}" if file.inner is not None else ""
    return f"{file.path}{inner}  {file.change}"


def _limited(lines: list[str]) -> Iterator[str]:
    yield from lines[:MOST]
    if len(lines) > MOST:
        yield f"           and {len(lines) - MOST} more; `--json` has all of them"


def _data(each: ElementDifference) -> dict[str, Any]:
    files = [{"path": file.path, "inner": file.inner, "change": file.change} for file in each.files]
    return {"element": each.element, "key": each.key, "because": list(each.because), "files": files}


def prove(
    project: Project, wanted: tuple[str, ...], engine: Engine, tell: Reporter, keep: Path | None = None
) -> Proof:
    """Bring a system in out/ up to date, build it again from its sources alone, and compare.

    With `keep`, the second export is there afterwards. Raises `UserError` second-build-failed, cannot-build-again,
    destination-exists, lock-outdated, Interrupted, and whatever a build raises.
    """
    target = report.target(project, wanted)
    names = wanted if project.kind == "plain" else (target,)
    if keep is not None and keep.exists():
        raise UserError("destination-exists", "already exists", where=Where(path=keep), hint="Name a new folder.")
    quiet = without_paths(tell)
    build.build(project, names, engine, quiet, locked=True)
    place = project.out(target)
    first_time = (place / manifest.NAME).stat().st_mtime
    with second_build.place() as there:
        tell(Step(name="prove", text="collecting the sources"))
        _sources(project, names, engine, quiet, there)
        how = second_build.surroundings(there, engine)
        tell(Step(name="prove", text=f"building {target} again in {there.project}, with an empty cache"))
        second_time = second_build.build(there, names[0], how, tell)
        again = replace(project, folder=there.project, elsewhere=None, scratch=None).out(target)
        tell(Step(name="prove", text="comparing"))
        elements = _compared(project, target, names, engine, there)
        clock, true_clock = how.clock.said()
        proof = Proof(
            target=target,
            images=_images(place, again),
            elements=elements,
            files=_files(place, again),
            built=(_day(first_time), _day(second_time)),
            varied={**how.varied, **clock},
            not_varied={**how.not_varied, **true_clock},
            details={},
        )
        if not proof.same:
            proof = replace(proof, details=_details(proof, place, again, there.folder, tell))
        if keep is not None:
            _keep(again, keep)
    return proof


def _keep(folder: Path, keep: Path) -> None:
    try:
        shutil.copytree(folder, keep)
    except OSError as error:  # also shutil.Error
        message = f"cannot be written: {error.strerror or error}"
        raise UserError("cannot-write", message[:500], where=Where(path=keep)) from error


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sources(
    project: Project, names: tuple[str, ...], engine: Engine, tell: Reporter, there: second_build.Place
) -> None:
    """Put the project and everything that it is built from into the folders of the second build."""
    second_build.copy(project, there)
    if project.kind == "plain":
        build.fetch(project, names, engine, tell)
        second_build.copy_sources(there, engine, None)
        return
    build.fetch(project, names, engine, _without_left(tell), locked=True, folder=there.fetched)
    described = next(each for each in project.read().systems if each.target == names[0])
    if isinstance(described.system.root, FromBuildroot):
        second_build.copy_buildroot_trees(there)
    own = isinstance(described.system.root, FromElements)
    second_build.copy_sources(there, engine, None if own else _kinds(project, names))


def _without_left(tell: Reporter) -> Reporter:
    """Return a reporter without what `fetch --to` says of its folder, which is ours here."""

    def reporter(event: object) -> None:
        if not isinstance(event, Notice):
            tell(event)  # type: ignore[arg-type]  # an event that is no notice

    return reporter


def _kinds(project: Project, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the URLs of sources that are not found by hash, by their kinds."""
    plan = build.read(project, names).plan
    found: dict[str, tuple[str, ...]] = {}
    for element in plan.elements.values():
        for source in element.sources:
            if source.kind not in (*collection.STORES, "local") and "url" in source.words:
                found[source.kind] = (*found.get(source.kind, ()), str(source.words["url"]))
    return found


def _compared(
    project: Project, target: str, names: tuple[str, ...], engine: Engine, there: second_build.Place
) -> Comparison:
    """Compare the elements of both builds; a system that Buildroot builds itself has none."""
    if project.kind == "plain":
        states = engine.show(project.plan, names)
    else:
        described = next(each for each in project.read().systems if each.target == target)
        if isinstance(described.system.root, FromBuildroot):
            return Comparison(compared=0, different=(), absent=())
        prepared = build.read(project, names)
        states = engine.show(project.plan, (prepared.outputs[target].element,))
    return compare(states, engine.settings.cache, there.cache)


def _images(first: Path, second: Path) -> tuple[Image, ...]:
    one, other = provenance.digests(first), provenance.digests(second)
    return tuple(
        Image(name=name, first=one.get(name), second=other.get(name)) for name in sorted(one.keys() | other.keys())
    )


def _files(first: Path, second: Path) -> tuple[tuple[str, str, str], ...]:
    """Return what differs in the root: path, what of it, and what brought it there."""
    sides = [difference.side(folder.name, folder) for folder in (first, second)]
    part = difference.difference(sides[0], sides[1]).files
    rows: dict[str, inventory.File] = {}
    for side in reversed(sides):
        rows |= {row.path: row for row in side.inventory.files} if side.inventory else {}
    found = [(name, "only first") for name, _ in part.removed] + [(name, "only second") for name, _ in part.added]
    found += [(each.name, ", ".join(each.aspects)) for each in part.changed]
    return tuple((name, what, _origin(rows[name])) for name, what in sorted(found))


def _origin(row: inventory.File) -> str:
    return ", ".join(row.packages) or row.layer or "an unknown layer"


def _details(proof: Proof, first: Path, second: Path, scratch: Path, tell: Reporter) -> dict[str, str]:
    """Return what diffoscope says of the files that everything else follows from, of images without them."""
    if shutil.which("diffoscope") is None:
        text = "diffoscope is not installed: what differs within files is not shown"
        tell(Notice(level="info", text=text))
        return {}
    pairs: dict[str, tuple[Path, Path]] = {}
    for element in proof.elements.different:
        for file in element.files if not element.because else ():
            if file.places:
                pairs.setdefault(f"{element.element}{file.path}", file.places)
    if not pairs:
        pairs = {
            each.name: (first / each.name, second / each.name)
            for each in proof.images
            if not each.same and each.first and each.second
        }
        derived = pairs.keys() & {*provenance.BESIDE}
        pairs = pairs if pairs.keys() == derived else {name: pairs[name] for name in pairs.keys() - derived}
    found = {}
    for number, (name, places) in enumerate([*pairs.items()][:MOST_PAIRS]):
        tell(Step(name="prove", text=f"diffoscope on {name}"))
        copies = []
        for side, path in zip(("first", "second"), places, strict=True):
            copy = scratch / "diffoscope" / str(number) / side / Path(name).name
            copy.parent.mkdir(parents=True)
            shutil.copyfile(path, copy)
            copies.append(str(copy))
        try:
            done = process.run(
                ("diffoscope", *_DIFFOSCOPE, *copies), env=os.environ, timeout=PATIENCE, check=False
            )
        except UserError as error:  # it takes too long; what differs is known without it
            found[name] = error.message
            continue
        found[name] = done.stdout if done.status in (0, 1) else process.tail(done.stderr)
    return found
