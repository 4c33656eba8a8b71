"""Software from folders of the project, compiled into a system by the real engine."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.conftest import ROOT, Command, extracted

pytestmark = pytest.mark.engine

SYSTEM = """
systems:
  soft:
    root: busybox
    layers:
      - packages:
          - {name: counting, source: counting, build: autotools}
          - {name: count, source: count, build: make, depends: [counting], options: ["WORD=it's two words"]}
          - {name: status, source: status, build: make}
    images: [tar]
"""
# What configure does of interest here: it takes the usual words and writes a Makefile.
CONFIGURE = """#!/bin/sh
for word; do case $word in CC=*|AR=*|--prefix=*|--host=*) words="$words $word";; esac; done
for word in $words; do case $word in --host=*) host=${word#*=};; --prefix=*) prefix=${word#*=};; esac; done
{ for word in $words; do case $word in CC=*|AR=*) echo "$word";; esac; done
  echo "HOST=$host"; echo "prefix=$prefix"; cat Makefile.in; } > Makefile
"""
LIBRARY = {
    "configure": CONFIGURE,
    "Makefile.in": "libcounting.a: counting.c\n\t$(CC) -c counting.c && $(AR) rcs $@ counting.o\n"
    "install: libcounting.a\n\tinstall -D -m 644 libcounting.a $(DESTDIR)$(prefix)/lib/libcounting.a\n"
    "\tinstall -D -m 644 counting.h $(DESTDIR)$(prefix)/include/counting.h\n"
    "\techo $(HOST) > host; install -D -m 644 host $(DESTDIR)$(prefix)/share/counting/host\n",
    "counting.c": "int counted(void) { return 42; }\n",
    "counting.h": "int counted(void);\n",
}
PROGRAM = {
    "Makefile": "count: count.c\n\t$(CC) $(CPPFLAGS) $(LDFLAGS) -DCOUNT='\"%d\\n\"' -o $@ $< -lcounting\n"
    "install: count\n\tinstall -D -m 755 count $(DESTDIR)$(PREFIX)/bin/count\n"
    '\techo "$(WORD)" > word; install -D -m 644 word $(DESTDIR)$(PREFIX)/share/count/word\n',
    "count.c": "#include <counting.h>\n#include <stdio.h>\nint main(void) { return !printf(COUNT, counted()); }\n",
}


@pytest.fixture
def soft(hello: Path, built: Path) -> Path:
    assert built.exists()
    (hello / "system.yaml").write_text(SYSTEM)
    shutil.copytree(ROOT / "examples" / "appliance" / "status", hello / "status")
    for name, files in (("counting", LIBRARY), ("count", PROGRAM)):
        (hello / name).mkdir()
        for path, text in files.items():
            (hello / name / path).write_text(text)
    (hello / "counting" / "configure").chmod(0o755)
    return hello


def test_programs_are_static_and_what_only_compilers_want_is_left_out(soft: Path, run: Command) -> None:
    run("build", cwd=soft, check=True)
    with tarfile.open(soft / "out" / "soft" / "rootfs.tar") as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
        extracted(tar, soft / "root", [each for each in tar if each.isreg()])
    assert {"usr/bin/count", "usr/bin/status", "usr/share/counting/host"} <= names
    assert not [name for name in names if name.endswith((".a", ".h"))]
    assert (soft / "root/usr/share/counting/host").read_text() == "x86_64-linux-musl\n"
    done = subprocess.run([str(soft / "root/usr/bin/count")], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert (soft / "root/usr/share/count/word").read_text() == "it's two words\n"
    said = subprocess.run([str(soft / "root/usr/bin/status")], capture_output=True, text=True, check=True).stdout
    assert ": ok, up " in said


def test_a_changed_library_is_in_the_program(soft: Path, run: Command) -> None:
    (soft / "counting" / "counting.c").write_text("int counted(void) { return 43; }\n")
    done = run("build", cwd=soft, check=True)
    assert "package-status" not in done.stdout + done.stderr
    with tarfile.open(soft / "out" / "soft" / "rootfs.tar") as tar:
        extracted(tar, soft / "root", [each for each in tar if each.isreg()])
    said = subprocess.run([str(soft / "root/usr/bin/count")], capture_output=True, text=True, check=True).stdout
    assert said == "43\n"


def test_a_folder_without_configure_is_told(soft: Path, run: Command) -> None:
    (soft / "counting" / "configure").rename(soft / "counting" / "configure.ac")
    done = run("build", cwd=soft)
    assert done.returncode == 2
    assert "autoreconf" in done.stdout + done.stderr
