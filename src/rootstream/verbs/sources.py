"""`rootstream sources`: the sources of what images have, with patches and instructions, in a folder to pass on.

What could not be had is listed there. Of the project's own software nothing is in it unless that is asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from rootstream.description.model import Described
from rootstream.description.roots import FromBuildroot, FromElements
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.events import Reporter, Step, Transfer
from rootstream.fetch import download, fetched, mirrors
from rootstream.fetch.progress import Progress
from rootstream.fetch.store import Store
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item
from rootstream.host import temporary
from rootstream.host.content import chunks
from rootstream.plan import base, text
from rootstream.plan.model import Element, Plan, Source
from rootstream.plan.software import packages
from rootstream.project import project
from rootstream.project.project import Project
from rootstream.verbs import build, collection, report, source_pins, sources_elements, sources_page
from rootstream.verbs.sources_page import Collected

PLAN = "plan"
HASHES = "sha256"
_SETS = ("packages", "python")  # what an element may ship that is no tree of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file of the archive to be had, and where in the folder it belongs."""

    item: Item
    place: str


def sources(
    where: Project,
    wanted: tuple[str, ...],
    folder: Path,
    engine: Engine,
    tell: Reporter,
    *,
    own: bool = False,
    tools: bool = False,
) -> Collected:
    """Write the sources of a system into a new folder, all at once; return what it has and what it lacks.

    With `own`, the project's own packages are in it, with `tools` what they are built with. Raises `UserError`
    destination-exists, plain-project, no-lock, lock-outdated, and what planning and fetching raise.
    """
    if where.kind == "plain":
        raise UserError(
            "plain-project",
            "a plain BuildStream project has no lock that names its sources",
            hint="`bst source checkout --deps all ELEMENT` writes them.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "Name a new folder, or an empty one."
        raise UserError("destination-exists", "already exists", where=Where(path=folder), hint=hint)
    target = report.target(where, wanted)
    described = next(each for each in where.read().systems if each.target == target)
    try:
        return _written(where, described, folder, engine, tell, own=own, tools=tools)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise UserError("cannot-write", message[:500], where=Where(path=folder)) from error


def _written(
    where: Project,
    described: Described,
    folder: Path,
    engine: Engine,
    tell: Reporter,
    *,
    own: bool,
    tools: bool,
) -> Collected:
    target = described.target
    above = folder.absolute().parent
    above.mkdir(parents=True, exist_ok=True)
    slugs = (described.slug,) if isinstance(described.system.root, FromBuildroot) else ()
    with (
        project.locked(where, tell, slugs),
        temporary.folder(f".{folder.name}-", above) as scratch,
    ):
        engine.clear()
        new = scratch / "new"
        new.mkdir()
        if isinstance(described.system.root, FromBuildroot):
            from rootstream.verbs import sources_buildroot  # noqa: PLC0415  (only these projects wait for it)

            found = sources_buildroot.collect(where, described, engine, new, tell)
        else:
            prepared = build.read(where, (target,))
            build.write_plan(prepared)
            found = _collect(prepared, target, engine, new, tell, own=own, tools=tools)
            if isinstance(described.system.root, FromElements):
                told = described.system.root.elements
                if own:
                    sources_elements.collect(prepared, described, told, engine, new, found, tell)
                else:
                    reason = "elements of BuildStream: `--own` takes their project and its sources"
                    found.missing.append((f"{told.project}:{told.target}", reason))
        sources_page.write(new, target, found)
        if folder.is_dir():
            folder.rmdir()
        new.rename(folder)
    return found


def _collect(
    prepared: build.PreparedProject,
    target: str,
    engine: Engine,
    new: Path,
    tell: Reporter,
    *,
    own: bool,
    tools: bool,
) -> Collected:
    plan = prepared.plan
    names = plan.closure(prepared.outputs[target].element)
    found = Collected()
    wanted = [*_of_debian(prepared, target, found)]
    trees = [plan.elements[name] for name in names if _is_tree(plan.elements[name])]
    for element in trees:
        wanted += _of_tree(element, plan, found)
    python = [plan.elements[name] for name in names if plan.elements[name].ships == "python"]
    _of_own(prepared, target, found, new if own else None)
    absent = _fetch(wanted, engine, prepared.description.debian.mirrors, tell)
    store = engine.settings.cache / "sources" / collection.STORES["debian_source"]
    for each in wanted:
        path = store / each.item.sha256[:2] / each.item.sha256
        if each.item.sha256 in absent:
            found.missing.append((each.place, "on no mirror; ROOTSTREAM_DEBIAN_SNAPSHOTS names further ones"))
        else:
            found.files.append(collection.Stored(source=path, place=each.place, sha256=each.item.sha256))
    for element in python:
        engine.fetch(prepared.project.plan, (element.name,), tell, depends="none")
        _of_python(element, plan, engine, found)
    built = [element for element in (*trees, *python) if element.commands]
    _write_plan(plan, built, new)
    if tools and built:
        _with_tools(prepared, built, engine, found, tell)
    collection.write(found.files, new, tell)
    for element in trees:
        _staged(prepared, element, engine, new, found, tell)
    _link_hashes(found.files, new)
    return found


def _is_tree(element: Element) -> bool:
    return element.ships is not None and element.ships not in _SETS


def _of_debian(prepared: build.PreparedProject, target: str, found: Collected) -> Iterator[Wanted]:
    """Give the files of source packages that the lock pins. Raises `UserError` lock-outdated."""
    for each in source_pins.shipped(prepared.plan, (prepared.outputs[target].element,)):
        rows = prepared.plan.refs.get(each.key, ())
        lacking = sorted(set(each.packages) - source_pins.covered(rows))
        if lacking:
            raise UserError(
                "lock-outdated",
                f"has no sources of {len(lacking)} packages, {' '.join(lacking[0])} among them",
                where=Where(path=prepared.project.lock),
                hint="`rootstream update --missing` pins them; locks of older versions have none.",
            )
        images = {"=".join(package) for package in each.packages}
        for row in rows:
            binaries = tuple(name for name in row["binaries"] if name in images)
            if not binaries:
                continue
            folder = f"debian/{row['name']}_{row['version'].rpartition(':')[2]}"
            if not row["files"]:
                reason = "its index entry was gone when the lock was written"
                found.missing.append((f"source package {row['name']} {row['version']}", reason))
                continue
            found.rows.append(
                sources_page.Row(
                    name=row["name"], version=row["version"], kind="debian", folder=folder, of=binaries
                )
            )
            yield from _items(row["files"], folder)
        for name, version in each.foreign:
            found.missing.append(
                (f"{name} {version}", "it is from another repository, whose sources are not pinned")
            )


def _items(rows: Iterable[Mapping[str, object]], folder: str) -> Iterator[Wanted]:
    for row in rows:
        path, size = str(row["path"]), row["size"]
        assert isinstance(size, int)  # noqa: S101  (the lock was checked when it was read)
        item = Item(path=path, size=size, sha256=str(row["sha256"]))
        yield Wanted(item=item, place=f"{folder}/{item.name}")


def _of_tree(element: Element, plan: Plan, found: Collected) -> Iterator[Wanted]:
    """Give the files of a tree that is a source package of Debian: its archives, also patches not applied."""
    folder = f"trees/{element.ships}"
    version = None
    for source in element.sources:
        if source.kind == "debian_source":
            ref = plan.refs[source.request()]
            version = ref["version"]
            yield from _items(ref["files"], folder)
    row = sources_page.Row(
        name=str(element.ships),
        version=version,
        kind="tree",
        folder=folder,
        element=element.name,
        patched=any(source.words.get("patches") is True for source in element.sources),
    )
    found.rows.append(row)


def _staged(
    prepared: build.PreparedProject, element: Element, engine: Engine, new: Path, found: Collected, tell: Reporter
) -> None:
    """Write a tree from Git, a tarball or a folder as its sandbox gets it; its commit or hash is in the plan."""
    if any(source.kind == "debian_source" for source in element.sources):
        return
    place = new / "trees" / str(element.ships)
    place.parent.mkdir(exist_ok=True)
    try:
        engine.sources(prepared.project.plan, element.name, place, tell)
        _without_folder(place, element.name.removesuffix(".bst"))
    except UserError as error:
        if error.reason != "fetch-failed":
            raise
        shutil.rmtree(place, ignore_errors=True)
        found.missing.append((f"trees/{element.ships}", error.message))


def _without_folder(place: Path, name: str) -> None:
    """Have what is in the folder of an element right in a place: it is the only one there."""
    inner = place / name
    if inner.is_dir():
        apart = place.with_name(f".{place.name}.new")
        inner.rename(apart)
        place.rmdir()
        apart.rename(place)


def _of_python(element: Element, plan: Plan, engine: Engine, found: Collected) -> None:
    """Take sdists, and wheels that are their own source; other wheels are compiled from what is not pinned."""
    for source in element.sources:
        if source.kind not in ("python_wheels", "python_sources"):
            continue
        for row in plan.refs[source.request()]:
            if row.get("role") == "build":
                continue
            plain = row["file"].endswith("-none-any.whl")
            if row["file"].endswith(".whl") and not plain:
                reason = "a compiled wheel; `from_source` builds it from a pinned source"
                found.missing.append((f"{row['name']} {row['version']}", reason))
                continue
            path = engine.settings.cache / "sources" / "python" / row["sha256"][:2] / row["sha256"]
            place = f"python/{row['file']}"
            found.files.append(collection.Stored(source=path, place=place, sha256=row["sha256"]))
            found.rows.append(
                sources_page.Row(name=row["name"], version=row["version"], kind="python", folder=place)
            )


def _of_own(prepared: build.PreparedProject, target: str, found: Collected, new: Path | None) -> None:
    """Take the project's own packages if `new` is given, else say that they are left out."""
    for package in packages.wanted(prepared.described(target).system.layers):
        path = packages.archive_path(package)
        if new is None or path not in prepared.plan.files:
            found.left_out.append(package.name)
            continue
        place = PurePosixPath("own") / f"{package.name}.tar"
        (new / "own").mkdir(exist_ok=True)
        with (new / place).open("wb") as file:
            file.writelines(chunks(prepared.plan.files[path]))
        version = package.version
        found.rows.append(sources_page.Row(name=package.name, version=version, kind="own", folder=str(place)))


def _fetch(wanted: Sequence[Wanted], engine: Engine, own: tuple[str, ...], tell: Reporter) -> frozenset[str]:
    """Bring files of the archive into the store; return the hashes of those that are nowhere."""
    if not wanted:
        return frozenset()
    tell(Step(name="fetch", text=f"fetching {len(wanted)} files of source packages"))
    store = Store(engine.settings.cache / "sources" / collection.STORES["debian_source"])
    absent: set[str] = set()
    try:
        folders, snapshots = fetched.folders(), fetched.snapshots()
        try:
            found = mirrors.find(own)
        except Fault as fault:
            if fault.reason != "no-mirror":
                raise
            found = ()
        todo: list[list[Item]] = [[each.item for each in wanted]]
        while todo:
            items = todo.pop()
            try:
                download.fetch(
                    items,
                    found,
                    store,
                    progress=lambda progress: tell(_transfer(progress)),
                    warn=lambda _: None,
                    proxies=mirrors.host_proxies(os.environ),
                    folders=folders,
                    snapshots=snapshots,
                )
            except Fault as fault:
                if fault.reason != "not-on-mirror":
                    raise
                lacking = [item for item in items if not store.has(item)]
                if len(lacking) <= 1:
                    absent.update(item.sha256 for item in lacking)
                else:  # one of them is nowhere: each half by itself
                    half = len(lacking) // 2
                    todo += [lacking[:half], lacking[half:]]
    except Fault as fault:
        raise UserError(fault.reason, fault.message, detail=fault.explained()) from fault
    return frozenset(absent)


def _transfer(progress: Progress) -> Transfer:
    return Transfer(
        element="sources",
        files_done=progress.files,
        files_total=progress.all_files,
        bytes_done=progress.bytes,
        bytes_total=progress.all_bytes,
        rate=progress.rate,
    )


def _write_plan(plan: Plan, built: Sequence[Element], new: Path) -> None:
    """Write the elements that trees are built by, with their files: the commands, fragments and programs."""
    names = {name for element in built for name in plan.closure(element.name)}
    elements = {name: plan.elements[name] for name in sorted(names)}
    if not elements:
        return
    paths = [str(source.words["path"]) for element in elements.values() for source in _local(element)]
    paths += [f"{PurePosixPath(each).parent}" for each in paths if "." in PurePosixPath(each).name]
    files = {
        name: content
        for name, content in plan.files.items()
        if any(name == path or name.startswith(f"{path}/") for path in paths) or _is_named(name, elements.values())
    }
    project.sync(new / PLAN, text.render(replace(plan, elements=elements, files=files, targets={})))


def _local(element: Element) -> Iterator[Source]:
    return (source for source in element.sources if source.kind == "local")


def _is_named(name: str, elements: Iterable[Element]) -> bool:
    """Say whether a source of another kind reads a file of the plan: lists of requirements, keys."""
    values = (str(value) for each in elements for source in each.sources for value in source.words.values())
    return name in set(values)


def _with_tools(
    prepared: build.PreparedProject, built: Sequence[Element], engine: Engine, found: Collected, tell: Reporter
) -> None:
    """Take what the elements are built with, so that they can be built from the folder alone."""
    names = {name for element in built for name in prepared.plan.closure(element.name)}
    elements = {name: prepared.plan.elements[name] for name in sorted(names)}
    engine.fetch(prepared.project.plan, tuple(elements), tell, depends="none")
    files, _ = collection.stored(replace(prepared.plan, elements=elements), engine.settings.cache)
    there = {each.sha256 for each in found.files}
    for each in files:
        if each.sha256 not in there:
            found.files.append(replace(each, place=f"tools/{each.place}"))
    version = "+".join(prepared.description.debian.suites)
    found.rows.append(sources_page.Row(name=base.NAME, version=version, kind="tools", folder="tools"))


def _link_hashes(files: Iterable[collection.Stored], new: Path) -> None:
    """Let files be found by their hashes, as `ROOTSTREAM_FETCHED` has them."""
    for each in files:
        if each.sha256:
            link = new / HASHES / each.sha256[:2] / each.sha256
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(Path("..") / ".." / each.place)
