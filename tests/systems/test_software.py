"""Software of the project by every way of building, for this processor and others, run where it belongs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.conftest import ROOT, rootstream
from tests.systems.conftest import verified

SYSTEM = """\
systems:
  soft:
    arch: x86_64
    root: busybox
    kernel: {fragments: [linux.config]}
    layers:
      - root_login: {password: empty}
      - packages:
          - {name: shared, source: shared, build: meson}
          - {name: by-make, source: by-make, build: make, depends: [shared]}
          - {name: by-cmake, source: by-cmake, build: cmake, depends: [shared], options: [-DNAME=cmake]}
          - {name: by-meson, source: by-meson, build: meson, depends: [shared]}
          - {name: by-go, source: by-go, build: go, module: example.org/by-go}
          - {name: by-cargo, source: by-cargo, build: cargo}
    images: [kernel, initramfs]
    machine: {memory: 128M, kernel_args: quiet}
    checks:
      - login: {user: root}
      - {command: by-make, output: ^42 make$}
      - {command: by-cmake, output: ^42 cmake$}
      - {command: by-meson, output: ^42 meson$}
      - {command: by-go, output: ^42 go linux$}
      - {command: by-cargo, output: ^42 cargo linux$}
      - {command: "! ls /usr/include /usr/lib/libshared.a"}
    variants:
      riscv64: {arch: riscv64}
      armv7: {arch: armv7}
"""
C = '#include <shared.h>\n#include <stdio.h>\nint main(void) { return !printf("%d %s\\n", shared(), NAME); }\n'
CHECKSUM = "0" * 64
CRATE = '[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\n'
# As `cargo vendor` leaves it: the crate is in the folder, and the lock says which it is.
CARGO_LOCK = f"""\
version = 4

[[package]]
name = "by-cargo"
version = "1.0.0"
dependencies = ["shared"]

[[package]]
name = "shared"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "{CHECKSUM}"
"""
FILES = {
    "shared/meson.build": "project('shared', 'c')\nlibrary('shared', 'shared.c', install: true)\n"
    "install_headers('shared.h')\nimport('pkgconfig').generate(name: 'shared', description: 'Shared',"
    " libraries: ['-L${libdir}', '-lshared'], version: '1')\n",
    "shared/shared.c": "int shared(void) { return 42; }\n",
    "shared/shared.h": "int shared(void);\n",
    "by-make/main.c": C,
    "by-make/Makefile": "by-make: main.c\n\t$(CC) $(CPPFLAGS) $(LDFLAGS) -DNAME='\"make\"' -o $@ $< -lshared\n"
    "install: by-make\n\tinstall -D by-make $(DESTDIR)$(PREFIX)/bin/by-make\n",
    "by-cmake/main.c": C,
    "by-cmake/CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(by-cmake LANGUAGES C)\n"
    "find_library(SHARED shared REQUIRED)\nfind_path(SHARED_H shared.h REQUIRED)\n"
    "add_executable(by-cmake main.c)\n"
    'target_compile_definitions(by-cmake PRIVATE NAME="${NAME}")\n'
    "target_include_directories(by-cmake PRIVATE ${SHARED_H})\ntarget_link_libraries(by-cmake ${SHARED})\n"
    "install(TARGETS by-cmake)\n",
    "by-meson/main.c": C,
    "by-meson/meson.build": "project('by-meson', 'c')\n"
    "executable('by-meson', 'main.c', dependencies: dependency('shared'),"
    " c_args: '-DNAME=\"meson\"', install: true)\n",
    "by-go/main.go": 'package main\n\nimport (\n\t"example.org/by-go/inner"\n\t"fmt"\n\t"runtime"\n)\n\n'
    'func main() { fmt.Println(inner.Number, "go", runtime.GOOS) }\n',
    "by-go/inner/inner.go": "package inner\n\nconst Number = 42\n",
    "by-cargo/Cargo.toml": CRATE.format(name="by-cargo") + '[dependencies]\nshared = "1"\n',
    "by-cargo/Cargo.lock": CARGO_LOCK,
    "by-cargo/src/main.rs": 'fn main() { println!("{} cargo {}", shared::number(), std::env::consts::OS); }\n',
    "by-cargo/vendor/shared/Cargo.toml": CRATE.format(name="shared"),
    "by-cargo/vendor/shared/.cargo-checksum.json": f'{{"files":{{}},"package":"{CHECKSUM}"}}\n',
    "by-cargo/vendor/shared/src/lib.rs": "pub fn number() -> i32 { 42 }\n",
}


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("soft")
    (folder / "system.yaml").write_text(SYSTEM)
    shutil.copy(ROOT / "examples" / "hello" / "linux.config", folder)  # its kernels are built for other tests
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    rootstream("update", cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("target", ["soft", "soft@riscv64", "soft@armv7"])
def test_it_runs(soft: Path, target: str) -> None:
    verified(soft, target)
