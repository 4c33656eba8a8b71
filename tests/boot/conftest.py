"""What the boots need: a kernel and BusyBox from the host's distribution, packed into an initramfs here."""

from __future__ import annotations

import gzip
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from boxes import BEGIN, PASSWD, Cpio
from tests.conftest import one_at_a_time

from rootstream.description.machine import BootImage

_APT_TIMEOUT = 120
_MODULES = (
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    kernel: Path
    busybox: Path
    modules: tuple[Path, ...]
    folder: Path


@pytest.fixture(scope="session")
def parts(request: pytest.FixtureRequest) -> Parts:
    """A kernel, its modules for a network, and a static BusyBox; kept in pytest's cache."""
    for program in ("qemu-system-x86_64", "apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    kept = getattr(request.config, "cache", None)
    if kept is None:
        pytest.skip("pytest's cache is switched off")
    cache = Path(str(kept.mkdir("boot-parts")))
    root = cache / "root"
    with one_at_a_time("boot-parts"):
        if not (root / "complete").exists():
            _fetch(cache, root)
    modules = next((root / "lib/modules").iterdir()) / "kernel"
    return Parts(
        kernel=next((root / "boot").glob("vmlinuz-*")),
        busybox=root / "bin/busybox",
        modules=tuple(modules / f"{name}.ko" for name in _MODULES),
        folder=cache,
    )


@pytest.fixture(scope="session")
def host_busybox(parts: Parts) -> Path:
    """The host's static BusyBox."""
    return parts.busybox


def _fetch(cache: Path, root: Path) -> None:
    try:
        depends = _run("apt-cache", "depends", "linux-image-cloud-amd64", cwd=cache)
        kernel = next(line.split()[1] for line in depends.splitlines() if "Depends:" in line)
        _run("apt-get", "download", kernel, "busybox-static", cwd=cache)
    except (subprocess.SubprocessError, StopIteration) as error:
        pytest.skip(f"the host's package mirror gives no kernel and BusyBox: {error}")
    shutil.rmtree(root, ignore_errors=True)
    for package in cache.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(root), cwd=cache)
        package.unlink()
    (root / "complete").touch()


def _run(*argv: str, cwd: Path) -> str:
    done = subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True, timeout=_APT_TIMEOUT)
    return done.stdout


@pytest.fixture(scope="session")
def beside_hello(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Callable[[str], Path]:
    """Return a function that makes a project with the lock of examples/hello and its kernel, which is built."""

    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        for file in ("system.lock", "linux.config"):
            shutil.copy(built / file, folder / file)
        return folder

    return made


@pytest.fixture
def image(parts: Parts, tmp_path: Path) -> Callable[..., BootImage]:
    """Make an initramfs whose init does what it is told; without a script it has none."""

    def make(*scripts: str, name: str = "box") -> BootImage:
        archive = Cpio()
        for folder in ("bin", "dev", "proc", "sys", "etc", "tmp", "www", "modules"):
            archive.add(folder, b"", stat.S_IFDIR | 0o755)
        archive.add("bin/busybox", parts.busybox.read_bytes(), stat.S_IFREG | 0o755)
        archive.add("etc/passwd", PASSWD.encode(), stat.S_IFREG | 0o644)
        archive.add("etc/group", b"root:x:0:\nadmin:x:1000:\n", stat.S_IFREG | 0o644)
        for index, module in enumerate(parts.modules):
            archive.add(f"modules/{index}-{module.name}", module.read_bytes(), stat.S_IFREG | 0o644)
        if scripts:
            archive.add("init", (BEGIN + "\n".join(scripts)).encode(), stat.S_IFREG | 0o755)
        path = tmp_path / f"{name}.cpio.gz"
        path.write_bytes(gzip.compress(archive.close(), 1))
        return BootImage(kind="initramfs", kernel=str(parts.kernel), file=str(path), name=name)

    return make
