"""The partition table of a disk image, written by sfdisk(8); every identity comes from the plan."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from rootstream.sandbox.program import Mistake, feed

MOST_SECTORS = (1 << 32) - 1  # of an MBR
LABELS = {"mbr": "dos", "gpt": "gpt"}
EFI_SYSTEM = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
SWAP = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"
BASIC = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A partition: where it lies in bytes, and its type, a GUID or a number in hexadecimal digits.

    `uuid` and `name` are for GPT, `active` for MBR.
    """

    start: int
    size: int
    type: str
    uuid: uuid.UUID | None = None
    name: str = ""
    active: bool = False


def script(table: Literal["mbr", "gpt"], identity: str, entries: Sequence[Entry], sector_size: int) -> str:
    """Return what sfdisk reads. Raises `Mistake` for a disk that is too large for its table."""
    lines = [f"label: {LABELS[table]}", f"label-id: {identity}", "unit: sectors"]
    for entry in entries:
        start, size = entry.start // sector_size, entry.size // sector_size
        if table == "mbr" and start + size > MOST_SECTORS:
            raise Mistake("the disk is too large for an MBR partition table (2 TiB with sectors of 512 bytes)")
        words = [f"start={start}", f"size={size}", f"type={entry.type}"]
        words += [f"uuid={entry.uuid}", f'name="{entry.name}"'] if entry.uuid else []
        lines.append(", ".join([*words, *(["bootable"] if entry.active else [])]))
    return "\n".join([*lines, ""])


def write(image: Path, text: str, sector_size: int, *, epoch: int) -> None:
    """Write the table that a script asks for onto an image; nothing else of it changes."""
    sectors = [f"--sector-size={sector_size}"] if sector_size != 512 else []  # noqa: PLR2004
    argv = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never", "--wipe-partitions=never"]

    def tell(pipe: IO[bytes]) -> None:
        pipe.write(text.encode())

    feed([*argv, *sectors, str(image)], tell, epoch=epoch)
