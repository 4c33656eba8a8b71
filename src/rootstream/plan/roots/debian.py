"""Root `debian`: a package set unpacked, then configured in a sandbox whose root it is, as one tar with owners."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import PurePosixPath
from types import MappingProxyType

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.description.model import Debian
from rootstream.description.roots import AptArchive, DebianRoot, Repository
from rootstream.plan import base
from rootstream.plan.model import Dependency, Element, Json, Source, short_hash
from rootstream.plan.overlay import archive_of, collect
from rootstream.plan.sources import APT_KEYS, local, suites_with_updates, with_updates
from rootstream.plan.sources import debian_packages as packages_source
from rootstream.sandbox.rootfs.apt_sources import AptRepository, AptSources
from rootstream.sandbox.rootfs.identities import KNOWN

NOTES = "/.rootstream"
DOCS = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/bug/*")
# apt's examples name the archive (sandbox/aptsources.py, which removes them).
KEPT_DOCS = ("/usr/share/doc/*/copyright", "/usr/share/doc/apt/examples/*")
LOCALES = ("/usr/share/locale/*", "/usr/share/man/??/*", "/usr/share/man/??_*/*")
KEPT_LOCALES = ("/usr/share/locale/locale.alias",)
CONFIGURE = "debian_configure.sh"
LIBRARIES = ("created", "later")
LATER = 2  # the run that sees another time
CONFIGURED = "-configured.bst"  # how the name of an element with a configured root ends


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianBuild:
    """Elements of a root, the files beside them, and the element that holds /root.tar and /dropped.

    `runs` are elements whose /made lists what the packages' scripts made, once and once more.
    """

    elements: tuple[Element, ...]
    files: dict[str, bytes]
    root: str
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Configuring:
    """What configures a set of packages, whatever of them is unpacked."""

    suites: tuple[str, ...]
    slug: str
    fakeroot: Element
    created: Element
    chosen: Element
    epoch: int

    def element(self, unpacked: Element, *, run: int | None = None) -> Element:
        """Return the element of a configured root or, with `run`, only the list of what one more run made."""
        commands = (_command(run),)
        named = (unpacked.name, self.created.name, self.fakeroot.name, self.chosen.name, commands, self.epoch, run)
        ending = CONFIGURED if run is None else f"-run-{run}.bst"
        return Element(
            name=f"debian-{self.slug}-{short_hash(*named)}{ending}",
            kind="script",
            description=f"A configured Debian of {'+'.join(self.suites)}"
            + ("" if run is None else ", to see what is not the same each time"),
            builds_with=(
                Dependency(element=unpacked.name),
                Dependency(element=self.fakeroot.name, location=f"{NOTES}/fakeroot"),
                Dependency(element=self.created.name, location=f"{NOTES}/created"),
                Dependency(element=self.chosen.name, location=f"{NOTES}/chosen"),
            ),
            commands=commands,
            environment={"SOURCE_DATE_EPOCH": str(self.epoch)},
            config={"root-read-only": False},
        )


def translations(locale: str) -> tuple[str, ...]:
    """Return the folders that gettext takes translations for a locale from; C has none."""
    language, dot, rest = locale.partition(".")
    modifier = rest.partition("@")[2]
    if language in ("C", "POSIX"):
        return ()
    plain = language + (f"@{modifier}" if modifier else "")
    return tuple(dict.fromkeys((plain, language.partition("_")[0]))) if dot else (locale,)


def left_out(description: DebianRoot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths that are not unpacked, and those of them that are all the same, as shell patterns."""
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    if not description.docs:
        exclude, include = (*exclude, *DOCS), (*include, *KEPT_DOCS)
    if description.locales != "all":
        names = dict.fromkeys(name for locale in description.locales for name in translations(locale))
        kept = tuple(f"/usr/share/{place}/{name}/*" for name in names for place in ("locale", "man"))
        exclude, include = (*exclude, *LOCALES), (*include, *KEPT_LOCALES, *(kept if description.docs else ()))
        if not description.docs:
            include = (*include, *(path for path in kept if "/locale/" in path))
    return exclude, include


def suites_of(description: DebianRoot, debian: Debian) -> tuple[str, ...]:
    """Return the suites of a root."""
    if description.suite:
        return with_updates(description.suite, description.also)
    return suites_with_updates(debian.suites, description.also)


def repositories(description: DebianRoot, keys: Mapping[str, bytes]) -> list[Json]:
    """Return the further repositories of a root, their keys by SHA-256; `keys` are the files with them."""
    return [
        {**_repository(name, each), "key": hashlib.sha256(keys[each.key]).hexdigest()}
        for name, each in sorted(description.repositories.items())
    ]


def _repository(name: str, described: Repository) -> dict[str, Json]:
    words: dict[str, Json] = {"name": name, "url": described.url, "suites": list(described.suites)}
    return {**words, "components": list(_components(described))}


def _components(described: Repository) -> tuple[str, ...]:
    """Return the components of a repository; a flat one has none."""
    return () if described.suites[0].endswith("/") else described.components


def apt(description: DebianRoot, debian: Debian, keys: Mapping[str, bytes]) -> AptSources | None:
    """Return what apt in the root gets for sources; `keys` are the files with keys of further repositories.

    A folder of the machine that builds is no source for it.
    """
    if description.apt == "none":
        return None
    given = description.apt if isinstance(description.apt, AptArchive) else None
    further = tuple(
        AptRepository(
            name=name,
            url=each.url,
            suites=each.suites,
            components=_components(each),
            key=keys[each.key],
        )
        for name, each in sorted(description.repositories.items())
        if not each.url.startswith("file:")
    )
    return AptSources(
        suites=suites_of(description, debian),
        components=description.components,
        url=given.url if given else None,
        security=given.security if given else None,
        docs=description.docs,
        repositories=further,
    )


SYSTEMD = ("systemd-sysv", "systemd", "init")
# What looks names up, or configures networks by itself and sees to that, too.
RESOLVERS = ("systemd-resolved", "resolvconf", "openresolv", "network-manager", "connman", "dhcpcd", "ifupdown")
WITHOUT_RESOLVED = ("bullseye",)  # where it is part of systemd


def packages_of(description: DebianRoot, *, suite: str, modules: bool) -> tuple[str, ...]:
    """Return the packages of a root with those that what is described does not work without.

    A network by DHCP wants names looked up; a kernel with `modules` wants something that loads them.
    """
    named = set(description.packages)
    systemd = bool(named.intersection(SYSTEMD))
    more: tuple[str, ...] = ()
    if systemd and description.network == "dhcp" and not named.intersection(RESOLVERS):
        more += () if suite in WITHOUT_RESOLVED else ("systemd-resolved",)
    if modules:
        more += ("kmod", "udev") if systemd else ("kmod",)
    return (*description.packages, *(package for package in more if package not in named))


def elements(
    description: DebianRoot,
    debian: Debian,
    arch: Architecture,
    preseed: str,
    epoch: int,
    *,
    keys: Mapping[str, bytes] = MappingProxyType({}),
    modules: bool = False,
) -> DebianBuild:
    """Return the elements of a root.

    `preseed` is the text of its answers for debconf, `keys` are the files with keys of its repositories; with
    `modules` a kernel comes with some.
    """
    architecture = ARCHITECTURES[arch].debian_word
    suites = suites_of(description, debian)
    slug = f"{'-'.join(suites).replace('/', '-')}-{architecture}"
    wanted = packages_source(
        debian,
        architecture,
        packages_of(description, suite=suites[0], modules=modules),
        suites=suites,
        components=description.components,
        recommends=description.recommends,
        essential=True,
        database={"database": True},
        repositories=repositories(description, keys),
    )
    tool_source = packages_source(debian, architecture, ("fakeroot",), suites=suites)
    tool = Element(
        name=f"debian-{slug}-{short_hash(tool_source.request())}-fakeroot.bst",
        kind="import",
        description=f"fakeroot of {'+'.join(suites)}, for the sandbox",
        sources=(tool_source,),
    )
    created, source = _created(epoch)
    chosen, files = _chosen(description, preseed)
    configuring = _Configuring(
        suites=suites, slug=slug, fakeroot=tool, created=created, chosen=chosen, epoch=epoch
    )
    unpacked = _unpacked(wanted, left_out(description), suites, slug)
    configured = configuring.element(unpacked)
    # What is compared is the same whatever of the packages is left out, so that this is done once for them.
    usual = _unpacked(wanted, left_out(DebianRoot()), suites, slug)
    first = configured if usual == unpacked else configuring.element(usual, run=1)
    second = configuring.element(usual, run=LATER)
    made = {each.name: each for each in (unpacked, tool, created, chosen, configured, usual, first, second)}
    return DebianBuild(
        elements=tuple(made.values()),
        files=files | source | _keys(description, keys),
        root=configured.name,
        runs=(first.name, second.name),
    )


def _keys(description: DebianRoot, keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the keys of the repositories as files of the plan."""
    contents = [keys[each.key] for each in description.repositories.values()]
    return {f"{APT_KEYS}/{hashlib.sha256(content).hexdigest()}": content for content in contents}


def _unpacked(
    wanted: Source, left: tuple[tuple[str, ...], tuple[str, ...]], suites: tuple[str, ...], slug: str
) -> Element:
    """Return the element of an unpacked set without what is left out."""
    exclude, include = left
    return Element(
        name=f"debian-{slug}-{short_hash(wanted.request(), exclude, include)}-unpacked.bst",
        kind="import",
        description=f"Packages of {'+'.join(suites)}, unpacked",
        ships="packages",
        sources=(replace(wanted, words={**wanted.words, "exclude": list(exclude), "include": list(include)}),),
    )


def _created(epoch: int) -> tuple[Element, dict[str, bytes]]:
    """Return the libraries beside fakeroot, built without a C library.

    One gives what a process makes its owner, the other shows the second run another time.
    """
    sources = {
        name: (resources.files("rootstream.sandbox.rootfs") / f"{name}.c").read_bytes() for name in LIBRARIES
    }
    folder = "files/debian-created"
    compiler = "gcc -std=gnu11 -Os -s -shared -fPIC -fno-stack-protector -U_FORTIFY_SOURCE -nostdlib"
    making = (f'{compiler} -o "%{{install-root}}/{name}.so" {name}.c' for name in LIBRARIES)
    commands = ('mkdir -p "%{install-root}"', *making)
    texts = [source.decode() for source in sources.values()]
    made = Element(
        name=f"debian-{short_hash(commands, texts, epoch)}-created.bst",
        kind="manual",
        description="Owners of what a process makes under fakeroot, and another time",
        builds_with=(Dependency(element=base.NAME),),
        sources=(local(folder),),
        commands=commands,
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return made, {f"{folder}/{name}.c": source for name, source in sources.items()}


def _chosen(description: DebianRoot, preseed: str) -> tuple[Element, dict[str, bytes]]:
    """Return what the configuring script reads of the description, and the script itself."""
    script = (resources.files("rootstream.sandbox.rootfs") / CONFIGURE).read_bytes()
    kept = [path for path, choice in description.identities.items() if choice == "keep"]
    lists = {
        "network": () if description.network == "none" else (description.network,),
        "empty": [path for path in KNOWN if path not in kept],
        "remove": sorted(path for path in description.identities if path not in (*kept, *KNOWN)),
    }
    content = {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in lists.items()}
    content |= {"preseed": preseed.encode(), "configure": script}
    folder = f"files/debian-{short_hash({name: data.decode() for name, data in content.items()})}"
    made = Element(
        name=f"{folder.removeprefix('files/')}-chosen.bst",
        kind="import",
        description="How a Debian is configured",
        sources=(local(folder),),
    )
    return made, {f"{folder}/{name}": data for name, data in content.items()}


def _command(run: int | None) -> str:
    """Return the command that configures the tree under fakeroot and packs it, or only lists what `run` made.

    The sandbox has one user: changing an owner fails there with EINVAL, which fakeroot is told not to try.
    """
    tool = f"{NOTES}/fakeroot/usr"
    tar = '"%{install-root}/root.tar"' if run is None else "none"
    words = [
        f"sh {tool}/bin/fakeroot-sysv --faked {tool}/bin/faked-sysv",
        f"--lib $(echo {tool}/lib/*/libfakeroot/libfakeroot-sysv.so)",
        f'-- sh {NOTES}/chosen/configure {tar} "%{{install-root}}/made"',
        *([f"{NOTES}/created/later.so"] if run == LATER else []),
    ]
    lines = [] if run is None else [f"# run {run}"]
    lines += ["export FAKEROOTDONTTRYCHOWN=1", " \\\n  ".join(words)]
    return "\n".join([*lines, *([f'cp {NOTES}/dropped "%{{install-root}}/dropped"'] if run is None else [])])


def netboot(description: DebianRoot, epoch: int) -> tuple[tuple[str, bytes], ...]:
    """Return what a booted system does that a boot server told something, as an archive to lay over the root."""
    if description.network == "none":
        return ()
    files: dict[str, tuple[int, bytes]] = {}
    collect(resources.files("rootstream.recipes") / "systemd", "", files)
    units = [PurePosixPath(path).name for path in files if path.endswith(".service")]
    links = {f"usr/lib/systemd/system/sysinit.target.wants/{unit}": f"../{unit}" for unit in units}
    return (("0-netboot.tar", archive_of(files, epoch=epoch, links=links)),)


XATTRS = "/when-xattrs"
_UNIT = """[Unit]
Description=Capabilities of files, which an initramfs cannot carry
DefaultDependencies=no
ConditionPathExists=/etc/rootstream/xattrs
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/usr/lib/rootstream/apply-xattrs
"""


def xattr_program(epoch: int) -> tuple[Element, dict[str, bytes]]:
    """Return what gives files in an initramfs their capabilities: a program without libraries, and its unit."""
    source = (resources.files("rootstream.sandbox.rootfs") / "apply_xattrs.c").read_bytes()
    folder, place = "files/apply-xattrs-systemd", f"%{{install-root}}{XATTRS}/usr/lib"
    commands = (
        f'mkdir -p "{place}/rootstream" "{place}/systemd/system/sysinit.target.wants"',
        f'gcc -Os -s -static -o "{place}/rootstream/apply-xattrs" apply_xattrs.c',
        f'cp rootstream-xattrs.service "{place}/systemd/system/"',
        f'ln -s ../rootstream-xattrs.service "{place}/systemd/system/sysinit.target.wants/"',
    )
    made = Element(
        name=f"apply-xattrs-systemd-{short_hash(commands, source.decode(), _UNIT, epoch)}.bst",
        kind="manual",
        description="Sets the extended attributes of an initramfs that systemd starts",
        links=("libc6-dev",),
        builds_with=(Dependency(element=base.NAME),),
        sources=(local(folder),),
        commands=commands,
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return made, {f"{folder}/apply_xattrs.c": source, f"{folder}/rootstream-xattrs.service": _UNIT.encode()}
