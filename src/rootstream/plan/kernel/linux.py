"""The kernel as an element: configured, checked against what was asked for, compiled reproducibly."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import PurePosixPath

from rootstream.description.system import Kernel
from rootstream.plan import programs
from rootstream.plan.kernel.kconfig import Asked, Fragment, configure, still_right
from rootstream.plan.model import Dependency, Element, PreparedPlan, short_hash
from rootstream.plan.sources import WORK, Unpacked, local
from rootstream.plan.toolchain import Toolchain

# What scripts/link-vmlinux.sh reads of its environment.
LINKING = (
    *("ARCH", "SRCARCH", "CC", "LD", "NM", "OBJCOPY", "CONFIG_SHELL", "KBUILD_LDS", "KBUILD_VMLINUX_LIBS"),
    *("NOSTDINC_FLAGS", "KBUILD_CPPFLAGS", "KBUILD_AFLAGS", "KBUILD_AFLAGS_KERNEL"),
)

# Lists the sources of the tree, and what was compiled of them: Kbuild notes the source and the headers of each
# object (scripts/basic/fixdep.c). Names of the second list may go through `..`; whoever reads it settles that.
LIST_SOURCES = rf"""set -e; cd {WORK}/tree
find . -type f -name '*.[chS]' | sed 's,^\./,,' | LC_ALL=C sort > "%{{install-root}}/kernel/sources"
find . -type f -name '.*.cmd' -exec cat {{}} + |
  sed -nE -e 's,^source_[^ ]* := ,,p' -e 's,^ +([^ $/][^ $]*) *\\?$,\1,p' |
  LC_ALL=C sort -u > "%{{install-root}}/kernel/compiled"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBuild:
    """An element that makes a kernel: /kernel/NAME, /kernel/config, and /kernel/modules.tar if asked for.

    /kernel/sources and /kernel/compiled list the files of its tree, and those that it was compiled from.

    `asked` is how it is configured, if it is compiled here.
    """

    element: Element
    files: dict[str, bytes]
    image: str
    asked: Asked | None = None


def kernel(
    description: Kernel,
    tools: Toolchain,
    tree: Unpacked,
    fragments: tuple[Fragment, ...],
    epoch: int,
    *,
    linkable: bool = False,
) -> KernelBuild:
    """Return the element for a kernel; a `linkable` one keeps what it takes to link it again, in /kernel/link."""
    karch = tools.row.linux
    target, path = tools.row.target, tools.row.kernel
    words = " ".join((f"ARCH={karch}", *tools.make_words()))
    folder, files = fragment_files(fragments)
    name = path.rsplit("/", 1)[-1]
    stamp = time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(epoch))
    making = f"{words} {target}" + (" modules" if description.modules else "")
    asked = Asked(
        kind="linux",
        arch=karch,
        base=description.base,
        fragments=fragments,
        optional=description.optional,
        words=tools.make_words(),
        modules=description.modules,
    )
    preparing = (*tree.commands, configure(asked))
    commands = (
        *preparing,
        *((_note_linking(),) if linkable else ()),
        f'make -C {WORK}/tree -j"$JOBS" {making}',
        still_right(),
        'mkdir -p "%{install-root}/kernel"',
        f'cp {WORK}/tree/{path} "%{{install-root}}/kernel/{name}"',
        f'cp {WORK}/tree/.config "%{{install-root}}/kernel/config"',
        'cp kconfig.json "%{install-root}/kernel/kconfig.json"',
        f'make -s -C {WORK}/tree {words} kernelrelease > "%{{install-root}}/kernel/release"',
        *(_modules(words) if description.modules else ()),
        *((_keep_linking(tools.prefix),) if linkable else ()),
        LIST_SOURCES,
    )
    identity = short_hash(karch, commands, [s.request() for s in tree.sources], folder, epoch)
    element = Element(
        name=f"linux-{tools.label}-{identity}.bst",
        kind="manual",
        description=f"Linux for {tools.label}",
        builds_with=(*tools.builds_with(), Dependency(element=programs.KCONFIG)),
        sources=(*tree.sources, *((local(str(folder), directory="fragments"),) if files else ())),
        commands=commands,
        prepared=PreparedPlan(commands=len(preparing), folder=f"{WORK}/tree", make=f'make -j"$JOBS" {making}'),
        ships="linux",
        variables={"strip-binaries": ""},
        environment={
            "KBUILD_BUILD_TIMESTAMP": stamp,
            "KBUILD_BUILD_USER": "rootstream",
            "KBUILD_BUILD_HOST": "rootstream",
            "SOURCE_DATE_EPOCH": str(epoch),
        },
    )
    return KernelBuild(element=element, files=files, image=name, asked=asked)


def _note_linking() -> str:
    """Return the command that makes the kernel's build write down how it links."""
    noted = '[ "$1" = clean ] || { env -0 > link.env; printf \'%s\\0\' "$@" > link.args; }'
    script = f"{WORK}/tree/scripts/link-vmlinux.sh"
    return f"printf '%s\\n' {shlex.quote(noted)} | sed -i '1r /dev/stdin' {script}"


def _keep_linking(prefix: str) -> str:
    """Return the script that copies what the last step of the build takes, but the initramfs, to /kernel/link.

    The build's archives are thin: they name objects, where these are to hold them.
    """
    names = "|".join(LINKING)
    return f"""set -e; cd {WORK}/tree
of() {{ tr '\\0' '\\n' < link.env | sed -n "s/^$1=//p"; }}
to="%{{install-root}}/kernel/link"; mkdir -p "$to"
cp --parents scripts/mksysmap scripts/file-size.sh include/config/auto.conf usr/initramfs_data.o \\
  init/version-timestamp.o "$(of KBUILD_LDS)" "$to"
for file in scripts/kallsyms scripts/sorttable .vmlinux.export.o; do
  [ ! -e $file ] || cp --parents $file "$to"
done
sed '2d' scripts/link-vmlinux.sh > "$to/scripts/link-vmlinux.sh"
{prefix}ar t vmlinux.a | grep -vx usr/initramfs_data.o | xargs {prefix}ar qcDS "$to/vmlinux.a"
for file in $(of KBUILD_VMLINUX_LIBS); do
  mkdir -p "$to/$(dirname $file)"
  {prefix}ar t $file | xargs -r {prefix}ar qcDs "$to/$file"
done
grep -zE '^({names})=' link.env | sort -z > "$to/link.env"
cp link.args "$to"
"""


def fragment_files(fragments: tuple[Fragment, ...]) -> tuple[PurePosixPath, dict[str, bytes]]:
    """Return the folder of the plan that holds the fragments, named by their content, and its files."""
    folder = (
        PurePosixPath("files")
        / f"kconfig-{short_hash([(f.shown, f.content.decode('latin1')) for f in fragments])}"
    )
    return folder, {str(folder / fragment.file): fragment.content for fragment in fragments}


def _modules(words: str) -> tuple[str, ...]:
    pack = (
        "tar --format=pax --pax-option=delete=atime,delete=ctime --sort=name --owner=0 --group=0 "
        '--numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C staging -cf "%{install-root}/kernel/modules.tar" .'
    )
    return (
        f'make -C {WORK}/tree {words} INSTALL_MOD_PATH="$PWD/staging" INSTALL_MOD_STRIP=1 modules_install',
        "rm -f staging/lib/modules/*/build staging/lib/modules/*/source",
        pack,
    )
