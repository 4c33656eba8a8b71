"""Which accelerator works here: KVM counts only when a guest was seen running on it before a deadline.

That /dev/kvm opens proves nothing: under some nested virtualisation guests start and then hang, or every
instruction is emulated. The proof is a tiny guest that counts for a while, which TCG does in 0.4 s, and then ends
QEMU with a status of its own; the result is remembered until the host is started again.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rootstream import events
from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.boot.qemu import Accelerator, quote
from rootstream.description.machine import Machine
from rootstream.errors import UserError
from rootstream.host import process, temporary

DEADLINE = 3.0
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_EXIT_PORT = 0xF4
_EXIT_VALUE = 0x31
_EXIT_STATUS = _EXIT_VALUE << 1 | 1  # isa-debug-exit: QEMU ends with (value << 1) | 1
_SECTOR = 512
# Under 0.1 s where the processor runs the guest, minutes where KVM emulates it.
_ROUNDS = 100_000_000
_METHOD = 2  # of the proof: another one forgets what was remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class AccelProof:
    """Whether a guest ran on KVM, and if not, why."""

    works: bool
    why: str


def choose(
    machine: Machine,
    arch: Architecture,
    *,
    report: events.Reporter = events.ignore,
    cache: Path | None = None,
    env: Mapping[str, str] = os.environ,
) -> Accelerator:
    """Return the accelerator for a machine, and say (as a notice) why it is not KVM.

    `cache` is the folder that remembers the proof; by default the user's. Raises `UserError` program-missing,
    and kvm-unusable if the machine asks for KVM and it doesn't work.
    """
    if machine.accelerator == "tcg":
        return "tcg"
    forced = machine.accelerator == "kvm"
    proof = prove(arch, cache=cache or cache_folder(env), env=env, again=forced)
    if proof.works:
        return "kvm"
    if forced:
        raise UserError(
            "kvm-unusable",
            f"the machine is set to use KVM, but {proof.why}",
            hint="Set `machine: {accelerator: auto}` to fall back to emulation where KVM does not work.",
        )
    report(events.Notice(level="info", text=f"Booting without KVM: {proof.why}"))
    return "tcg"


def prove(arch: Architecture, *, cache: Path, env: Mapping[str, str], again: bool = False) -> AccelProof:
    """Return whether a guest of this architecture runs on KVM; `again` distrusts a remembered no."""
    if platform.machine() != arch:
        return AccelProof(works=False, why=f"this host ({platform.machine()}) is not {arch}")
    if not _DEVICE.exists():
        return AccelProof(works=False, why=f"there is no {_DEVICE}")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return AccelProof(
            works=False,
            why=f"this user has no permission to open {_DEVICE} (often: add the user to the group kvm)",
        )
    board = ARCHITECTURES[arch].board
    program = process.require(board.program, hint=f"Install it (Debian: `apt install {board.package}`).")
    key = _key(Path(program))
    known = _recall(cache / "kvm.json", key)
    if known is not None and (known.works or not again):
        return known
    proof = _try(program, arch, env=env)
    _remember(cache / "kvm.json", key, proof)
    return proof


def cache_folder(env: Mapping[str, str]) -> Path:
    """Return the user's cache folder for this tool (XDG base directory specification)."""
    base = env.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "rootstream"


def boot_sector() -> bytes:
    """Return a boot sector (x86, real mode) that counts, then writes the agreed value to QEMU's exit port."""
    code = bytes(
        (
            *(0x66, 0xB9, *_ROUNDS.to_bytes(4, "little")),  # mov ecx, rounds
            *(0x66, 0x49),  # dec ecx
            *(0x75, 0xFC),  # jnz to the dec
            *(0xB0, _EXIT_VALUE),  # mov al, value
            *(0xBA, _EXIT_PORT & 0xFF, _EXIT_PORT >> 8),  # mov dx, port
            0xEE,  # out dx, al
            0xF4,  # hlt
            *(0xEB, 0xFD),  # jmp to the hlt
        )
    )
    return code.ljust(_SECTOR - 2, b"\0") + b"\x55\xaa"


def _try(program: str, arch: Architecture, *, env: Mapping[str, str]) -> AccelProof:
    if not ARCHITECTURES[arch].board.bios:
        return AccelProof(works=False, why=f"testing it is not supported for {arch} yet")
    with temporary.folder("rootstream-kvm-") as folder:
        sector = folder / "sector"
        sector.write_bytes(boot_sector())
        return run_proof(program, sector, accelerator="kvm", env=env)


def run_proof(program: str, sector: Path, *, accelerator: Accelerator, env: Mapping[str, str]) -> AccelProof:
    """Boot the sector and return whether it ran before the deadline."""
    argv = (
        *(program, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-machine", "pc", "-accel", accelerator, "-m", "16M"),
        *("-device", f"isa-debug-exit,iobase={_EXIT_PORT:#x},iosize=1"),
        *("-drive", f"if=ide,format=raw,readonly=off,snapshot=on,file={quote(str(sector))}"),
    )
    try:
        done = process.run(process.die_with_parent(argv), env=env, timeout=DEADLINE, check=False)
    except UserError as error:
        if error.reason != "process-timeout":
            raise
        return AccelProof(works=False, why=f"a test guest did not run on it within {DEADLINE:g} seconds")
    if done.status == _EXIT_STATUS:
        return AccelProof(works=True, why="a test guest ran on it")
    last = process.tail(done.stderr, 1).strip() or process.ending(done.status)
    return AccelProof(works=False, why=f"QEMU could not use it: {last}")


def _key(program: Path) -> dict[str, str | int]:
    """Return what a proof depends on: this boot of the host, this QEMU, and how it is made."""
    status = program.resolve().stat()
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    return {
        "boot": boot,
        "program": str(program),
        "size": status.st_size,
        "changed": status.st_mtime_ns,
        "method": _METHOD,
    }


def _recall(path: Path, key: dict[str, str | int]) -> AccelProof | None:
    try:
        entry = json.loads(path.read_text())
        if entry["key"] == key:
            return AccelProof(works=entry["works"] is True, why=str(entry["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _remember(path: Path, key: dict[str, str | int], proof: AccelProof) -> None:
    """Keep the proof; a cache that cannot be written is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({"key": key, **asdict(proof)}, file)
        shutil.move(file.name, path)
    except OSError:
        return
