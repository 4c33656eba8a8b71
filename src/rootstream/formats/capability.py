"""File capabilities: the text that setcap takes, and the bytes that the kernel keeps for it.

Numbers and the layout of VFS_CAP_REVISION_2 are those of linux/capability.h; the text is that of cap_from_text(3).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

XATTR = "security.capability"
REVISION_2 = 0x02000000
EFFECTIVE = 0x000001
NAMES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *("linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner"),
    *("sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice"),
    *("sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap"),
    *("mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf"),
    "checkpoint_restore",
)
NUMBERS = {f"cap_{name}": number for number, name in enumerate(NAMES)}
ALL = (1 << len(NAMES)) - 1
_CLAUSE = re.compile(r"(?P<caps>[a-z_,]*)(?P<actions>([=+-][eip]*)+)")
_ACTION = re.compile(r"([=+-])([eip]*)")


def capability_xattr(text: str) -> bytes:
    """Return the value of `security.capability` for a text such as `cap_net_raw,cap_net_admin+ep`.

    Raises `ValueError` that says what is wrong with it.
    """
    sets = {"e": 0, "i": 0, "p": 0}
    clauses = text.lower().split()
    if not clauses:
        raise ValueError("no capabilities; write for example cap_net_raw+ep")
    for clause in clauses:
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            example = "cap_net_raw,cap_net_admin+ep"
            raise ValueError(f"{clause!r} is not a capability clause; write for example {example}")
        mask = _mask(match["caps"], match["actions"])
        for operator, flags in _ACTION.findall(match["actions"]):
            _act(sets, operator, flags, mask)
    if sets["e"] not in (0, sets["p"] | sets["i"]):
        raise ValueError(f"{text!r}: capabilities of a file are all effective or none; use e for all or for none")
    permitted, inheritable = sets["p"], sets["i"]
    return struct.pack(
        "<5I",
        REVISION_2 | (EFFECTIVE if sets["e"] else 0),
        permitted & 0xFFFFFFFF,
        inheritable & 0xFFFFFFFF,
        permitted >> 32,
        inheritable >> 32,
    )


def capability_text(value: bytes) -> str | None:
    """Return the text for a value of `security.capability`, or None for one that no text gives."""
    if len(value) != struct.calcsize("<5I"):
        return None
    revision, *parts = struct.unpack("<5I", value)
    permitted, inheritable = parts[0] | parts[2] << 32, parts[1] | parts[3] << 32
    effective = "e" if revision & EFFECTIVE else ""
    clauses = ((permitted & ~inheritable, "p"), (inheritable & ~permitted, "i"), (permitted & inheritable, "ip"))
    text = " ".join(f"{','.join(_names(mask))}+{effective}{flags}" for mask, flags in clauses if mask)
    try:
        return text if capability_xattr(text) == value else None
    except ValueError:
        return None


def _names(mask: int) -> Iterator[str]:
    return (name for name, number in NUMBERS.items() if mask >> number & 1)


def _mask(caps: str, actions: str) -> int:
    if caps == "all" or (not caps and actions.startswith("=")):
        return ALL
    mask = 0
    for name in caps.split(","):
        if name not in NUMBERS:
            raise ValueError(f"{name or 'nothing'!r} is not a capability; capabilities(7) lists the names")
        mask |= 1 << NUMBERS[name]
    return mask


def _act(sets: dict[str, int], operator: str, flags: str, mask: int) -> None:
    for flag, old in sets.items():
        kept = old & ~mask if operator == "=" else old
        if flag in flags:
            kept = old & ~mask if operator == "-" else old | mask
        sets[flag] = kept
