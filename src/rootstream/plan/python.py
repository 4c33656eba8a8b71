"""Layer `python`: wheels for the root's own Python, installed in the sandbox into a tar that is laid over it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from rootstream.errors import UserError
from rootstream.layers import PythonPackages
from rootstream.plan import base, programs
from rootstream.plan.model import Dependency, Element, Source, short_hash

# Suite: the version of its python3, and the minor version of its glibc.
PYTHONS = {"bookworm": ("3.11", 36), "trixie": ("3.13", 41), "forky": ("3.14", 41), "sid": ("3.14", 41)}
OLDEST_GLIBC = 36
FILE = "python.tar"


def version_of(layer: PythonPackages, suite: str) -> str | None:
    """Return the version of Python that packages are for, None if it is not known."""
    return layer.version or PYTHONS.get(suite, (None, 0))[0]


def element(
    layer: PythonPackages, texts: Mapping[str, str], *, suite: str, arch: str, epoch: int
) -> tuple[Element, dict[str, bytes], str]:
    """Return the element, the files that pip reads, and the path of the tar that the element holds.

    `texts` holds the requirement and constraint files.
    """
    python = version_of(layer, suite)
    if python is None:
        hint = 'Say which it has: `python: {version: "3.13", ...}`.'
        raise UserError("python-unknown", f"python: the version of Python in {suite} is not known", hint=hint)
    wanted = [*layer.install, *(line for path in layer.requirements for line in texts[path].splitlines())]
    limits = [line for path in layer.constraints for line in texts[path].splitlines()]
    lists = {
        f"{name}.txt": "".join(f"{line}\n" for line in lines).encode()
        for name, lines in (("requirements", wanted), ("constraints", limits))
    }
    digest = hashlib.sha256(b"\0".join(lists[name] for name in sorted(lists))).hexdigest()[:16]
    folder = f"files/python-{digest}"
    source = Source(
        kind="python_wheels",
        words={
            "python": python,
            "machine": arch,
            "glibc": PYTHONS.get(suite, ("", OLDEST_GLIBC))[1],
            "requirements": f"{folder}/requirements.txt",
            "constraints": f"{folder}/constraints.txt",
            "digest": digest,
        },
        locked=True,
        directory="wheels",
    )
    words = [f"PYTHONPATH={programs.FOLDER} python3 -m {programs.module('wheels')} --python {python}"]
    words += [f"--site /usr/local/lib/python{python}/dist-packages --prefix /usr/local"]
    if layer.byte_code:
        words.append("--byte-code")
    place = f"/python-{digest}"
    words.append(f'--output "%{{install-root}}{place}/{FILE}" wheels/*.whl')
    commands = (f'mkdir -p "%{{install-root}}{place}"', " \\\n  ".join(words))
    made = Element(
        name=f"python-{arch}-{short_hash(source.request(), commands, epoch)}.bst",
        kind="manual",
        description=f"Packages for Python {python} on {arch}",
        builds_with=(Dependency(element=base.NAME), Dependency(element=programs.IMAGES)),
        sources=(source,),
        commands=commands,
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return made, {f"{folder}/{name}": content for name, content in lists.items()}, f"{place}/{FILE}"
