"""The elements of a Buildroot system: one for each package, one for the images, and those that answer questions.

BuildStream stages what a package is built with: Buildroot's rules and its own at TREE, and what the packages
below it have installed at OUTPUT, where Buildroot's make then builds it. The element's result is what that adds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath

from rootstream.buildroot import info
from rootstream.buildroot.graph import places, staging
from rootstream.buildroot.graph.draft import EMPTY, LINKED, MAY_OVERLAP, GraphDraft, GraphInputs
from rootstream.buildroot.graph.places import OUTPUT, SOURCE, TREE
from rootstream.buildroot.info import BuildrootPackage
from rootstream.plan import base, programs
from rootstream.plan.model import BUILDROOT_DOWNLOAD, Dependency, Element, Source
from rootstream.plan.sources import local

INFO, PROOF, IMAGES = "buildroot-info.bst", "buildroot-proof.bst", "buildroot-images.bst"
WHOLE, RULES = "tree.bst", "rules.bst"
ALL_EXTERNALS, EXTERNAL_RULES = "externals.bst", "external-rules.bst"
OVERRIDE, ASKED = "override.bst", "asked.bst"
ANSWER, DIFFERENT = "info.txt", "different.json"
# As in the sandbox of a workspace (workspace.py, environment), without what is a user's.
ENVIRONMENT = {
    "LC_ALL": "C",
    "TERM": "dumb",
    "FAKEROOTDONTTRYCHOWN": "1",
    "FORCE_UNSAFE_CONFIGURE": "1",  # the sandbox has only root
    "BR2_DL_DIR": places.DOWNLOADS,
}
INVENTORY, APPLIED, SPEC = "inventory.jsonl", "applied.json", "spec.json"
BESIDE = ("missed.json", INVENTORY, APPLIED)  # the images
NOTE, LOOKED_FOR, MISSED = f"{SOURCE}/installed.json", f"{SOURCE}/missed", "missed.json"
_BELOW = f"{places.TREE}:{places.EXTERNAL}:{places.PROJECT}:{places.OUTSIDE}"
NOTING = f"LD_PRELOAD={programs.MISSED_LIBRARY} ROOTSTREAM_BELOW={_BELOW} ROOTSTREAM_MISSED={LOOKED_FOR} "
_FAILED = f" || {programs.command('buildroot.additions')} failed {LOOKED_FOR}"
EMPTIED = f"find {OUTPUT} -mindepth 1 -delete"


def named_files(inputs: GraphInputs) -> dict[str, dict[str, Path]]:
    """Return the files that the rules of each package, and of those it is built with, name."""
    order = {name: (*staging.closure(inputs.packages, name), name) for name in inputs.packages}
    return {
        name: {k: v for each in names for k, v in inputs.files.get(each, {}).items()}
        for name, names in order.items()
    }


def make(trees: staging.Trees, *words: str) -> str:
    """Return the command of Buildroot's make."""
    externals = shlex.quote(":".join(trees.externals))
    own = ("BR2_JLEVEL=$JOBS", "BR2_TAR_OPTIONS=--no-same-owner")  # the sandbox has one user: owners cannot be set
    return " ".join(
        ("make --no-print-directory -C", TREE, f"O={OUTPUT}", f"BR2_EXTERNAL={externals}", *own, *words)
    )


def noting(command: str) -> str:
    """Return a command with which is noted what it looks for in vain; if it fails, the log has that (missed.c)."""
    return f"{NOTING}{command}{_FAILED}"


def without_notes(command: str) -> str:
    """Return a command of an element as people run it."""
    return command.removeprefix(NOTING).removesuffix(_FAILED)


def begin() -> str:
    """Return the commands that make Buildroot's output folder, with a configuration that is taken as it is."""
    folders = " ".join(f"{OUTPUT}/{name}" for name in ("build/buildroot-config", "host", "target", "images"))
    return (
        f"mkdir -p {folders}\n"
        f"cp {SOURCE}/config {OUTPUT}/.config\n"
        f"touch -d @0 {OUTPUT}/.config\n"
        f": >{OUTPUT}/build/buildroot-config/auto.conf\n"
        f"touch {OUTPUT}/.br2-external.mk"
    )


def build_element(
    draft: GraphDraft,
    name: str,
    text: str,
    staged: Iterable[str],
    below: Iterable[str],
    *commands: str,
    sources: Sequence[Source] = (),
) -> str:
    """Add an element that runs commands; its result is what they leave at OUTPUT."""
    at_output = tuple(Dependency(element=each, location=OUTPUT) for each in below)
    at_root = (Dependency(element=each) for each in (base.FOR_BUILDROOT, *staged))
    return draft.add(
        Element(
            name=name,
            kind="manual",
            description=text,
            sources=(local(f"files/{name.removesuffix('.bst')}"), *sources),
            builds_with=(*at_root, *at_output),
            commands=commands,
            variables={"build-root": SOURCE, "install-root": OUTPUT, "strip-binaries": ""},
            environment=ENVIRONMENT,
            public=MAY_OVERLAP,
        )
    )


def questions(
    draft: GraphDraft, trees: staging.Trees, config: str, override: Mapping[str, bytes], files: Mapping[str, Path]
) -> str:
    """Add the element that asks Buildroot for the packages of a configuration.

    `override` is its local.mk, `files` what else decides the answer.
    """
    staged = [
        draft.tree(WHOLE, TREE, trees.tree, trees.digest),
        _externals(draft, trees),
        *_override(draft, override),
    ]
    named = _beyond(files, draft, staged)
    staged += [draft.link(ASKED, "asked", named)] if named else []
    draft.written["files/buildroot-info/config"] = config.encode("utf-8", "surrogateescape")
    asked = make(trees, info.ASK)
    commands = (begin(), f"{asked} >{SOURCE}/{ANSWER}", EMPTIED, f"mv {SOURCE}/{ANSWER} {OUTPUT}/")
    return build_element(draft, INFO, "What Buildroot says of its packages", staged, (), *commands)


def proof(draft: GraphDraft, inputs: GraphInputs, levels: Mapping[str, staging.Levels]) -> str:
    """Add the element that compares the variables of some packages, which may be staged in so many ways.

    They are compared with those of the whole tree; the element of `questions` is there.
    """
    folder, trees, files = "files/buildroot-proof", inputs.trees, named_files(inputs)
    empty = [f"{place}/{EMPTY}" for place in _below_root(inputs.patched)]
    empty += [f"{place}/{staging.MENU}" for place in trees.externals]
    draft.written[f"{folder}/empty"] = b""
    told: dict[str, dict[str, object]] = {}
    for name, each in levels.items():
        told[name] = {}
        for level, parts in each.by_name().items():
            inner, outer = trees.paths(parts)
            draft.written[f"{folder}/{name}.{level}"] = parts.config.encode("utf-8", "surrogateescape")
            draft.written |= {f"{folder}/instead/{path}": content for path, content in parts.instead.items()}
            told[name][level] = {
                "paths": [
                    *(f"{TREE}/{path}" for path in inner),
                    *outer,
                    *sorted(_below_root(files.get(name, ()))),
                ],
                "instead": {
                    **dict.fromkeys(empty, f"{SOURCE}/empty"),
                    **{f"{TREE}/{path}": f"{SOURCE}/instead/{path}" for path in parts.instead},
                },
                "config": f"{SOURCE}/{name}.{level}",
            }
    draft.written[f"{folder}/staged.json"] = json.dumps(told).encode()
    names = [each for each in (WHOLE, ALL_EXTERNALS, OVERRIDE, ASKED) if each in draft.elements]
    names.append(add_program(draft, programs.PROOF))
    words = (places.ROOT, f"{OUTPUT}/{ANSWER}", f"{SOURCE}/staged.json", f"{OUTPUT}/{DIFFERENT}", "--")
    compare = f"{programs.command('buildroot.variables')} {' '.join(words)} {make(trees)}"
    text = "What packages need the whole tree for"
    return build_element(draft, PROOF, text, names, (INFO,), compare, f"rm {OUTPUT}/{ANSWER}")


def _below_root(paths: Iterable[str]) -> Iterator[str]:
    """Yield those of some paths that can be withheld; what is elsewhere is where it is on this machine."""
    return (path for path in paths if path.startswith(f"{places.ROOT}/"))


def whole_tree(draft: GraphDraft, trees: staging.Trees) -> str:
    """Add the element with all of Buildroot's tree and return its name."""
    return draft.tree(WHOLE, TREE, trees.tree, trees.digest)


def _externals(draft: GraphDraft, trees: staging.Trees) -> str:
    return draft.link(ALL_EXTERNALS, "externals", trees.externals)


def add_program(draft: GraphDraft, name: str = programs.BUILDROOT) -> str:
    """Add the element of programs for the sandbox and return its name."""
    program, files = programs.of_buildroot(name)
    draft.written |= files
    return draft.add(replace(program, public=MAY_OVERLAP))  # they have modules in common


def _override(draft: GraphDraft, files: Mapping[str, bytes]) -> list[str]:
    for place, content in files.items():
        draft.written[f"files/override{place}"] = content
    text, source = "Buildroot's local.mk", local("files/override")
    element = Element(name=OVERRIDE, kind="import", description=text, sources=(source,), public=MAY_OVERLAP)
    return [draft.add(element)] if files else []


def staged_of(inputs: GraphInputs) -> dict[str, staging.Levels]:
    """Return what each package is built from, from the least to more."""
    override = [each.decode("utf-8", "surrogateescape") for each in inputs.override.values()]
    lines, patched = staging.lines(inputs.config), inputs.patched.values()
    return staging.of_packages(inputs.trees, inputs.packages, lines, override=override, patched=patched)


def _patched(draft: GraphDraft, folders: Iterable[str]) -> list[str]:
    """Add an element with folders that have to be there, although a package has no patches in all of them."""
    places = [f"{place}/{EMPTY}" for place in folders]
    draft.written |= {f"files/patch-folders{place}": b"" for place in places}
    text, source = "Folders with patches", local("files/patch-folders")
    element = Element(
        name="patch-folders.bst", kind="import", description=text, sources=(source,), public=MAY_OVERLAP
    )
    return [draft.add(element)] if places else []


def _override_for(draft: GraphDraft, inputs: GraphInputs, names: Sequence[str]) -> list[str]:
    """Return the element with those lines of Buildroot's local.mk that are about some packages."""
    prefixes = staging.prefixes(inputs.packages[name] for name in names)
    parts = {
        place: staging.overrides(content.decode("utf-8", "surrogateescape"), prefixes)
        for place, content in inputs.override.items()
    }
    if not any(parts.values()):
        return []
    name = f"override-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"
    for place, text in parts.items():
        draft.written[f"files/{name}{place}"] = text.encode("utf-8", "surrogateescape")
    source, text = local(f"files/{name}"), "Buildroot's local.mk, as far as a package reads it"
    element = Element(name=f"{name}.bst", kind="import", description=text, sources=(source,), public=MAY_OVERLAP)
    return [draft.add(element)]


def system(draft: GraphDraft, inputs: GraphInputs) -> str:
    """Add the elements of all packages and that of the images, and return the name of the latter."""
    add_program(draft)
    tracer, files = programs.of_missed(base.FOR_BUILDROOT)
    draft.add(tracer)
    draft.written |= files
    trees = inputs.trees
    draft.link(RULES, "rules", {f"{TREE}/{path}": trees.tree / path for path in trees.rules()}, rules=True)
    of_external = {path: trees.in_external(path) for path in trees.of_external()}
    menus = [f"{place}/{staging.MENU}" for place in trees.externals]
    draft.link(EXTERNAL_RULES, "external-rules", of_external, empty=menus)
    toolchain = [draft.link("toolchain.bst", "toolchain", inputs.toolchain)] if inputs.toolchain else []
    _override(draft, inputs.override)
    patched = _patched(draft, inputs.patched)
    order = {name: staging.closure(inputs.packages, name) for name in inputs.packages}
    staged = staged_of(inputs)
    named: dict[str, str] = {}
    for name in sorted(inputs.packages, key=lambda name: len(order[name])):
        package = inputs.packages[name]
        parts, config = _staged(draft, inputs, name, staged[name])
        parts += toolchain if any(each.startswith("toolchain") for each in (name, *order[name])) else []
        parts += [named[each] for each in order[name] if each in named]  # make wants them to be there
        own = _beyond(inputs.files.get(name, {}), draft, parts)
        if own:
            named[name] = draft.link(f"files-{name}.bst", f"files-{name}", own)
            parts.append(named[name])
        parts += _override_for(draft, inputs, (name, *order[name]))
        parts += patched if staging.PATCH_FOLDERS in staging.lines(config) else []
        parts += [programs.BUILDROOT, programs.MISSED]
        draft.written[f"files/package-{name}/config"] = config.encode("utf-8", "surrogateescape")
        _package(draft, package, parts, order[name], inputs)
    return _images(draft, inputs, order)


def _staged(draft: GraphDraft, inputs: GraphInputs, name: str, levels: staging.Levels) -> tuple[list[str], str]:
    """Add what a package is built from of the trees; return the elements and its .config."""
    trees, needs = inputs.trees, inputs.different.get(name, {})
    if "whole" in needs:
        return [whole_tree(draft, trees), _externals(draft, trees)], inputs.config
    staged = levels.by_name()[next(iter(needs), "fewest")]
    return [RULES, EXTERNAL_RULES, *_folders(draft, trees, staged)], staged.config


def _beyond(files: Mapping[str, Path], draft: GraphDraft, staged: Iterable[str]) -> dict[str, Path]:
    """Return those of some files and folders that elements do not stage already, each once."""
    files = {os.path.normpath(place): source for place, source in files.items()}
    there = {place for name in staged if name in draft.from_here for place in draft.from_here[name].files}
    above = ((place, [place, *map(str, PurePosixPath(place).parents)]) for place in files)
    return {place: files[place] for place, names in above if there.isdisjoint(names)}


def _folders(draft: GraphDraft, trees: staging.Trees, staged: staging.Staged) -> list[str]:
    found = [(f"{TREE}/{path}", trees.tree / path) for path in staged.folders]
    found += [(path, trees.in_external(path)) for path in staged.outer]
    names = []
    for place, source in found:
        name = place.removeprefix(f"{places.ROOT}/").replace("/", "-")
        names.append(draft.link(f"{name}.bst", name, {place: source}, rules=True))
    for path, content in staged.instead.items():
        name = f"instead-{path.replace('/', '-')}"
        draft.written[f"files/{name}/{path}"] = content
        source_of = local(f"files/{name}", directory=TREE.lstrip("/"))
        text = "What stands for a file of the tree"
        names.append(draft.add(Element(name=f"{name}.bst", kind="import", description=text, sources=(source_of,))))
    return names


def _package(
    draft: GraphDraft, package: BuildrootPackage, staged: list[str], below: tuple[str, ...], inputs: GraphInputs
) -> None:
    name = package.name
    program = programs.command("buildroot.additions")
    quoted, build = shlex.quote(name), shlex.quote(package.build)
    kept = f" --keep {inputs.kept[name]}" if name in inputs.kept else ""
    compared = _compared(draft, package, staged, inputs) if name in inputs.requests else ()
    kept += "".join(f" --license {shlex.quote(each)}" for each in inputs.parts[name].licenses)
    commands = (
        begin(),
        f"{program} note {OUTPUT} {NOTE}",
        *compared,
        noting(make(inputs.trees, quoted)),
        f"{program} keep {OUTPUT} {NOTE} --package {quoted} --build {build} --missed {LOOKED_FOR}{kept}",
    )
    sources = downloads_of(draft, name, inputs)
    text, lower = f"{name} {package.version}", (element_of(each) for each in below)
    build_element(draft, element_of(name), text, staged, lower, *commands, sources=sources)


def downloads_of(draft: GraphDraft, name: str, inputs: GraphInputs) -> list[Source]:
    """Return the downloads of a package as sources: a file with a known digest is only fetched to be built."""
    sources: dict[str, Source] = {}
    for path, each in inputs.downloads.get(name, {}).items():
        if isinstance(each, Path):
            draft.linked[f"downloads-{name}/{path}"] = each
            sources[""] = local(f"{LINKED}/downloads-{name}", directory="dl")
            continue
        words = {"path": path, "digest": each}
        here = {"folder": str(inputs.downloaded)}
        sources[path] = Source(kind=BUILDROOT_DOWNLOAD, words=words, free=here, locked=False, directory="dl")
    return list(sources.values())


def _compared(
    draft: GraphDraft, package: BuildrootPackage, staged: list[str], inputs: GraphInputs
) -> tuple[str, ...]:
    """Return the commands that configure a package and compare the result with what is requested of it."""
    requests, folder = inputs.requests[package.name], f"files/package-{package.name}"
    staged.append(add_program(draft, programs.REQUESTS))
    data = {
        "kind": requests.kind,
        "fragments": [(shown, f"{SOURCE}/{number}.fragment") for number, shown in enumerate(requests.fragments)],
        "optional": list(requests.optional),
        "make_words": list(requests.make_words),
    }
    for number, content in enumerate(requests.fragments.values()):
        draft.written[f"{folder}/{number}.fragment"] = content
    draft.written[f"{folder}/requests.json"] = json.dumps(data).encode()
    build = shlex.quote(f"{OUTPUT}/{package.build}")
    return (
        noting(make(inputs.trees, shlex.quote(f"{package.name}-configure"))),
        f"{programs.command('buildroot.requests')} {build} {SOURCE}/requests.json",
    )


def element_of(package: str) -> str:
    """Return the name of a package's element."""
    return f"package-{package}.bst"


def _images(draft: GraphDraft, inputs: GraphInputs, order: Mapping[str, tuple[str, ...]]) -> str:
    parts = for_images(draft, inputs)
    write_images(draft, inputs, IMAGES, order)
    kept = " ".join(f"{SOURCE}/{each}" for each in ("images", *BESIDE))
    commands = (
        *image_commands(inputs.trees),
        f"mv {OUTPUT}/images {SOURCE}/images",
        EMPTIED,
        f"mv {kept} {OUTPUT}/",
    )
    return build_element(draft, IMAGES, "Images", parts, in_order(order), *commands)


def for_images(draft: GraphDraft, inputs: GraphInputs) -> list[str]:
    """Add what images are made from beside the packages, and return the elements."""
    trees = inputs.trees
    parts = [RULES, _externals(draft, trees), programs.BUILDROOT, programs.MISSED]
    parts.append(add_program(draft, programs.CONTENTS))
    staged = replace(trees.staged(tuple(inputs.packages.values()), "", late=True), outer=())
    parts += _folders(draft, trees, staged)
    scripts = {f"{TREE}/{path}": trees.tree / path for path in trees.scripts()}
    parts += [draft.link("scripts.bst", "scripts", scripts)] if scripts else []
    parts += [each for each in ("toolchain.bst", OVERRIDE) if each in draft.elements]
    named = _beyond(inputs.for_images, draft, parts)
    return [*parts, *([draft.link("for-images.bst", "for-images", named)] if named else [])]


def write_images(draft: GraphDraft, inputs: GraphInputs, name: str, order: Mapping[str, tuple[str, ...]]) -> None:
    """Write what an element that makes images reads: the whole .config, the order of packages, what is listed."""
    folder = f"files/{name.removesuffix('.bst')}"
    draft.written[f"{folder}/config"] = inputs.config.encode("utf-8", "surrogateescape")
    draft.written[f"{folder}/order.json"] = json.dumps(order).encode()
    spec = {"packages": {name: asdict(each) for name, each in inputs.parts.items()}, "overlays": inputs.overlays}
    draft.written[f"{folder}/{SPEC}"] = json.dumps(spec).encode()


def in_order(order: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the elements of packages, each after what it is built with; `order` has what that is."""
    return [element_of(name) for name in sorted(order, key=lambda name: len(order[name]))]


def image_commands(trees: staging.Trees) -> tuple[str, ...]:
    """Return the commands that make the images of what all packages have installed."""
    program = programs.command("buildroot.additions")
    compare = f"{program} compare {OUTPUT} --order {SOURCE}/order.json"
    missed = f"{program} missed {OUTPUT} {LOOKED_FOR} {SOURCE}/{MISSED}"
    words = (OUTPUT, f"{SOURCE}/{SPEC}", *(f"{SOURCE}/{each}" for each in (INVENTORY, APPLIED)))
    listed = f"{programs.command('buildroot.inventory')} {' '.join(words)}"
    return begin(), compare, noting(make(trees)), missed, listed
